import { strict as assert } from "node:assert";
import { CheckedSettings, checkVaultDatabase, seconds } from "../../../components/vault-database/check";
import { vaultHbaRules } from "../../../components/vault-database/plan";
import { roleStatements } from "../../../components/vault-database/role-scripts";
import { newPassword, scramVerifier } from "../../../components/vault-database/scram";
import {
  grantedRoles,
  LONGEST_ROLE,
  usernamePattern,
  vaultUserNames,
} from "../../../components/vault-database/settings";

const good: CheckedSettings = { mount: "postgres/orders", connection: "orders", roles: { app: {} } };
const problems = (more: Partial<CheckedSettings>) =>
  checkVaultDatabase("orders", { ...good, ...more }).map(({ setting }) => setting);

describe("settings of a database in Vault", () => {
  it("are valid with just a role", () => assert.deepEqual(problems({}), []));

  it("are refused if a name has a special meaning in a path, a policy or SQL", () => {
    assert.deepEqual(problems({ mount: "postgres/*" }), ["orders.mount.path"]);
    assert.deepEqual(problems({ mount: "/postgres" }), ["orders.mount.path"]);
    assert.deepEqual(problems({ connection: "a/b" }), ["orders.connection"]);
    assert.deepEqual(problems({ admin: 'a"b' }), ["orders.admin"]);
    assert.deepEqual(problems({ admin: "postgres" }), ["orders.admin"]);
    assert.deepEqual(problems({ group: "a;b" }), ["orders.group"]);
    assert.deepEqual(problems({ roles: { "app*": {} } }), ["orders.roles.app*"]);
    assert.deepEqual(problems({ roles: { ["a".repeat(LONGEST_ROLE + 1)]: {} } }).length, 1);
    assert.deepEqual(problems({ kubernetesAuth: { path: "../sys" } }), ["orders.kubernetesAuth.path"]);
  });

  it("are refused if users would be administrators, or have no rights", () => {
    assert.deepEqual(problems({ group: "postgres" }), ["orders.group"]);
    assert.deepEqual(problems({ roles: { app: { memberOf: ["pg_execute_server_program"] } } }), [
      "orders.roles.app.memberOf",
    ]);
    assert.deepEqual(problems({ roles: { app: { memberOf: [] } } }), ["orders.roles.app.memberOf"]);
    assert.deepEqual(problems({ roles: {} }), ["orders.roles"]);
    assert.deepEqual(problems({ roles: { app: { memberOf: ["pg_read_all_data"] } } }), []);
  });

  it("are refused if a lifetime is invalid, or longer than the maximum", () => {
    assert.deepEqual(problems({ roles: { app: { defaultTtl: "1d" } } }), ["orders.roles.app.defaultTtl"]);
    assert.deepEqual(problems({ roles: { app: { defaultTtl: "2h", maxTtl: "1h" } } }), ["orders.roles.app.defaultTtl"]);
    assert.equal(seconds("1h30m"), 5_400);
  });

  it("are refused if a consumer is a pattern, or cannot log in", () => {
    const kubernetesAuth = { path: "kubernetes" };
    const roles = (namespace: string, serviceAccount: string) => ({ app: { consumer: { namespace, serviceAccount } } });
    assert.deepEqual(problems({ roles: roles("shop", "app"), kubernetesAuth }), []);
    assert.deepEqual(problems({ roles: roles("*", "app"), kubernetesAuth }), ["orders.roles.app.consumer.namespace"]);
    assert.deepEqual(problems({ roles: roles("shop", ""), kubernetesAuth }), [
      "orders.roles.app.consumer.serviceAccount",
    ]);
    assert.deepEqual(problems({ roles: roles("shop", "app") }), ["orders.roles.app.consumer"]);
  });

  it("give names that pg_hba.conf accepts without quotes, whatever the name of the database", () => {
    const { admin, users, group } = vaultUserNames({}, "Order-Book", "owner");
    assert.deepEqual([admin, users, group], ["vault_order_book", "vault_order_book_users", "owner"]);
    assert.ok(vaultUserNames({}, "x".repeat(63), "owner").users.length <= 63);
    assert.deepEqual(
      vaultHbaRules({}, "Order-Book")[0],
      `hostssl "Order-Book" vault_order_book,+vault_order_book_users 0.0.0.0/0 scram-sha-256`,
    );
    assert.equal(vaultHbaRules({}, "app").filter((rule) => /^host all .* reject$/.test(rule)).length, 2);
  });
});

describe("statements that Vault runs", () => {
  const names = vaultUserNames({}, "app", "app");

  it("are one statement each, since Vault splits at semicolons", () => {
    const all = Object.values(roleStatements(names, { memberOf: ["reader", "pg_read_all_data"] })).flat() as string[];
    assert.deepEqual(
      all.filter((statement) => statement.includes(";")),
      [],
    );
  });

  it("make the user a member of the owning group, or of the declared roles", () => {
    const grants = (memberOf?: string[]) =>
      roleStatements(names, { memberOf }).creationStatements.filter((statement) => / TO "\{\{name}}"$/.test(statement));
    assert.deepEqual(grants(), [`GRANT "vault_app_users" TO "{{name}}"`, `GRANT "app" TO "{{name}}"`]);
    assert.deepEqual(grants(["pg_read_all_data"])[1], `GRANT "pg_read_all_data" TO "{{name}}"`);
    assert.deepEqual(grantedRoles(names, { app: {}, report: { memberOf: ["pg_read_all_data"] } }), [
      "app",
      "pg_read_all_data",
    ]);
  });
});

describe("the users of a role", () => {
  it("are distinguished from those of a role with the same prefix", () => {
    const app = new RegExp(usernamePattern("app"));
    assert.ok(app.test("v-app-abcdefghij0123456789-1763728000"));
    assert.ok(!app.test("v-app-batch-abcdefghij0123456789-1763728000"));
  });
});

describe("the generated password", () => {
  it("is given to PostgreSQL as a SCRAM verifier", () => {
    // The example of RFC 7677, section 3: user `user`, password `pencil`; keys as PostgreSQL 17 computes them.
    const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
    assert.equal(
      scramVerifier("pencil", salt),
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });
  it("differs each time, and needs no escaping", () => {
    const made = [newPassword(), newPassword()];
    assert.notEqual(made[0], made[1]);
    for (const password of made) assert.match(password, /^[\w-]{43}$/);
  });
});
