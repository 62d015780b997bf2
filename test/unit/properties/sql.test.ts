/** No name leaves its token in any SQL that is made, whoever chose the name. */
import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { poolerLoginQuery, poolerLoginScript, dropPoolerLoginScript } from "../../../components/postgres/pooler-login";
import { identifier, literal, textArray } from "../../../components/postgres/sql";
import {
  accessScript,
  driftQuery,
  dropScript,
  existingRolesQuery,
  forbidLoginScript,
  dropOwnedScript,
} from "../../../components/postgres/grants";
import { AutoUsers, checkAutoUsers } from "../../../components/teleport/auto-users/settings";
import * as autoUsers from "../../../components/teleport/auto-users/scripts";
import { checkDatabaseName, checkOwner } from "../../../components/cnpg/initdb";
import { checkUsers, TeleportUser } from "../../../components/cnpg/roles";
import { checkVaultDatabase } from "../../../components/vault-database/check";
import * as vaultDatabase from "../../../components/vault-database/database-scripts";
import * as vaultRoles from "../../../components/vault-database/role-scripts";
import { roleStatements } from "../../../components/vault-database/role-scripts";
import {
  CredentialsRole,
  grantedRoles,
  usernamePattern,
  vaultUserNames,
  VaultUsersSettings,
} from "../../../components/vault-database/settings";
import { inPostgres, plain } from "./hostile";
import { Token, tokensOf } from "./sql-tokens";

const RUNS = { numRuns: 100 };
/** psql's only command in our scripts. */
const SET = "\\set ON_ERROR_STOP on";

/** Stands where a name will; no SQL of ours has these letters. */
const placeholder = (index: number) => `qq${index}qq`;
const PLACEHOLDER = /qq([0-9]+)qq/g;

/** The same names for whoever makes the SQL, hostile or harmless. */
type Script = (names: readonly string[]) => string;

/**
 * What is made of hostile names has the shape of what is made of harmless ones: the same tokens, and each name in the
 * place of its own. No harmless name is in a text that is run, or that `format` fills in.
 */
function holds(script: Script, names: readonly string[], { psql = true, exact = true } = {}): void {
  const harmless = names.map((_, index) => placeholder(index));
  for (const standardStrings of [true, false]) {
    const expected = tokensOf(script(harmless), { psql, standardStrings });
    const text = script(names);
    let found: Token[];
    try {
      found = tokensOf(text, { psql, standardStrings });
    } catch (error) {
      throw new Error(`${JSON.stringify(names)} breaks the script: ${(error as Error).message}`);
    }
    expected.forEach((token, index) => {
      const filled = isQuoted(token)
        ? token.value.replace(PLACEHOLDER, (_, number) => names[Number(number)] ?? "")
        : "";
      const got = found[index];
      assert.equal(got?.kind, token.kind, `${JSON.stringify(names)} leaves its token at ${around(expected, index)}`);
      if (!isQuoted(token) || exact) assert.equal(got?.value, isQuoted(token) ? filled : token.value);
      assert.ok(
        token.value.search(PLACEHOLDER) < 0 || !isRun(expected, index),
        `${token.value} is in a text that is run`,
      );
      if (token.kind === "command") assert.equal(token.value, SET);
      assert.notEqual(token.kind, "variable");
    });
    assert.equal(found.length, expected.length, `${JSON.stringify(names)} adds tokens`);
  }
}

const isQuoted = ({ kind }: Token) => kind === "identifier" || kind === "string";
const around = (tokens: readonly Token[], index: number) =>
  tokens
    .slice(Math.max(0, index - 4), index + 1)
    .map(({ value }) => value)
    .join(" ");

/** Whether a text is SQL of its own, or a template for it. */
function isRun(tokens: readonly Token[], index: number): boolean {
  const [before, last] = tokens.slice(Math.max(0, index - 2), index).map(({ value }) => value.toUpperCase());
  if (tokens[index]?.kind !== "string") return false;
  return ["EXECUTE", "EXCEPTION", "WARNING"].includes(last ?? "") || (before === "FORMAT" && last === "(");
}

/** Holds for every one of the scripts. */
function hold(scripts: readonly Script[], names: fc.Arbitrary<string[]>, examples: string[][] = [], options = {}) {
  const property = fc.property(names, (each) => scripts.forEach((script) => holds(script, each, options)));
  fc.assert(property, { ...RUNS, examples: examples.map((each): [string[]] => [each]) });
}

const several = (names: fc.Arbitrary<string>, count: number) =>
  fc.uniqueArray(names, { minLength: count, maxLength: count });

