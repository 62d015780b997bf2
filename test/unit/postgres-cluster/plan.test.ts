/** The plan of a PostgresCluster: everything that follows from its settings, in one place. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { PostgresClusterArgs } from "../../../components";
import { operatorNeeds, planCluster } from "../../../components/postgres-cluster/plan";

const ROOT = join(__dirname, "..", "..", "..");
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
};

describe("the plan of a PostgresCluster", () => {
  const plan = planCluster("orders", SETTINGS, "dev");

  it("has the names of all that is made", () => {
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

  it("says what the operator must know for exactly what is written", () => {
    assert.deepEqual(Object.keys(operatorNeeds(plan)).sort(), ["clusters", "databaseroles", "databases", "poolers"]);
    const [pooler] = plan.poolers;
    assert.deepEqual(Object.keys(operatorNeeds(plan).poolers?.spec ?? {}), Object.keys(pooler?.spec ?? {}));
  });

  it("counts the instances that must serve", () => {
    const counted = (settings: Partial<PostgresClusterArgs>) => {
      const { servingInstances, hasStandby, isSuspended, isPaused } = planCluster(
        "orders",
        { ...SETTINGS, ...settings },
        "dev",
      );
      return { servingInstances, hasStandby, isSuspended, isPaused };
    };
    const none = { isSuspended: false, isPaused: false };
    assert.deepEqual(counted({}), { servingInstances: 3, hasStandby: true, ...none });
    assert.deepEqual(counted({ instances: 1 }), { servingInstances: 1, hasStandby: false, ...none });
    assert.deepEqual(counted({ fencedInstances: ["orders-1"] }), {
      servingInstances: 2,
      hasStandby: true,
      isSuspended: false,
      isPaused: true,
    });
    assert.deepEqual(counted({ hibernation: true }), {
      servingInstances: 0,
      hasStandby: true,
      isSuspended: true,
      isPaused: true,
    });
  });

  it("can be made while the namespace is not known yet", () => {
    const later = planCluster("orders", { ...SETTINGS, namespace: pulumi.output("made") }, "dev");
    assert.deepEqual(later.cluster, plan.cluster);
    assert.deepEqual(later.databases, plan.databases);
  });

  it("can be printed as JSON, and nothing of it is lost", () => {
    const printed = JSON.parse(JSON.stringify(plan)) as object;
    assert.deepEqual(Object.keys(printed).sort(), Object.keys(plan).sort());
  });
});

describe("names and manifests", () => {
  /** The functions that derive them, by where they are called besides the plan. */
  const DERIVED: Record<string, string[]> = {
    poolerName: [],
    poolerSpec: [],
    teleportNames: [],
    agentConfigMap: [],
    clusterSpec: [],
    databaseManifests: [],
    databaseRoleManifests: [],
    networkPolicies: [],
    // A component of its own, which programs use without a PostgresCluster.
    secretNames: ["components/certificates/cluster-certificates.ts", "components/cnpg/pooler.ts"],
    // `vaultDatabasePolicy` says what a program may write, by patterns of names.
    consumerName: ["components/vault-database/policies.ts"],
  };
  const PLANS = [
    "components/postgres-cluster/plan.ts",
    "components/postgres-cluster/teleport-plan.ts",
    "components/vault-database/plan.ts",
  ];
  const sources = ["components", "config"]
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
    )
    .concat("index.ts")
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ file, text: readFileSync(join(ROOT, file), "utf8") }));

  for (const [name, elsewhere] of Object.entries(DERIVED)) {
    it(`are derived by ${name} in the plan alone`, () => {
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
