import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import {
  accessRole,
  checkRoleSpec,
  DENIED_USERS,
  type AccessRoleSettings,
} from "../../../../components/teleport/resources/access-role";

const readers: AccessRoleSettings = {
  name: "orders-readers",
  databaseLabels: { provisioned_by: "cloudnative-pg", environment: ["dev", "test"] },
  databaseNames: ["orders"],
  databaseUsers: ["teleport_user_read"],
};
const wrong = (settings: Partial<AccessRoleSettings>) =>
  checkRoleSpec("spec", accessRole({ ...readers, ...settings }).spec).map(({ setting }) => setting);

describe("role that opens databases", () => {
  it("allows what is declared, on the databases with the labels, and denies CloudNativePG's own users", () => {
    assert.deepEqual(accessRole(readers), {
      kind: "role",
      version: "v6",
      metadata: { name: "orders-readers", description: "", labels: {} },
      spec: {
        options: { max_session_ttl: "8h", create_db_user: false },
        allow: { db_labels: readers.databaseLabels, db_names: ["orders"], db_users: ["teleport_user_read"] },
        deny: { db_users: DENIED_USERS },
      },
    });
  });

  it("denies further users, e.g. an admin user of another name, and never fewer", () => {
    const { deny } = accessRole({ ...readers, deniedUsers: ["shop_admin", "streaming_replica"] }).spec;
    assert.deepEqual(deny, { db_users: [...DENIED_USERS, "shop_admin"] });
  });

  it("creates users at login if declared", () => {
    const { databaseUsers: _users, ...settings } = readers;
    const { options, allow } = accessRole({
      ...settings,
      createDatabaseUser: "best_effort_drop",
      databaseRoles: ["readers"],
    }).spec as { options: object; allow: object };
    assert.deepEqual(options, {
      max_session_ttl: "8h",
      create_db_user: true,
      create_db_user_mode: "best_effort_drop",
    });
    assert.deepEqual(allow, {
      db_labels: readers.databaseLabels,
      db_names: ["orders"],
      db_users: [],
      db_roles: ["readers"],
    });
  });

  it("writes `keep` in the form that every version understands", () => {
    const { options } = accessRole({ ...readers, createDatabaseUser: "keep" }).spec;
    assert.deepEqual(options, { max_session_ttl: "8h", create_db_user: true });
  });

  it("accepts additional options, which cannot override its own", () => {
    const { options } = accessRole({ ...readers, options: { client_idle_timeout: "15m", create_db_user: true } }).spec;
    assert.deepEqual(options, { client_idle_timeout: "15m", max_session_ttl: "8h", create_db_user: false });
  });

  it("passes the check", () => assert.deepEqual(wrong({}), []));
});

describe("check of a role", () => {
  for (const user of [
    "postgres",
    "Postgres",
    "streaming_replica",
    "cnpg_pooler_pgbouncer",
    "cnpg_anything",
    "pg_read_all_data",
    "*",
    "post*",
    "^.*$",
    "^post(gres)?$",
    "{{external.db_users}}",
    "{{internal.db_users}}",
    "teleport_{{external.team}}",
    "",
  ]) {
    it(`refuses the user ${JSON.stringify(user)}`, () => {
      assert.deepEqual(wrong({ databaseUsers: ["teleport_user_read", user] }), ["spec.allow.db_users"]);
    });
  }

  it("accepts plain names of users", () => {
    for (const user of ["reader", "alice@example.com", "postgres_exporter", "my-user", "a+b"]) {
      assert.deepEqual(wrong({ databaseUsers: [user] }), [], user);
    }
  });

  it("accepts no user that Teleport would match with a reserved one", () => {
    // Teleport's rule (MatchDatabaseUser): the name itself, or `*`.
    const reserved = [...DENIED_USERS, "postgres", "cnpg_new_in_2_0"];
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom("*", ...reserved), fc.string()), (user) => {
        const matches = reserved.some((name) => user === name || user === "*");
        assert.ok(!matches || wrong({ databaseUsers: [user] }).length > 0);
      }),
    );
  });

  it("refuses to open every database of the Teleport cluster", () => {
    assert.deepEqual(wrong({ databaseLabels: { "*": "*" } }), ["spec.allow.db_labels"]);
    assert.deepEqual(wrong({ databaseLabels: {} }), ["spec.allow.db_labels"]);
  });

  it("refuses memberships that make administrators, and accepts those for data", () => {
    for (const role of ["postgres", "streaming_replica", "cnpg_x", "pg_execute_server_program", "*"]) {
      assert.deepEqual(wrong({ createDatabaseUser: "keep", databaseRoles: [role] }), ["spec.allow.db_roles"], role);
    }
    assert.deepEqual(wrong({ createDatabaseUser: "keep", databaseRoles: ["pg_read_all_data", "readers"] }), []);
  });

  it("refuses a role that nobody could log in with", () => {
    assert.deepEqual(wrong({ databaseUsers: [] }), ["spec.allow.db_users"]);
    assert.deepEqual(wrong({ databaseUsers: [], createDatabaseUser: "keep" }), []);
  });

  it("refuses an invalid duration", () => {
    for (const maxSessionTtl of ["8", "0s", "eight hours", "-1h"]) {
      assert.deepEqual(wrong({ maxSessionTtl }), ["spec.options.max_session_ttl"], maxSessionTtl);
    }
  });
});
