/**
 * How the SQL for Vault's users handles users that try to stay. test/lab/vault-database.test.ts tests that it works.
 */
import { strict as assert } from "node:assert";
import { roleSettingsDrift, roleSettingsScript } from "../../../components/postgres/user-admin";
import { ONE_AT_A_TIME, dropOwnedScript } from "../../../components/postgres/grants";
import { vaultDatabaseScript, dropUserFunction } from "../../../components/vault-database/database-scripts";
import {
  vaultRolesDriftQuery,
  vaultRolesScript,
  vaultUsersQuery,
} from "../../../components/vault-database/role-scripts";
import { vaultUserNames } from "../../../components/vault-database/settings";

const names = vaultUserNames({}, "app", "app");
const users = { names, roles: ["app"], schemas: ["public"], database: "app", owner: "postgres/config/app" };

describe("SQL for users of Vault", () => {
  it("runs under a lock that only a superuser can take", () => {
    for (const script of [vaultRolesScript(users), vaultDatabaseScript(users)]) {
      assert.ok(script.includes(ONE_AT_A_TIME));
      assert.doesNotMatch(script, /advisory/);
    }
  });

  it("closes a user's sessions before it changes the role, whose row they may lock", () => {
    const body = dropUserFunction(names);
    assert.ok(body.indexOf("pg_terminate_backend") < body.indexOf("NOLOGIN PASSWORD NULL"));
  });

  it("also drops users whose lease ended long ago", () => {
    assert.match(vaultUsersQuery(names, "stale"), /NOT rolcanlogin OR rolvaliduntil < now\(\) - interval '15 minutes'/);
    assert.doesNotMatch(vaultUsersQuery(names, "all"), /rolvaliduntil/);
  });

  it("lists users that came along in recovered data: Vault made them before their Cluster was created", () => {
    const before = "substring(rolname FROM '[0-9]+$')::numeric < 1796040000";
    assert.ok(vaultUsersQuery(names, { madeBefore: 1_796_040_000 }).includes(before));
    assert.ok(vaultRolesDriftQuery(users, 1_796_040_000).includes(before));
    assert.doesNotMatch(vaultRolesDriftQuery(users), /came along/);
  });

  it("refuses a PostgreSQL that is too old", () => {
    assert.match(vaultRolesScript(users), /server_version_num'\)::int < 140000/);
  });

  it("does not reassign objects to a user that is being dropped", () => {
    const script = dropOwnedScript(["v-app-1", "v-app-2"], "app", "owners");
    assert.match(script, /rolname <> ALL \(ARRAY\['v-app-1', 'v-app-2'\]::text\[\]\)/);
    assert.match(script, /rolname = 'owners'/, "but the group does");
  });
});

describe("settings of the admin roles for Vault and Teleport", () => {
  it("prevent a handled error from ending the session", () => {
    assert.match(roleSettingsScript("vault_app"), /SET exit_on_error = 'off'/);
  });

  it("are not reported as missing if PostgreSQL does not know them yet", () => {
    // `name` alone would refer to pg_settings, and always exist.
    assert.match(roleSettingsDrift("vault_app"), /known\.name = wanted\.name/);
  });
});
