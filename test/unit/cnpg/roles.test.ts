import { strict as assert } from "node:assert";
import {
  checkUsers,
  managedRoles,
  memberships,
  roleSettings,
  TeleportUser,
  databaseRoleManifests,
} from "../../../components/cnpg/roles";
import * as fc from "fast-check";
import { appliedProblems } from "../../../components/cnpg/databases";
import { databaseRoleName } from "../../../components/cnpg/names";
import type { PostgresClusterArgs } from "../../../components";
import { checkPostgresCluster } from "../../../components/postgres-cluster/check";
import { planCluster } from "../../../components/postgres-cluster/plan";

const user = (more: Partial<TeleportUser> = {}): TeleportUser => ({ name: "reader", access: "read", ...more });
const problems = (...users: TeleportUser[]) => checkUsers("users", users, "shop");

describe("roles of people", () => {
  it("are members only of the named roles: predefined roles would also include the system's tables", () => {
    assert.deepEqual(memberships(user({ access: "write" })), []);
    assert.deepEqual(memberships(user({ memberOf: ["auditors", "auditors"] })), ["auditors"]);
  });

  it("have no password, and a connection limit", () => {
    const [role] = managedRoles([user()]);
    assert.equal(role?.disablePassword, true);
    assert.equal(role?.connectionLimit, 20);
  });

  it("start read-only transactions if they are readers, unless the settings say otherwise", () => {
    assert.deepEqual(roleSettings(user()), { default_transaction_read_only: "on" });
    assert.deepEqual(roleSettings(user({ readOnly: false, statementTimeout: "5s" })), { statement_timeout: "5s" });
    assert.deepEqual(roleSettings(user({ access: "write" })), {});
  });

  it("accept all settings at once", () => {
    const full = user({
      scope: [{ database: "billing", schemas: ["invoices", "Odd name"] }],
      memberOf: ["pg_monitor", "auditors"],
      connectionLimit: -1,
      readOnly: true,
      statementTimeout: "5min",
      settings: {
        work_mem: "8MB",
        TimeZone: "Europe/Berlin",
        search_path: "app, public",
        "auto_explain.log_min_duration": "1s",
      },
    });
    assert.deepEqual(problems(full), []);
  });

  for (const [what, wrong, setting] of [
    ["an invalid name", { name: "Reader" }, "users[0].name"],
    ["a superuser's name", { name: "postgres" }, "users[0].name"],
    ["the replication user's name", { name: "streaming_replica" }, "users[0].name"],
    ["the pooler's name", { name: "pooler_authentication" }, "users[0].name"],
    ["a name that CNPG reserves", { name: "cnpg_pooler_pgbouncer" }, "users[0].name"],
    ["the owner's name", { name: "shop" }, "users[0].name"],
    ["a keyword of pg_hba.conf", { name: "replication" }, "users[0].name"],
    ["membership in superusers", { memberOf: ["postgres"] }, "users[0].memberOf[0]"],
    ["membership in a role that can run programs", { memberOf: ["pg_execute_server_program"] }, "users[0].memberOf[0]"],
    ["membership in itself", { memberOf: ["reader"] }, "users[0].memberOf[0]"],
    ["a reader that is a member of the owner", { memberOf: ["shop"] }, "users[0].memberOf[0]"],
    ["a scope without access", { access: "none", scope: [{}] }, "users[0].scope"],
    ["an empty scope", { scope: [] }, "users[0].scope"],
    ["an empty list of schemas", { scope: [{ schemas: [] }] }, "users[0].scope[0].schemas"],
    ["PostgreSQL's own schema", { scope: [{ schemas: ["pg_catalog"] }] }, "users[0].scope[0].schemas"],
    ["no connections", { connectionLimit: 0 }, "users[0].connectionLimit"],
    ["half a connection", { connectionLimit: 1.5 }, "users[0].connectionLimit"],
    ["an invalid timeout", { statementTimeout: "soon" }, "users[0].statementTimeout"],
    ["an invalid setting", { settings: { "a; DROP": "x" } }, "users[0].settings.a; DROP"],
    [
      "a setting that has its own key",
      { settings: { statement_timeout: "1s" } },
      "users[0].settings.statement_timeout",
    ],
  ] as [string, Partial<TeleportUser>, string][]) {
    it(`are refused with ${what}`, () => {
      const [first, ...others] = problems(user(wrong));
      assert.equal(first?.setting, setting);
      assert.ok(first.problem && first.fix);
      assert.deepEqual(others, []);
    });
  }

  it("are refused if two have the same name", () => {
    assert.deepEqual(
      problems(user(), user({ access: "write" })).map(({ setting }) => setting),
      ["users[1].name"],
    );
  });
});

