import { strict as assert } from "node:assert";
import fc from "fast-check";
import { identifier, literal } from "../../../components/postgres/sql";
import {
  accessScript,
  DATABASES_QUERY,
  driftQuery,
  dropScript,
  forbidLoginScript,
  scopedDatabases,
  dropOwnedScript,
} from "../../../components/postgres/grants";
import { TeleportUser } from "../../../components/cnpg/roles";

const desired = (...users: TeleportUser[]) => ({ database: "app", users });

describe("the SQL of rights", () => {
  it("quotes every text so that it cannot end early", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const quoted = identifier(text);
        assert.equal(quoted.slice(1, -1).replaceAll('""', ""), text.replaceAll('"', ""));
        const [, body = ""] = /^ ?E?'(.*)'$/s.exec(literal(text)) ?? [];
        assert.doesNotMatch(body.replaceAll("''", ""), /'/);
        assert.equal(body.replaceAll("''", "'").replaceAll("\\\\", "\\"), text);
      }),
    );
  });

  it("sets roles' settings once, in the application's database", () => {
    const users = desired({ name: "reader", access: "read", statementTimeout: "5s", settings: { "my.key": "it's" } });
    const script = accessScript(users, "app");
    assert.match(script, /ALTER ROLE "reader" RESET ALL;/);
    assert.match(script, /SET "default_transaction_read_only" TO 'on';/);
    assert.match(script, /SET "statement_timeout" TO '5s';/);
    assert.match(script, /SET "my"\."key" TO 'it''s';/);
    assert.doesNotMatch(accessScript(users, "other"), /ALTER ROLE "reader"/);
  });

  it("corrects attributes and memberships only in the application's database, whoever declares the role", () => {
    const users = desired({ name: "reader", access: "read", memberOf: ["auditors"], connectionLimit: 7 });
    const script = accessScript(users, "app");
    const absent = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";
    assert.ok(script.includes(`ALTER ROLE "reader" LOGIN INHERIT ${absent} CONNECTION LIMIT 7 PASSWORD NULL;`));
    assert.match(script, /r\.rolname <> ALL \(ARRAY\['auditors'\]::text\[\]\)[\s\S]*REVOKE %I FROM %I/);
    assert.match(script, /rolname = ANY \(ARRAY\['auditors'\]::text\[\]\)[\s\S]*GRANT %I TO %I/);
    assert.doesNotMatch(accessScript(users, "other"), /REVOKE %I FROM|GRANT %I TO/);
    for (const [attribute, column] of [
      ["NOINHERIT", "NOT rolinherit"],
      ["SUPERUSER", "rolsuper"],
      ["CREATEDB", "rolcreatedb"],
      ["CREATEROLE", "rolcreaterole"],
      ["REPLICATION", "rolreplication"],
      ["BYPASSRLS", "rolbypassrls"],
    ])
      assert.ok(driftQuery(users, "app").includes(`('${attribute}', ${column})`), attribute);
  });

  it("writes settings with lists of names as lists", () => {
    const settings = { search_path: '"Odd one", public', DateStyle: "ISO, DMY" };
    const script = accessScript(desired({ name: "reader", access: "none", settings }), "app");
    assert.match(script, /SET "search_path" TO 'Odd one', 'public';/);
    assert.match(script, /SET "DateStyle" TO 'ISO, DMY';/);
  });

  it("grants only in the scope's database, and revokes in all databases", () => {
    const users = desired({ name: "reader", access: "read", scope: [{ database: "sales", schemas: ["a"] }] });
    assert.match(accessScript(users, "sales"), /GRANT SELECT ON TABLE %s/);
    assert.doesNotMatch(accessScript(users, "app"), /GRANT SELECT/);
    assert.match(accessScript(users, "app"), /REVOKE ALL ON %s FROM %I CASCADE.*DATABASE %I/);
    assert.deepEqual(scopedDatabases(users), ["sales"]);
  });

  it("grants in every database without a scope, and in none without access", () => {
    for (const database of ["app", "other"]) {
      assert.match(accessScript(desired({ name: "reader", access: "read" }), database), /GRANT CONNECT ON DATABASE/);
      assert.doesNotMatch(accessScript(desired({ name: "reader", access: "none" }), database), /GRANT CONNECT/);
    }
  });

  it("grants a reader only SELECT", () => {
    const script = accessScript(desired({ name: "reader", access: "read", scope: [{}] }), "app");
    const granted = [...script.matchAll(/(?<!REVOKE )GRANT ([A-Z, ]+?) ON/g)].map(([, privileges]) => privileges);
    const toPublic = "EXECUTE"; // what an earlier release revoked from PUBLIC
    assert.deepEqual([...new Set(granted)].sort(), ["CONNECT", toPublic, "SELECT", "USAGE"]);
  });

  it("includes later schemas only if the scope names no schemas", () => {
    const whole = accessScript(desired({ name: "reader", access: "read", scope: [{}] }), "app");
    assert.match(whole, /GRANT USAGE ON SCHEMAS TO/);
    const named = accessScript(desired({ name: "reader", access: "read", scope: [{ schemas: ["a"] }] }), "app");
    assert.doesNotMatch(named, /GRANT USAGE ON SCHEMAS/);
    assert.match(named, /IN SCHEMA %I GRANT SELECT ON TABLES/);
  });

  it("revokes nothing from PUBLIC, and grants again what an earlier release revoked", () => {
    for (const access of ["read", "write"] as const) {
      const script = accessScript(desired({ name: "somebody", access }), "app");
      assert.doesNotMatch(script, /REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC/);
      assert.match(script, /GRANT EXECUTE ON FUNCTION %s TO PUBLIC/);
    }
    assert.match(
      accessScript(desired(), "app"),
      /GRANT EXECUTE ON FUNCTION %s TO PUBLIC/,
      "whatever users are declared now",
    );
    assert.match(driftQuery(desired(), "app"), /PUBLIC may not execute %s, which an earlier release revoked/);
  });

  it("does not grant rights to a whole schema, because it may contain objects of extensions or superusers", () => {
    for (const schemas of [undefined, ["a"], ["public"]])
      for (const access of ["read", "write"] as const) {
        const script = accessScript(desired({ name: "somebody", access, scope: [{ schemas }] }), "app");
        assert.doesNotMatch(script, /ON ALL (TABLES|SEQUENCES)/);
        assert.match(script, /deptype = 'e'/);
      }
  });

  it("excludes relations of superusers, of extensions and in an extension's schema, one by one", () => {
    const reserved = [
      /s\.oid = c\.relowner AND s\.rolsuper/,
      /e\.classid = 'pg_class'::regclass AND e\.objid = c\.oid AND e\.deptype = 'e'/,
      /e\.classid = 'pg_namespace'::regclass AND e\.objid = n\.oid AND e\.deptype = 'e'/,
    ];
    const chosen = (schemas?: string[]) => {
      const script = accessScript(desired({ name: "reader", access: "read", scope: [{ schemas }] }), "app");
      return /FOR item IN SELECT c\.relkind = 'S'.*? LOOP$/ms.exec(script)?.[0] ?? "";
    };
    for (const condition of reserved) {
      assert.match(chosen(), new RegExp(`AND NOT \\(.*${condition.source}`, "s"));
      assert.match(chosen(["a", "public"]), new RegExp(`n\\.nspname <> 'public' OR NOT \\(.*${condition.source}`, "s"));
    }
  });

  it("reports rights on a superuser's table that an earlier release granted", () => {
    const users = desired({ name: "reader", access: "read" });
    const granted = /was granted %s on %s'.*?;$/ms.exec(driftQuery(users, "app"))?.[0] ?? "";
    assert.match(granted, /AND NOT \(\(.*s\.oid = c\.relowner AND s\.rolsuper.*\) AND acl\.privilege_type = ANY/s);
  });

  it("grants no default privileges for later objects of superusers", () => {
    const script = accessScript(desired({ name: "writer", access: "write" }), "app");
    const makers = /FOR maker IN (.*?) LOOP/s.exec(script)?.[1] ?? "";
    assert.match(makers, /NOT rolsuper/);
    assert.doesNotMatch(makers, /'postgres'/, "the superuser's name does not matter");
  });

  it("runs under a lock that only a superuser can take, never under an advisory lock", () => {
    const scripts = [accessScript(desired(), "app"), dropOwnedScript(["x"], "app"), dropScript(["x"])];
    for (const script of scripts) {
      assert.match(script, /^LOCK TABLE pg_catalog\.pg_authid IN SHARE UPDATE EXCLUSIVE MODE;$/m);
      assert.doesNotMatch(script, /advisory/);
    }
  });

  it("ends a user's sessions before it changes the role, because they could lock it", () => {
    const script = forbidLoginScript(["writer"]);
    assert.ok(script.indexOf("pg_terminate_backend") < script.indexOf('ALTER ROLE "writer" NOLOGIN'));
    assert.ok(script.lastIndexOf("pg_terminate_backend") > script.indexOf('ALTER ROLE "writer" NOLOGIN'));
  });

  it("skips a database that an interrupted DROP DATABASE left", () => {
    assert.match(DATABASES_QUERY, /NOT datconnlimit = -2/);
  });

  it("removes passwords of users", () => {
    assert.match(
      accessScript(desired({ name: "reader", access: "read" }), "app"),
      /ALTER ROLE "reader" LOGIN .* PASSWORD NULL;/,
    );
  });

  it("uses only pg_catalog, whatever the database's owner has created", () => {
    for (const script of [accessScript(desired(), "app"), driftQuery(desired(), "app")]) {
      assert.match(script, /^SET search_path = pg_catalog, pg_temp;$/m);
    }
  });
});
