import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { appliedProblems } from "../../../components/cnpg/applied";
import { databaseRoleManifests, databaseRoleName } from "../../../components/cnpg/database-roles";
import type { PostgresClusterArgs } from "../../../components";
import { checkPostgresCluster } from "../../../components/postgres-cluster/check";
import { planCluster } from "../../../components/postgres-cluster/plan";

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