const READER = { name: "teleport_user_read", access: "read" } as const;

describe("DatabaseRole objects", () => {
  it("declare the same role as the Cluster would, and never drop it", () => {
    assert.deepEqual(databaseRoleManifests("orders", [{ ...READER, memberOf: ["auditors"] }]), [
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "DatabaseRole",
        metadata: { name: "orders.teleport-user-read" },
        spec: {
          cluster: { name: "orders" },
          name: "teleport_user_read",
          comment: "Logs in by certificate: read",
          login: true,
          inherit: true,
          connectionLimit: 20,
          disablePassword: true,
          inRoles: ["auditors"],
          databaseRoleReclaimPolicy: "retain",
        },
      },
    ]);
  });

  it("replace the Cluster's roles, also the pooler's role, only with `usersAs: databaseRole`", () => {
    const args: PostgresClusterArgs = {
      storage: { size: "1Gi" },
      issuer: { type: "tls" },
      users: [READER],
      poolers: [{ type: "rw", authentication: "explicit" }],
    };
    const rolesOf = (usersAs: PostgresClusterArgs["usersAs"]) => {
      const { databaseRoles, cluster } = planCluster("orders", { ...args, usersAs }, "dev");
      const { managed } = cluster.spec as { managed: { roles: { name: string }[] } };
      return {
        objects: databaseRoles.map((role) => role.spec.name),
        inline: managed.roles.map(({ name }) => name),
      };
    };
    const both = [READER.name, "pooler_authentication"];
    const inline = { objects: [], inline: both };
    assert.deepEqual([rolesOf(undefined), rolesOf("inline")], [inline, inline]);
    assert.deepEqual(rolesOf("databaseRole"), { objects: both, inline: [] });
  });

  it("have names that Kubernetes accepts, and no two names are the same", () => {
    const label = fc.stringMatching(/^[a-z]([-a-z0-9]{0,20}[a-z0-9])?$/);
    const role = fc.stringMatching(/^[a-z_][a-z0-9_]{0,62}$/);
    fc.assert(
      fc.property(label, role, label, role, (cluster, user, otherCluster, otherUser) => {
        const name = databaseRoleName(cluster, user);
        assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
        assert.ok(name.length <= 253, name);
        const isSame = cluster === otherCluster && user === otherUser;
        assert.equal(name === databaseRoleName(otherCluster, otherUser), isSame);
      }),
    );
    const alike = ["a_b", "a__b", "_a_b", "a_b_", "ab"].map((user) => databaseRoleName("orders", user));
    assert.equal(new Set(alike).size, alike.length);
    assert.notEqual(databaseRoleName("orders", "eu_reader"), databaseRoleName("orders-eu", "reader"));
  });

  it("have no problem if the primary has applied them, and otherwise report the operator's reason", () => {
    const role = (status: object) => ({ metadata: { name: "r", generation: 2 }, status: { ...status } });
    const problems = (status: object) => appliedProblems("DatabaseRole", "r", role(status));
    assert.deepEqual(problems({ applied: true, observedGeneration: 2 }), []);
    assert.deepEqual(problems({ applied: true, observedGeneration: 1 }), [
      "DatabaseRole r: the primary has not seen it yet",
    ]);
    // The operator's message while the Cluster declares the role.
    const message = "database role is already managed by the CNPG cluster";
    assert.deepEqual(problems({ applied: false, observedGeneration: 2, message }), [`DatabaseRole r: ${message}`]);
  });

  it("are refused if `spec` has roles too", () => {
    const args: PostgresClusterArgs = { storage: { size: "1Gi" }, issuer: { type: "tls" }, users: [READER] };
    const settings = (more: object) =>
      checkPostgresCluster("", planCluster("orders", { ...args, ...more }, "dev")).map(({ setting }) => setting);
    const roles = { managed: { roles: [{ name: READER.name }] } };
    assert.deepEqual(settings({ usersAs: "databaseRole", spec: roles }), ["spec.managed.roles"]);
    assert.deepEqual(settings({ usersAs: "databaseRole" }), []);
  });
});
