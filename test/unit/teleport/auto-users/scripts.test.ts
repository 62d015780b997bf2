import { strict as assert } from "node:assert";
import { ONE_AT_A_TIME } from "../../../../components/postgres/grants";
import { autoUserHbaRules, autoUsersAdmin, checkAutoUsers } from "../../../../components/teleport/auto-users/settings";
import {
  autoUserDatabaseScript,
  dropAutoUserSchemaScript,
  autoUserAccountsQuery,
  autoUserScript,
} from "../../../../components/teleport/auto-users/scripts";
import { parseHbaRule } from "../../../../components/cnpg/pg-hba";

const settings = { roles: ["pg_read_all_data", 'odd "role"'] };

describe("auto user provisioning", () => {
  it("has an admin user that may create roles and grant only the declared ones", () => {
    const script = autoUserScript(settings);
    assert.match(script, /ALTER ROLE "teleport_admin" WITH LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION/);
    assert.deepEqual(
      [...script.matchAll(/^GRANT (.+) TO "teleport_admin" WITH ADMIN OPTION;$/gm)].map(([, role]) => role),
      ['"teleport-auto-user"', '"pg_read_all_data"', '"odd ""role"""'],
    );
    assert.doesNotMatch(script, /PASSWORD '/);
  });

  it("runs under a lock that only a superuser can take", () => {
    for (const script of [autoUserScript(settings), autoUserDatabaseScript(settings)]) {
      assert.ok(script.includes(ONE_AT_A_TIME));
      assert.doesNotMatch(script, /advisory/);
    }
  });

  it("keeps Teleport's procedures in a schema where nobody else can shadow them", () => {
    assert.match(autoUserScript(settings), /ALTER ROLE "teleport_admin" SET search_path = pg_catalog, pg_temp;/);
    const script = autoUserDatabaseScript(settings);
    assert.match(script, /SET search_path = %I', 'teleport_admin', current_database\(\), 'teleport_admin'/);
    assert.match(script, /was not created for Teleport; rename it/);
    assert.match(
      dropAutoUserSchemaScript("teleport_admin"),
      /obj_description\(n.oid, 'pg_namespace'\) = 'cnpg-teleport: /,
    );
    assert.doesNotMatch(script, /SCHEMA public/);
  });

  it("allows logins only by certificate over TLS", () => {
    assert.deepEqual(autoUserHbaRules(settings), [
      "hostssl all teleport_admin,+teleport-auto-user 0.0.0.0/0 cert",
      "hostssl all teleport_admin,+teleport-auto-user ::/0 cert",
      "hostnossl all teleport_admin,+teleport-auto-user 0.0.0.0/0 reject",
      "hostnossl all teleport_admin,+teleport-auto-user ::/0 reject",
    ]);
    for (const rule of autoUserHbaRules(settings)) {
      assert.deepEqual(parseHbaRule(rule)?.users, ["teleport_admin", "+teleport-auto-user"]);
    }
  });

  it("neither takes over nor drops someone else's role of the same name", () => {
    assert.match(
      autoUserScript(settings),
      /already exists and does not belong to %; set autoUsers.adminUser to another name', 'teleport_admin', 'Teleport'/,
    );
    assert.match(autoUserAccountsQuery(settings), /rolname = 'teleport_admin' AND shobj_description/);
  });

  it("is `admin_user` in Teleport", () => {
    assert.deepEqual(autoUsersAdmin(settings), { name: "teleport_admin" });
    assert.deepEqual(autoUsersAdmin({ roles: [], adminUser: "a", defaultDatabase: "d" }), {
      name: "a",
      defaultDatabase: "d",
    });
  });

  it("refuses roles that would make people administrators, and names with a special meaning", () => {
    assert.deepEqual(checkAutoUsers("autoUsers", settings), []);
    const wrong = (changes: object) =>
      checkAutoUsers("autoUsers", { ...settings, ...changes }).map(({ setting }) => setting);
    for (const roles of [
      [],
      ["postgres"],
      ["pg_write_server_files"],
      ["*"],
      ["teleport_admin"],
      ["teleport-auto-user"],
    ]) {
      assert.deepEqual(wrong({ roles }), ["autoUsers.roles"], JSON.stringify(roles));
    }
    assert.ok(wrong({ adminUser: "postgres" }).includes("autoUsers.adminUser"));
    assert.ok(wrong({ adminUser: "a,b" }).includes("autoUsers.adminUser"));
    for (const adminUser of ["all", "replication", "public"]) {
      assert.deepEqual(wrong({ adminUser }), ["autoUsers.adminUser"], adminUser);
    }
    assert.ok(wrong({ roles: ["reader", "reader"] }).length > 0, "twice");
    const taken = checkAutoUsers("autoUsers", { ...settings, adminUser: "app" }, ["app"]);
    assert.deepEqual(
      taken.map(({ setting, value }) => [setting, value]),
      [["autoUsers.adminUser", "app"]],
    );
  });
});
