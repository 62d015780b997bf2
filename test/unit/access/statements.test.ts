import { strict as assert } from "node:assert";
import fc from "fast-check";
import { identifier, literal } from "../../../components/access/sql";
import { accessScript, deviationsQuery, scopedDatabases } from "../../../components/access/statements";
import { TeleportUser } from "../../../components/cnpg/roles";

const desired = (...users: TeleportUser[]) => ({ database: "app", users });

describe("SQL of access", () => {
  it("quotes any text so that it ends where it should", () => {
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

  it("writes lists of names as lists", () => {
    const settings = { search_path: '"Odd one", public', DateStyle: "ISO, DMY" };
    const script = accessScript(desired({ name: "reader", access: "none", settings }), "app");
    assert.match(script, /SET "search_path" TO 'Odd one', 'public';/);
    assert.match(script, /SET "DateStyle" TO 'ISO, DMY';/);
  });

  it("grants in the scope's database only, and revokes in all", () => {
    const users = desired({ name: "reader", access: "read", scope: [{ database: "sales", schemas: ["a"] }] });
    assert.match(accessScript(users, "sales"), /GRANT SELECT ON ALL TABLES/);
    assert.doesNotMatch(accessScript(users, "app"), /GRANT SELECT/);
    assert.match(accessScript(users, "app"), /REVOKE ALL ON %s FROM %I CASCADE.*DATABASE %I/);
    assert.deepEqual(scopedDatabases(users), ["sales"]);
  });

  it("reaches every database where there is no scope, and none with no access", () => {
    for (const database of ["app", "other"]) {
      assert.match(accessScript(desired({ name: "reader", access: "read" }), database), /GRANT CONNECT ON DATABASE/);
      assert.doesNotMatch(accessScript(desired({ name: "reader", access: "none" }), database), /GRANT CONNECT/);
    }
  });

  it("gives a reader no more than SELECT", () => {
    const script = accessScript(desired({ name: "reader", access: "read", scope: [{}] }), "app");
    const granted = [...script.matchAll(/(?<!REVOKE )GRANT ([A-Z, ]+?) ON/g)].map(([, privileges]) => privileges);
    const toOthers = "EXECUTE"; // to who may go on writing large objects, when PUBLIC may not
    assert.deepEqual([...new Set(granted)].sort(), ["CONNECT", toOthers, "SELECT", "USAGE"]);
  });

  it("reaches schemas that come later only where no schemas are named", () => {
    const whole = accessScript(desired({ name: "reader", access: "read", scope: [{}] }), "app");
    assert.match(whole, /GRANT USAGE ON SCHEMAS TO/);
    const named = accessScript(desired({ name: "reader", access: "read", scope: [{ schemas: ["a"] }] }), "app");
    assert.doesNotMatch(named, /GRANT USAGE ON SCHEMAS/);
    assert.match(named, /IN SCHEMA %I GRANT SELECT ON TABLES/);
  });

  it("takes from everybody what writes for good, in every database, while there is a reader", () => {
    const revoked = /REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC/;
    const reader: TeleportUser = { name: "reader", access: "read", scope: [{ database: "sales" }] };
    for (const database of ["app", "sales", "other"]) {
      assert.match(accessScript(desired(reader), database), revoked);
      assert.match(deviationsQuery(desired(reader), database), /everybody may call %s/);
    }
    const writer: TeleportUser = { name: "writer", access: "write" };
    assert.doesNotMatch(accessScript(desired(writer), "app"), revoked);
    assert.doesNotMatch(deviationsQuery(desired(writer), "app"), /everybody may call/);
    assert.match(accessScript(desired(reader, writer), "app"), /r\.rolname <> ALL \(ARRAY\['reader'\]::text\[\]\)/);
    assert.match(accessScript(desired(reader, writer), "app"), /r\.rolname = ANY \(ARRAY\['writer'\]::text\[\]\)/);
  });

  it("leaves nobody with a password", () => {
    assert.match(
      accessScript(desired({ name: "reader", access: "read" }), "app"),
      /ALTER ROLE "reader" PASSWORD NULL;/,
    );
  });

  it("looks at nothing but pg_catalog, whatever the database's owner has made", () => {
    for (const script of [accessScript(desired(), "app"), deviationsQuery(desired(), "app")]) {
      assert.match(script, /^SET search_path = pg_catalog, pg_temp;$/m);
    }
  });
});
