/** The plan of a PostgresCluster: everything that follows from its settings. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { PostgresClusterArgs } from "../../../components";
import { operatorNeeds, planCluster } from "../../../components/postgres-cluster/plan";
import { identifyingLabels } from "../../../components/postgres-cluster/teleport-plan";

const ROOT = join(__dirname, "..", "..", "..");
const STORE = { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } };
const SETTINGS: PostgresClusterArgs = {
  storage: { size: "1Gi" },
  issuer: { type: "tls" },
  teleport: [
    { proxy: "teleport.example.com:443", accessRoles: true },
    {
      proxy: "emea.example.com:443",
      credentials: "emea",
      registration: { by: "agent", join: { method: "iam", tokenName: "agents" }, namespace: "agents" },
    },
  ],
  users: [{ name: "reader", access: "read", scope: [{ schemas: ["public"] }, { database: "billing" }] }],
  usersAs: "databaseRole",
  autoUsers: { roles: ["reader"] },
  poolers: [{ type: "rw" }, { type: "ro", name: "reports", authentication: "explicit" }],
  schemas: ["sales"],
  databases: [{ name: "billing" }],
  networkPolicy: { applications: [], teleportAgents: [{ namespace: "teleport" }] },
  vaultDatabase: { roles: { app: {} } },
  backup: { objectStore: STORE },
  recovery: { archiveName: "orders-1" },
};

describe("the plan of a PostgresCluster", () => {
  const plan = planCluster("orders", SETTINGS, "dev");

  it("has the names of all objects", () => {
    const named = (objects: readonly { resource: string; metadata: { name: string } }[]) =>
      objects.map(({ resource, metadata }) => [resource, metadata.name]);
    assert.deepEqual([plan.clusterName, plan.namespace, plan.environment], ["orders", "orders", "dev"]);
    assert.deepEqual(plan.services, { rw: "orders-rw", ro: "orders-ro", r: "orders-r" });
    assert.deepEqual(named(plan.databases), [
      ["orders-app", "orders.app"],
      ["orders-billing", "orders.billing"],
    ]);
    assert.deepEqual(named(plan.databaseRoles), [
      ["orders-reader", "orders.reader"],
      ["orders-pooler_authentication", "orders.pooler-authentication"],
    ]);
    assert.deepEqual(named(plan.networkPolicies), [
      ["orders-instance", "orders-instance"],
      ["orders-pooler", "orders-pooler"],
    ]);
    assert.deepEqual(
      plan.poolers.map(({ resource, name }) => [resource, name]),
      [
        ["orders-pooler-orders-rw", "pooler-orders-rw"],
        ["orders-reports", "reports"],
      ],
    );
    const [here, emea] = plan.teleport;
    assert.deepEqual(
      here?.databases.map(({ resource, name }) => [resource, name]),
      [
        ["orders-primary", "orders-dev"],
        ["orders-standby", "orders-dev-ro"],
      ],
    );
    assert.deepEqual(
      here?.accessRoles.map(({ resource, name, databaseNames }) => [resource, name, databaseNames]),
      [
        ["orders-reader", "orders-dev-reader", ["app", "billing"]],
        ["orders-auto-reader", "orders-dev-auto-reader", ["*"]],
      ],
    );
    assert.deepEqual(emea?.agentConfigMap, {
      resource: "orders@emea-agent-server-ca",
      name: "orders-dev-server-ca",
      namespace: "agents",
    });
    assert.deepEqual(plan.vaultDatabase, {
      connection: "orders-dev",
      mount: { path: "postgres/orders-dev", exists: false },
      auth: undefined,
      roles: [{ role: "app", policy: "database-orders-dev-app", settings: {} }],
    });
  });

  it("labels databases in Teleport in one order: the user's labels, the Cluster's, and those that roles select by", () => {
    const [{ databases = [], accessRoles = [] } = {}] = plan.teleport;
    for (const { labels, sqlType } of databases) {
      const identifying = identifyingLabels({ primary: "orders-dev" }, sqlType);
      assert.deepEqual(Object.entries(labels), [
        ["environment", "dev"],
        ["cluster", "orders"],
        ["namespace", "orders"],
        ...Object.entries(identifying),
      ]);
    }
    const selected = Object.keys(identifyingLabels({ primary: "orders-dev" }, "primary"));
    for (const { databaseLabels } of accessRoles) {
      const keys = Object.keys(databaseLabels);
      assert.deepEqual(keys, selected.slice(0, keys.length));
    }
    // The values for an agent's chart contain the labels in this order, as text.
    assert.deepEqual(selected, ["primary", "provisioned_by", "sql_type"]);
  });

  it("requires of the operator exactly the kinds and fields of the planned objects", () => {
    assert.deepEqual(Object.keys(operatorNeeds(plan)).sort(), ["clusters", "databaseroles", "databases", "poolers"]);
    const [pooler] = plan.poolers;
    assert.deepEqual(Object.keys(operatorNeeds(plan).poolers?.spec ?? {}), Object.keys(pooler?.spec ?? {}));
  });

  it("counts the instances that must be ready", () => {
    const counted = (settings: Partial<PostgresClusterArgs>) => {
      const { expectedReadyInstances, hasStandby, isSuspended, hasStoppedInstances } = planCluster(
        "orders",
        { ...SETTINGS, ...settings },
        "dev",
      );
      return { expectedReadyInstances, hasStandby, isSuspended, hasStoppedInstances };
    };
    const none = { isSuspended: false, hasStoppedInstances: false };
    assert.deepEqual(counted({}), { expectedReadyInstances: 3, hasStandby: true, ...none });
    assert.deepEqual(counted({ instances: 1 }), { expectedReadyInstances: 1, hasStandby: false, ...none });
    assert.deepEqual(counted({ fencedInstances: ["orders-1"] }), {
      expectedReadyInstances: 2,
      hasStandby: true,
      isSuspended: false,
      hasStoppedInstances: true,
    });
    assert.deepEqual(counted({ hibernation: true }), {
      expectedReadyInstances: 0,
      hasStandby: true,
      isSuspended: true,
      hasStoppedInstances: true,
    });
  });

  it("does not depend on the namespace, which may be unknown", () => {
    const later = planCluster("orders", { ...SETTINGS, namespace: pulumi.output("made") }, "dev");
    assert.deepEqual(later.cluster, plan.cluster);
    assert.deepEqual(later.databases, plan.databases);
  });

  it("can be printed as JSON without losses", () => {
    const printed = JSON.parse(JSON.stringify(plan)) as object;
    assert.deepEqual(Object.keys(printed).sort(), Object.keys(plan).sort());
  });
});

describe("names and manifests", () => {
  /** The functions that derive them, with the files outside of the plan that may call them. */
  const DERIVED: Record<string, string[]> = {
    poolerName: [],
    poolerSpec: [],
    teleportNames: [],
    agentConfigMap: [],
    clusterSpec: [],
    databaseManifests: [],
    databaseRoleManifests: [],
    networkPolicies: [],
    namespacesToCreate: [],
    // Programs can use ClusterCertificates without a PostgresCluster.
    secretNames: ["components/certificates/cluster-certificates.ts", "components/cnpg/pooler.ts"],
    // `vaultDatabasePolicy` limits what a program may write, by patterns of names.
    consumerName: ["components/vault-database/policies.ts"],
  };
  const PLANS = [
    "components/postgres-cluster/plan.ts",
    "components/postgres-cluster/teleport-plan.ts",
    "components/vault-database/plan.ts",
    "config/plan.ts",
  ];
  const sources = ["components", "config"]
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
    )
    .concat("index.ts")
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ file, text: readFileSync(join(ROOT, file), "utf8") }));

  for (const [name, elsewhere] of Object.entries(DERIVED)) {
    it(`are derived by ${name} only in the plan`, () => {
      const calls = new RegExp(`(?<!function )\\b${name}\\(`);
      const callers = sources.filter(({ text }) => calls.test(text)).map(({ file }) => file);
      assert.ok(callers.some((file) => PLANS.includes(file)));
      assert.deepEqual(
        callers.filter((file) => !PLANS.includes(file)),
        elsewhere,
      );
    });
  }
});