describe("reading of SQL, in these tests", () => {
  const kinds = (script: string, reader = {}) => tokensOf(script, reader).map(({ kind, value }) => `${kind} ${value}`);
  it("knows where quotes end", () => {
    assert.deepEqual(kinds(`SELECT 'it''s', "a""b", E'\\'x' -- 'no`), [
      "word SELECT",
      "string it's",
      "other ,",
      'identifier a"b',
      "other ,",
      "string 'x",
    ]);
    assert.throws(() => tokensOf("SELECT 'it's'"), /without an end/);
    assert.throws(() => tokensOf("DO $do$ 'a$do$b' $do$"), /without an end/);
    assert.throws(() => tokensOf("SELECT 'a\\'", { standardStrings: false }), /without an end/);
  });
  it("sees what psql takes for itself", () => {
    assert.deepEqual(kinds("SELECT :x, 'a' \\gexec now"), [
      "word SELECT",
      "variable :x",
      "other ,",
      "string a",
      "command \\gexec now",
    ]);
    assert.deepEqual(kinds("a::text ':x'"), ["word a", "other ::", "word text", "string :x"]);
    assert.deepEqual(kinds("DO $a$ x := \\ 1 $a$").slice(0, 3), ["word DO", "dollar ", "word x"]);
  });
});

