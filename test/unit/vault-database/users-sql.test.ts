/** What the SQL for Vault's users holds against users who want to stay. That it works is for test/lab/vault-database.test.ts. */
import { strict as assert } from "node:assert";
import { roleSettingsDrift, roleSettingsScript } from "../../../components/postgres/user-admin";
import { ONE_AT_A_TIME, dropOwnedScript } from "../../../components/postgres/grants";
import { vaultDatabaseScript } from "../../../components/vault-database/database-scripts";
import { endUserFunction } from "../../../components/vault-database/end-user";
import { vaultRolesScript, vaultUsersQuery } from "../../../components/vault-database/role-scripts";
import { vaultUserNames } from "../../../components/vault-database/settings";

const names = vaultUserNames({}, "app", "app");
const users = { names, roles: ["app"], schemas: ["public"], database: "app", owner: "postgres/config/app" };

describe("SQL for users of Vault", () => {
  it("runs under the one lock that only a superuser can take", () => {
    for (const script of [vaultRolesScript(users), vaultDatabaseScript(users)]) {
      assert.ok(script.includes(ONE_AT_A_TIME));
      assert.doesNotMatch(script, /advisory/);
    }
  });

  it("ends a user's sessions before its role is changed, whose row they may hold", () => {
    const body = endUserFunction(names);
    assert.ok(body.indexOf("pg_terminate_backend") < body.indexOf("NOLOGIN PASSWORD NULL"));
  });

  it("ends those, too, whose lease was over long ago", () => {
    assert.match(vaultUsersQuery(names, "over"), /NOT rolcanlogin OR rolvaliduntil < now\(\) - interval '15 minutes'/);
    assert.doesNotMatch(vaultUsersQuery(names, "all"), /rolvaliduntil/);
  });

  it("refuses a PostgreSQL that lacks what it needs", () => {
    assert.match(vaultRolesScript(users), /server_version_num'\)::int < 140000/);
  });

  it("lets no user who goes inherit from itself, which would be dropped", () => {
    const script = dropOwnedScript(["v-app-1", "v-app-2"], "app", "owners");
    assert.match(script, /rolname <> ALL \(ARRAY\['v-app-1', 'v-app-2'\]::text\[\]\)/);
    assert.match(script, /rolname = 'owners'/, "but the group does");
  });
});

describe("settings of the roles that are made for Vault and Teleport", () => {
  it("keep an error from ending a session in which it is handled", () => {
    assert.match(roleSettingsScript("vault_app"), /SET exit_on_error = 'off'/);
  });

  it("are not missed where PostgreSQL does not know them yet", () => {
    // `name` alone would be that of pg_settings, and always there.
    assert.match(roleSettingsDrift("vault_app"), /known\.name = wanted\.name/);
  });
});
