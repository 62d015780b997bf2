/** Protection of the scripts against privilege escalation. test/lab and test/faults check that it works. */
import { strict as assert } from "node:assert";
import { poolerLoginQuery, poolerLoginScript } from "../../../components/postgres/pooler-login";
import { PREAMBLE, dropOwnedScript } from "../../../components/postgres/grants";
import { grantUsersScript, refuseAdministrators } from "../../../components/postgres/user-admin";
import { autoUserDatabaseScript, autoUserScript } from "../../../components/teleport/auto-users/scripts";
import { vaultDatabaseScript } from "../../../components/vault-database/database-scripts";
import { vaultRolesScript } from "../../../components/vault-database/role-scripts";
import { vaultUserNames } from "../../../components/vault-database/settings";

describe("the function that returns hashes to PgBouncer", () => {
  for (const login of ["integrated", "explicit"] as const)
    it(`is recreated if somebody else owns it, and never created in somebody else's schema: ${login}`, () => {
      const script = poolerLoginScript(login);
      const [schema, dropped, made] = [
        script.search(
          /IF EXISTS \(SELECT FROM pg_namespace WHERE nspname = '\w+' AND NOT EXISTS .*? RAISE EXCEPTION 'the schema/s,
        ),
        script.search(/IF EXISTS \(SELECT FROM pg_proc WHERE oid = .*? AND NOT EXISTS .*?DROP FUNCTION/s),
        script.indexOf("CREATE OR REPLACE FUNCTION"),
      ];
      assert.ok(schema > 0 && schema < dropped && dropped < made);
      assert.match(script, /SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS/);
      assert.match(script, /NOT rolsuper AND NOT rolreplication/);
      assert.match(
        poolerLoginQuery(login),
        /o\.oid = proowner AND \(o\.rolsuper/,
        "and if somebody else became its owner",
      );
    });
});

describe("the objects of a removed user", () => {
  const script = dropOwnedScript(["mallory"], "app");

  it("do not run with the new owner's rights: routines, views, rules, statistics and indexes", () => {
    const reassigned = script.indexOf("REASSIGN OWNED BY");
    for (const before of [
      "ALTER ROUTINE %s SECURITY INVOKER",
      "ALTER VIEW %s SET (security_invoker = true)",
      "w.rulename <> '_RETURN'",
      "DROP STATISTICS %s",
      "i.indexrelid = d.objid",
      "rngsubdiff <> 0",
    ]) {
      const place = script.indexOf(before);
      assert.ok(place > 0 && place < reassigned, before);
    }
  });
});

describe("users that Vault or Teleport create", () => {
  const names = vaultUserNames({}, "app", "app");
  const users = { names, roles: ["app"], schemas: ["public"], database: "app", owner: "postgres/config/app" };
  const vault = vaultRolesScript(users);
  const teleport = autoUserScript({ roles: ["reader"] });

  it("get no role that leads to an administrator's rights", () => {
    const script = refuseAdministrators({ roles: ["staff"], users: "users of Vault", otherRoles: "another" });
    assert.match(
      script,
      /pg_has_role\(given\.oid, r\.oid, 'MEMBER'\)[\s\S]*RAISE EXCEPTION 'the role % has, through %/,
    );
    for (const right of ["rolsuper", "rolcreaterole", "rolreplication", "rolbypassrls", "pg_execute_server_program"])
      assert.match(script, new RegExp(right));
    for (const made of [vault, teleport]) assert.match(made, /rights of an administrator, and must not be granted to/);
  });

  it("from before an upgrade can be changed by their creator, except administrators, owners and users of another creator", () => {
    const script = grantUsersScript({ name: "maker", mark: "cnpg-teleport: x", isUser: (oid) => `is_user(${oid})` });
    assert.match(script, /is_user\(account\.oid\) AND account\.oid >= 16384/);
    assert.match(script, /NOT EXISTS \(SELECT FROM pg_database WHERE datdba = account\.oid\)/);
    assert.match(
      script,
      /NOT EXISTS \(SELECT FROM pg_roles r WHERE pg_has_role\(account\.oid, r\.oid, 'MEMBER'\) AND \(r\.rolsuper/,
    );
    assert.match(
      script,
      /m\.roleid = account\.oid AND m\.member <> account\.oid\s+AND coalesce\(shobj_description\(m\.member/,
    );
  });

  it("run nothing that somebody else put into the schemas that are created for them", () => {
    assert.match(
      vaultDatabaseScript(users),
      /nspname = 'vault_app'\s+AND \(pg_get_userbyid\(nspowner\) <> current_user OR .*?RAISE EXCEPTION 'the schema % exists.*?DROP SCHEMA IF EXISTS/s,
    );
    assert.match(
      autoUserDatabaseScript({ roles: ["reader"] }),
      /o\.owner <> r\.oid LOOP\s+RAISE EXCEPTION 'the schema % of the database % contains %, which is not Teleport''s/,
    );
  });

  it("are recognized by more than their group, because their creator can put anybody into it", () => {
    assert.match(vault, /pg_get_userbyid\(in_users\.member\) ~ '/, "by Vault's pattern for names");
    assert.match(teleport, /proof\.member = .*? AND by_whom\.rolsuper/s, "by the grantor of the membership");
  });
});

describe("every script", () => {
  it("runs as the superuser, and continues after an error that it handles", () => {
    assert.match(PREAMBLE, /^SET ROLE NONE;$/m);
    assert.match(PREAMBLE, /^SET exit_on_error = off;$/m);
  });
});
