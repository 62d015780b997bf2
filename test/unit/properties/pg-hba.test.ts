/** Rules of pg_hba.conf: what is made of accepted names, and what of the user's own is accepted, is read as it is meant. */
import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { AUTO_USER_GROUP, autoUserHbaRules, checkAutoUsers } from "../../../components/teleport/auto-users/settings";
import { checkDatabaseName } from "../../../components/cnpg/initdb";
import { parseHbaRule, pgHbaRules, checkPgHba, checkPgIdent } from "../../../components/cnpg/pg-hba";
import { checkUsers, TeleportUser } from "../../../components/cnpg/roles";
import { checkVaultDatabase } from "../../../components/vault-database/check";
import { vaultHbaRules } from "../../../components/vault-database/plan";
import { vaultUserNames } from "../../../components/vault-database/settings";
import { hostile, plain } from "./hostile";

const at = (setting: string) => setting;

interface Word {
  text: string;
  /** Begins with a quote, so that it is a name, whatever it says. */
  quoted: boolean;
}

/**
 * The fields of a line, each a list, as PostgreSQL reads it (`next_token` and `next_field_expand` of hba.c): quotes may
 * begin anywhere in a word, `""` is a quote, a comma makes a list go on even after spaces, `#` begins a comment.
 */
function fieldsOf(line: string): Word[][] {
  const fields: Word[][] = [];
  let place = 0;
  const isBlank = (character: string | undefined) => character !== undefined && " \t\r".includes(character);
  /** One word, and whether a comma ended it. */
  const word = (): (Word & { goesOn: boolean }) | undefined => {
    while (isBlank(line[place]) || line[place] === ",") place++;
    let [text, inQuote, wasQuote, quoted, goesOn] = ["", false, false, false, false];
    let seen = false;
    for (; place < line.length && (!isBlank(line[place]) || inQuote); place++) {
      const character = line[place] as string;
      if (character === "#" && !inQuote) {
        place = line.length;
        break;
      }
      if (character === "," && !inQuote) {
        goesOn = true;
        place++;
        break;
      }
      if (character !== '"' || wasQuote) text += character;
      wasQuote = inQuote && character === '"' ? !wasQuote : false;
      if (character === '"') {
        inQuote = !inQuote;
        seen = true;
        if (text === "") quoted = true;
      }
    }
    return seen || text !== "" ? { text, quoted, goesOn } : undefined;
  };
  while (place < line.length) {
    const field: Word[] = [];
    for (let next = word(); next; next = next.goesOn ? word() : undefined) field.push(next);
    if (field.length === 0) break;
    fields.push(field.map(({ text, quoted }) => ({ text, quoted })));
  }
  return fields;
}

/** Words that are no names unless they are quoted. */
const KEYWORD = { databases: /^(all|sameuser|samerole|samegroup|replication)$|^[@/]/, users: /^all$|^[+/@]/ };
/** A word as `parseHbaRule` gives it: a name that would be a keyword keeps its quotes. */
const shown = ({ text, quoted }: Word) => (quoted && isSpecial(text) ? `"${text}"` : text);
const isSpecial = (text: string) => /^(all|replication|same\w+|[+/].*)$/.test(text);

/** A rule is for exactly these databases and users, of which those with `+` are groups. */
function isFor(rule: string, databases: readonly string[] | "all", users: readonly string[]): void {
  const [, foundDatabases = [], foundUsers = []] = fieldsOf(rule);
  const read = parseHbaRule(rule);
  assert.ok(read, `${rule} is no rule`);
  assert.deepEqual(read.databases, foundDatabases.map(shown));
  assert.deepEqual(read.users, foundUsers.map(shown));
  assert.deepEqual(
    foundDatabases.map(({ text }) => text),
    databases === "all" ? ["all"] : databases,
  );
  const everyDatabase = foundDatabases.some(({ text, quoted }) => !quoted && KEYWORD.databases.test(text));
  assert.equal(everyDatabase, databases === "all", `${rule} is for other databases`);
  assert.deepEqual(
    foundUsers.map(({ text }) => text),
    users,
  );
  const special = foundUsers.filter(({ text, quoted }) => !quoted && KEYWORD.users.test(text)).map(({ text }) => text);
  assert.deepEqual(
    special,
    users.filter((user) => user.startsWith("+")),
    `${rule} is for other users`,
  );
}

const CONFLICTS = ["all", "sameuser", "samerole", "samegroup", "replication"];

