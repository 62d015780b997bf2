/** Names and texts that are accepted are such as PostgreSQL can have: what it would cut off or refuse is told before. */
import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { checkAutoUsers } from "../../../components/teleport/auto-users/settings";
import { checkDatabaseName, checkOwner } from "../../../components/cnpg/initdb";
import { checkUsers, TeleportUser } from "../../../components/cnpg/roles";
import { SettingProblem } from "../../../components/problems";
import { checkVaultDatabase } from "../../../components/vault-database/check";
import { plain } from "./hostile";

describe("what is accepted is what PostgreSQL can have", () => {
  const vault = (memberOf?: string[]) => ({
    mount: "postgres/x",
    connection: "orders",
    roles: { app: memberOf ? { memberOf } : {} },
  });
  const user = (settings: Partial<TeleportUser>) =>
    checkUsers("users", [{ name: "reader", access: "read", ...settings }], "owner");
  const roles: Record<string, (name: string) => SettingProblem[]> = {
    "users.name": (name) => user({ name }),
    "users.memberOf": (name) => user({ memberOf: [name] }),
    "initdb.owner": (name) => checkOwner("owner", name),
    "autoUsers.adminUser": (adminUser) => checkAutoUsers("autoUsers", { adminUser, roles: ["readers"] }),
    "autoUsers.roles": (name) => checkAutoUsers("autoUsers", { roles: [name] }),
    "vaultDatabase.admin": (admin) => checkVaultDatabase("", { admin, ...vault() }),
    "vaultDatabase.group": (group) => checkVaultDatabase("", { group, ...vault() }),
    "vaultDatabase.memberOf": (name) => checkVaultDatabase("", vault([name])),
  };
  const names: Record<string, (name: string) => SettingProblem[]> = {
    ...roles,
    "users.scope.database": (database) => user({ scope: [{ database }] }),
    "users.scope.schemas": (schema) => user({ scope: [{ schemas: [schema] }] }),
    "initdb.database": (name) => checkDatabaseName("database", name),
    "vaultDatabase.schemas": (schema) => checkVaultDatabase("", { schemas: [schema], ...vault() }),
  };
  const texts: Record<string, (text: string) => SettingProblem[]> = {
    ...names,
    "users.settings": (value) => user({ settings: { "my.setting": value } }),
  };
  const never = (check: (text: string) => SettingProblem[], texts: fc.Arbitrary<string>, examples: string[]) =>
    fc.assert(
      fc.property(texts, (text) => assert.notDeepEqual(check(text), [], "is accepted")),
      { numRuns: 200, examples: examples.map((text): [string] => [text]) },
    );

  for (const [setting, check] of Object.entries(texts)) {
    it(`${setting}: no text with a NUL, which PostgreSQL has not and psql cuts lines off at`, () =>
      never(
        check,
        fc.tuple(plain, plain).map(([one, other]) => `${one}\0${other}`),
        ["a\0b"],
      ));
  }
  for (const [setting, check] of Object.entries(names)) {
    it(`${setting}: no name of nothing, or of more than 63 bytes, of which PostgreSQL drops the rest`, () =>
      never(check, fc.string({ unit: "grapheme", minLength: 64 }), ["", "é".repeat(40), "a".repeat(64)]));
  }
  for (const [setting, check] of Object.entries(roles)) {
    it(`${setting}: no word that is no role, quoted or not (RoleSpec of PostgreSQL's grammar)`, () =>
      never(check, fc.constantFrom("public", "none"), ["public", "none"]));
  }
});