describe("no name leaves its token", () => {
  it("where it is quoted", () => {
    fc.assert(
      fc.property(several(inPostgres, 3), (names) => {
        holds(([a = "", b = "", c = ""]) => `SELECT ${identifier(a)},${literal(b)} ${textArray([a, c])};`, names);
      }),
    );
  });

  it("in scripts about users that somebody else made, who may have any name", () => {
    const scripts: Script[] = [
      (names) => forbidLoginScript(names),
      ([application = "", ...names]) => dropOwnedScript(names, application),
      (names) => dropScript(names),
      (names) => existingRolesQuery(names),
      ([admin = ""]) => autoUsers.dropAutoUserSchemaScript(admin),
    ];
    hold(scripts, several(inPostgres, 3) as fc.Arbitrary<string[]>, [
      ["app", "$do$ BEGIN EXECUTE 'DROP DATABASE app'; END $do$;", "x"],
      ["a$do$b", "x", "y"],
    ]);
  });

  it("in scripts about Teleport users whose settings are accepted", () => {
    const users = ([
      name = "",
      role = "",
      database = "",
      schema = "",
      ...values
    ]: readonly string[]): TeleportUser[] => [
      {
        name,
        access: "write",
        scope: [{ schemas: [schema] }, { database, schemas: [schema] }, { database }],
        memberOf: [role],
        settings: Object.fromEntries(
          values.map((value, index) => [index === 0 ? "search_path" : `my.s${index}`, value]),
        ),
      },
      { name: `${name}2`, access: "read", scope: [{ database, schemas: [schema] }] },
      { name: `${name}3`, access: "read" },
      { name: `${name}4`, access: "none" },
    ];
    const accepted = (names: readonly string[]) => checkUsers("users", users(names), "owner").length === 0;
    const scripts: Script[] = [
      (names) => accessScript({ database: "app", users: users(names) }, "app"),
      (names) => accessScript({ database: "app", users: users(names) }, names[2] ?? ""),
      (names) => driftQuery({ database: "app", users: users(names) }, "app"),
      (names) => driftQuery({ database: "app", users: users(names) }, names[2] ?? ""),
    ];
    const names = fc.tuple(plain, inPostgres, inPostgres, inPostgres).filter(accepted);
    hold(scripts, names, [["reader", "'; DROP ROLE app; --", "db", "$do$; DROP ROLE app; DO $do$"]].filter(accepted));
    // Values of settings are compared in another form than they were given: their shape is looked at alone.
    const values = fc
      .tuple(inPostgres, inPostgres)
      .map(([list, value]) => ["reader", "role", "db", "schema", list.replace(/,/g, ""), value])
      .filter(accepted);
    hold(scripts, values, [], { exact: false });
  });

  it("in scripts of auto user provisioning whose settings are accepted", () => {
    const settings = ([adminUser, ...roles]: readonly string[]): AutoUsers => ({ adminUser, roles });
    const scripts: Script[] = [
      (names) => autoUsers.autoUserScript(settings(names)),
      (names) => autoUsers.autoUserDatabaseScript(settings(names)),
      (names) => autoUsers.autoUserAccountsQuery(settings(names)),
      (names) => autoUsers.formerAdminsQuery(settings(names)),
      (names) => autoUsers.autoUserDriftQuery(settings(names)),
      (names) => autoUsers.autoUserDatabaseDriftQuery(settings(names)),
    ];
    const names = fc
      .tuple(plain, inPostgres, inPostgres)
      .filter((each) => new Set(each).size === 3 && checkAutoUsers("autoUsers", settings(each)).length === 0);
    hold(scripts, names);
  });

  describe("in what is made for Vault", () => {
    interface Given {
      settings: VaultUsersSettings;
      role: CredentialsRole;
      owner: string;
      database: string;
    }
    const given = ([admin, group, schema = "", owner = "", database = "", ...memberOf]: readonly string[]): Given => ({
      settings: { admin, group, schemas: [schema] },
      role: { memberOf },
      owner,
      database,
    });
    const users = (names: readonly string[]) => {
      const { settings, role, owner, database } = given(names);
      const found = vaultUserNames(settings, database, owner);
      const roles = grantedRoles(found, { app: role });
      return { names: found, roles, schemas: settings.schemas ?? [], database, owner: "postgres/config/orders" };
    };
    /** With the owner's group, where `names[1]` is the owner. */
    const accepted = (names: readonly string[]) => {
      const { settings, role, owner, database } = given(names);
      const { group, ...rest } = settings;
      const own = group === owner ? rest : settings;
      const problems = [
        ...checkVaultDatabase("", { ...own, mount: "postgres/x", connection: "orders", roles: { app: role } }),
        ...checkOwner("owner", owner),
        ...checkDatabaseName("database", database),
      ];
      return problems.length === 0 && new Set([...names.slice(0, 2), ...names.slice(5)]).size === names.length - 3;
    };
    const scripts: Script[] = [
      (names) => vaultDatabase.vaultDatabaseScript(users(names)),
      (names) => vaultDatabase.dropVaultDatabaseScript(users(names)),
      (names) => vaultRoles.vaultRolesScript(users(names)),
      (names) => vaultRoles.passwordScript(users(names).names, "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"),
      (names) => vaultRoles.passwordScript(users(names).names, undefined),
      (names) => vaultRoles.permanentPasswordScript(users(names).names),
      (names) => vaultRoles.permanentPasswordQuery(users(names).names),
      (names) => vaultRoles.vaultRolesDriftQuery(users(names)),
      (names) => vaultRoles.vaultUsersQuery(users(names).names, "all"),
      (names) => vaultRoles.vaultUsersQuery(users(names).names, { pattern: usernamePattern("app") }),
      (names) => vaultRoles.vaultRolesQuery(users(names)),
    ];
    const admin = fc.stringMatching(/^[a-z_][a-z0-9_]{0,9}$/);
    const role = plain.filter((name) => checkVaultDatabase("", vaultWith({ memberOf: [name] })).length === 0);
    const owner = plain.filter((name) => checkOwner("owner", name).length === 0);
    const database = plain.filter((name) => checkDatabaseName("database", name).length === 0);
    const byGroup = fc.tuple(admin, role, inPostgres, owner, database, role);
    const byOwner = fc.tuple(admin, owner, inPostgres, database, role).map(([a, o, s, d, r]) => [a, o, s, o, d, r]);
    const names = fc.oneof(byGroup, byOwner).filter(accepted);
    const examples = [
      ["vault", "app$do$x", "public", "app$do$x", "app", "readers"],
      ["vault", "app$body$x", "public", "app$body$x", "app", "readers"],
      ["vault", "app", "$do$; DROP ROLE app; DO $do$", "app", "app", "readers"],
    ].filter(accepted);

    it("in scripts for its own user and for the database", () => {
      hold(scripts, names, examples);
    });

    it("in scripts that tell what differs", () => {
      // The source of functions is a text there, with names in it: its shape is looked at alone.
      fc.assert(
        fc.property(names, (each) => {
          const made: Script = (some) => vaultDatabase.vaultDatabaseDriftQuery(users(some));
          holds(made, [placeholder(0), ...each.slice(1)], { exact: false });
        }),
        { ...RUNS, examples: examples.map((each): [string[]] => [each]) },
      );
    });

    it("in statements that Vault fills in and splits at semicolons", () => {
      fc.assert(
        fc.property(names, (each) => {
          const made = (some: readonly string[]) => roleStatements(users(some).names, given(some).role);
          const statements = Object.values(made(each)).flat() as string[];
          statements.forEach((statement, index) => {
            assert.ok(!statement.includes(";"), `Vault would split ${statement}`);
            const filled = [...statement.matchAll(/\{\{([^}]*)\}\}/g)].map(([, variable]) => variable);
            assert.ok(filled.every((variable) => ["name", "password", "expiration"].includes(variable ?? "")));
            holds((some) => (Object.values(made(some)).flat() as string[])[index] ?? "", each, { psql: false });
          });
        }),
        RUNS,
      );
    });

    function vaultWith(of: CredentialsRole) {
      return { mount: "postgres/x", connection: "orders", roles: { app: of } };
    }
  });

  it("in the pooler's scripts, which hold no name of anybody's", () => {
    for (const login of ["integrated", "explicit"] as const) {
      for (const script of [poolerLoginScript, dropPoolerLoginScript, poolerLoginQuery]) holds(() => script(login), []);
    }
  });
});