describe("rules of pg_hba.conf that are made", () => {
  it("are for the Teleport users that were accepted", () => {
    const users = fc.uniqueArray(plain, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(users, (names) => {
        const all: TeleportUser[] = names.map((name) => ({ name, access: "read" }));
        if (checkUsers("users", all, "owner").length > 0) return;
        for (const rule of pgHbaRules(all)) isFor(rule, "all", names);
      }),
      { numRuns: 500, examples: CONFLICTS.map((name): [string[]] => [[name]]) },
    );
  });

  it("are for the admin user of autoUsers that was accepted, and the group", () => {
    fc.assert(
      fc.property(plain, (adminUser) => {
        const settings = { adminUser, roles: ["readers"] };
        if (checkAutoUsers("autoUsers", settings).length > 0) return;
        for (const rule of autoUserHbaRules(settings)) isFor(rule, "all", [adminUser, `+${AUTO_USER_GROUP}`]);
      }),
      { numRuns: 500, examples: CONFLICTS.map((name): [string] => [name]) },
    );
  });

  const vault = { mount: "postgres/x", connection: "orders", roles: { app: {} } };
  const ofVault = (rules: readonly string[], database: string, who: readonly string[]) => {
    for (const rule of rules) isFor(rule, / reject$/.test(rule) ? "all" : [database], who);
  };
  it("are for the user of Vault that was accepted, and its group", () => {
    fc.assert(
      fc.property(plain, (admin) => {
        if (checkVaultDatabase("", { ...vault, admin }).length > 0) return;
        ofVault(vaultHbaRules({ admin }, "app"), "app", [admin, `+${admin}_users`]);
      }),
      { numRuns: 500, examples: CONFLICTS.map((name): [string] => [name]) },
    );
  });
  it("let users of Vault into the one database that was accepted", () => {
    fc.assert(
      fc.property(plain, (database) => {
        if (checkDatabaseName("database", database).length > 0) return;
        const { admin, users } = vaultUserNames({}, database, "");
        ofVault(vaultHbaRules({}, database), database, [admin, `+${users}`]);
      }),
      { numRuns: 500, examples: CONFLICTS.map((name): [string] => [name]) },
    );
  });
});

describe("rules of pg_hba.conf that the user writes", () => {
  const end = fc.constantFrom("all cert", "all scram-sha-256", "10.0.0.0/8 reject", "::/0 scram-sha-256");
  const rule = (words: fc.Arbitrary<string>, comma: fc.Arbitrary<string>) => {
    const list = fc.tuple(fc.array(words, { minLength: 1, maxLength: 3 }), comma).map(([each, by]) => each.join(by));
    return fc.tuple(list, list, end).map(([databases, users, rest]) => `hostssl ${databases} ${users} ${rest}`);
  };
  const name = fc.stringMatching(/^[a-z_]{1,6}$/);
  const comma = fc.constant(",");
  const kinds: Record<string, [rules: fc.Arbitrary<string>, example: string]> = {
    "names, and words in quotes": [
      rule(
        fc.oneof(
          name,
          fc.tuple(plain.filter((text) => !text.includes('"'))).map(([text]) => `"${text}"`),
        ),
        comma,
      ),
      'hostssl all "all" all cert',
    ],
    "lists with blanks": [rule(name, fc.constantFrom(", ", " ,", ",,", ",")), "host app, orders 10.0.0.0/8 reject"],
    "quotes inside of words": [
      rule(
        fc.tuple(name, name, name).map(([a, b, c]) => `${a}"${b}"${c}`),
        comma,
      ),
      'hostssl all post"gres" all cert',
    ],
    "names of files": [rule(fc.oneof(name, fc.constant("@users")), comma), "hostssl all @users all cert"],
    "any text": [fc.oneof(hostile, rule(plain, comma)), "host all app all reject"],
  };

  for (const [what, [rules, example]] of Object.entries(kinds)) {
    it(`are read as PostgreSQL reads them, where they are accepted: ${what}`, () => {
      fc.assert(
        fc.property(rules, (text) => {
          if (checkPgHba(at, [text]).length > 0) return;
          const read = parseHbaRule(text);
          const fields = fieldsOf(text);
          assert.equal(read?.type, fields[0]?.[0]?.text);
          assert.deepEqual(read?.databases, fields[1]?.map(shown));
          assert.deepEqual(read?.users, fields[2]?.map(shown));
          assert.equal(read?.address, fields[3]?.[0]?.text);
          assert.equal(read?.method, fields[4]?.[0]?.text);
          // A file in the data folder that nobody but PostgreSQL has.
          const included = [fields[1], fields[2]].flat().some((each) => each?.text.startsWith("@") && !each.quoted);
          assert.ok(!included, "reads a file of names");
        }),
        { numRuns: 500, examples: [[example]] },
      );
    });
  }
});

describe("lines of pg_ident.conf that the user writes", () => {
  const name = fc.oneof(
    plain,
    plain.map((text) => `"${text}"`),
    fc.constantFrom('post"gres"', "app", "@file", "all"),
  );
  it("lead to one user, as PostgreSQL reads them, where they are accepted", () => {
    const hba = ["hostssl all app all cert map=partners"];
    const line = fc.tuple(name, name).map(([from, user]) => `partners ${from} ${user}`);
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: line }, { weight: 1, arbitrary: hostile }), (text) => {
        if (checkPgIdent(at, [text], hba).some(({ setting }) => setting === "pgIdent[0]")) return;
        const fields = fieldsOf(text);
        // More than one word in a field is refused by PostgreSQL ("multiple values in ident field").
        assert.deepEqual(
          fields.map((field) => field.length),
          [1, 1, 1],
        );
        const { text: user = "", quoted } = fields[2]?.[0] ?? {};
        assert.ok(!/^(postgres|streaming_replica|cnpg_.*|pg_.*)$/.test(user), `leads to ${user}`);
        assert.ok(quoted || !/^(all$|[+/@])/.test(user), `leads to more than one user: ${user}`);
      }),
      { numRuns: 2_000, examples: [['partners cn post"gres"'], ["partners cn a,b"], ["partners cn @users"]] },
    );
  });
});
