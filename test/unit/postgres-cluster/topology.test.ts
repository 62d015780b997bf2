/** A PostgresCluster in a distributed topology: what it plans as the primary cluster, and what as a replica cluster. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import type { PostgresClusterArgs } from "../../../components";
import { checkPostgresCluster } from "../../../components/postgres-cluster/check";
import { planCluster } from "../../../components/postgres-cluster/plan";
import { expectedRole } from "../../../components/postgres-cluster/topology";
import { describeProblem } from "../../../components/problems";
import type { ReplicaSettings } from "../../../components/cnpg/replica";

const objectStore = { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } };
const settings = (replica: Partial<ReplicaSettings>, more: Partial<PostgresClusterArgs> = {}): PostgresClusterArgs => ({
  storage: { size: "1Gi" },
  issuer: { type: "tls" },
  teleport: { proxy: "teleport.example.com:443", name: "orders-prod", accessRoles: true },
  users: [{ name: "reader", access: "read" }],
  backup: { objectStore },
  replica: { primary: "south", clusters: { south: { archiveName: "south-1" } }, ...replica },
  ...more,
});
const plan = (replica: Partial<ReplicaSettings>, more: Partial<PostgresClusterArgs> = {}) =>
  planCluster("north", settings(replica, more), "dev");
const problems = (replica: Partial<ReplicaSettings>, more: Partial<PostgresClusterArgs> = {}) =>
  checkPostgresCluster("db", plan(replica, more)).map(describeProblem);

describe("the plan of a replica cluster", () => {
  it("writes nothing to PostgreSQL, and has no name in Teleport", () => {
    const replica = plan({});
    assert.deepEqual([replica.isReplicaCluster, replica.isReadOnly, replica.isSuspended], [true, true, false]);
    assert.deepEqual(replica.teleport[0]?.databases, []);
    assert.equal(replica.teleport[0]?.isReplicaCluster, true);
    assert.deepEqual(
      replica.teleport[0]?.accessRoles.map(({ name }) => name),
      ["orders-prod-reader"],
      "the role stays in the plan, so that a promotion takes it over",
    );
  });

  it("can have a name of its own in Teleport, with which people read any of its instances", () => {
    const [database, ...more] = plan({ teleportName: "orders-north" }).teleport[0]?.databases ?? [];
    assert.deepEqual(more, []);
    const { resource, name, endpoint, labels } = database ?? {};
    assert.deepEqual([resource, name, endpoint], ["north-replica", "orders-north", "r"]);
    assert.deepEqual([labels?.primary, labels?.sql_type], ["orders-prod", "replica"]);
  });

  it("has the same objects as the primary cluster, so that a promotion is an update", () => {
    const [replica, primary] = [plan({}), plan({ primary: "north" })];
    for (const part of ["databases", "databaseRoles", "poolers", "users", "secrets", "vaultUsers"] as const)
      assert.deepEqual(replica[part], primary[part]);
    assert.deepEqual(replica.replica?.objectStores, primary.replica?.objectStores);
    assert.deepEqual(
      primary.teleport[0]?.databases.map(({ name }) => name),
      ["orders-prod", "orders-prod-ro"],
    );
    assert.deepEqual([primary.isReplicaCluster, primary.isReadOnly], [false, false]);
  });

  it("says what `up` waits for", () => {
    const roleOf = (replica: Partial<ReplicaSettings>) => expectedRole(plan(replica).replica!);
    const both = { south: { archiveName: "south-1", streaming: { host: "south" } } };
    assert.deepEqual(roleOf({}), { follows: "south", archiveName: "south-1" });
    assert.deepEqual(roleOf({ clusters: both }), { follows: "south", archiveName: "south-1", streams: true });
    assert.deepEqual(roleOf({ primary: "north", clusters: both }), {});
  });
});

describe("the names in Teleport of a topology", () => {
  const teleport = { proxy: "teleport.example.com:443" };
  it("are accepted", () => {
    for (const replica of [{}, { primary: "north" }, { teleportName: "orders-north" }])
      assert.deepEqual(problems(replica), []);
    assert.deepEqual(problems({}, { teleport: undefined }), []);
  });

  for (const [found, expected] of [
    [
      () => problems({}, { teleport }),
      /^db\.teleport\.name: is missing, but all Clusters of a topology must register the same name\. Write .* e\.g\. north-dev/,
    ],
    [() => problems({}, { teleport: [teleport] }), /^db\.teleport\[0\]\.name: is missing/],
    [
      () => problems({ teleportName: "orders-prod-ro" }),
      /^db\.replica\.teleportName = "orders-prod-ro": is a name of the primary cluster\. Choose a name that only/,
    ],
    [
      () => problems({ teleportName: "Orders!" }),
      /^db\.replica\.teleportName = "Orders!": is not a name that Teleport accepts/,
    ],
    [
      () => problems({ teleportName: "orders-north" }, { teleport: undefined }),
      /^db\.replica\.teleportName = "orders-north": requires teleport\. Add teleport\.proxy/,
    ],
    [
      () =>
        problems(
          { teleportName: "orders-north" },
          { spec: { managed: { services: { disabledDefaultServices: ["r"] } } } },
        ),
      /disabledDefaultServices = \["r"\]: would remove the Service r, with which replica\.teleportName is registered/,
    ],
    [
      () => problems({}, { teleport: { ...teleport, name: "orders-prod", labels: { "cnpg-teleport/topology": "x" } } }),
      /labels\.cnpg-teleport\/topology: is reserved/,
    ],
  ] as const) {
    it(`report ${expected.source}`, () => {
      const all = found();
      assert.equal(all.length, 1, all.join("\n"));
      assert.match(all[0] ?? "", expected);
    });
  }
});

describe("the resources of a Cluster in a topology", () => {
  it("do not exist without a topology, so that present states stay as they are", () => {
    const alone = planCluster("north", settings({}, { replica: undefined }), "dev");
    assert.ok(!("replica" in alone));
    assert.deepEqual([alone.isReplicaCluster, alone.isReadOnly], [false, false]);
  });

  it("accept computed settings", () => {
    const computed = { ...objectStore, destinationPath: pulumi.output("s3://elsewhere") };
    assert.deepEqual(problems({ clusters: { south: { archiveName: "south-1", objectStore: computed } } }), []);
  });
});
