import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import type { VaultDatabaseArgs } from "../../../components/vault-database/settings";

interface Made {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const made: Made[] = [];
const database = {
  namespace: "db",
  cluster: "orders",
  hostReadWrite: "orders-rw.db.svc",
  port: 5432,
  database: "app",
  owner: "app",
  serverCa: "CA",
};

describe("VaultDatabase", () => {
  let VaultDatabase: typeof import("../../../components/vault-database/vault-database").VaultDatabase;

  before(async () => {
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs }) => {
          made.push({ type, name, inputs });
          return { id: `${name}-id`, state: { accessor: `${type} 1`, ...inputs, clusterUid: "uid-1" } };
        },
        call: () => ({}),
      },
      "cnpg-teleport",
      "dev",
      false,
      "acme",
    );
    ({ VaultDatabase } = await import("../../../components/vault-database/vault-database"));
  });
  beforeEach(() => made.splice(0));

  const settings: Partial<VaultDatabaseArgs> = {
    kubernetesAuth: { path: "kubernetes" },
    roles: { app: { consumer: { namespace: "shop", serviceAccount: "app" }, maxTtl: "4h" }, report: {} },
  };
  /** Options by type. Pulumi does not pass them to mocks. */
  const options = new Map<string, pulumi.CustomResourceOptions>();
  const note: pulumi.ResourceTransformation = ({ type, opts }) => void options.set(type, opts);
  const deploy = (args: Partial<VaultDatabaseArgs> = {}) => {
    const { outputs } = new VaultDatabase(
      "orders",
      { database, roles: {}, ...settings, ...args },
      { transformations: [note] },
    );
    return new Promise<pulumi.Unwrap<typeof outputs>>((resolve) => outputs.apply(resolve));
  };
  const ofType = (type: string) => made.filter((one) => one.type === type);
  const wait = async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
  };

  it("creates its own mount, Vault's user, and for each role its leases, the role and a policy", async () => {
    await deploy();
    await wait();
    const count = (type: string) => ofType(type).length;
    assert.equal(count("vault:index/mount:Mount"), 1);
    assert.equal(count("pulumi-nodejs:dynamic/vault:DatabaseAdmin"), 1);
    assert.equal(count("pulumi-nodejs:dynamic/vault:DatabaseLeases"), 2);
    assert.equal(count("vault:database/secretBackendRole:SecretBackendRole"), 2);
    assert.equal(count("vault:index/policy:Policy"), 2);
    assert.equal(count("vault:kubernetes/authBackendRole:AuthBackendRole"), 1, "only where there is a consumer");
    assert.equal(count("vault:index/authBackend:AuthBackend"), 0, "the auth method is somebody else's");
  });

  it("creates no mount if the mount exists", async () => {
    const { mount } = await deploy({ mount: { path: "shared", exists: true } });
    await wait();
    assert.equal(mount, "shared");
    assert.deepEqual(ofType("vault:index/mount:Mount"), []);
    assert.equal(ofType("pulumi-nodejs:dynamic/vault:DatabaseAdmin")[0]?.inputs.ownsMount, false);
  });

  it("creates resources in an order whose reverse revokes credentials before it deletes the connection", async () => {
    await deploy();
    await wait();
    const at = (type: string, name: string) => made.findIndex((one) => one.type === type && one.name === name);
    const order = [
      at("vault:index/mount:Mount", "orders"),
      at("pulumi-nodejs:dynamic/vault:MountRemoval", "orders"),
      at("pulumi-nodejs:dynamic/vault:DatabaseAdmin", "orders"),
      at("pulumi-nodejs:dynamic/vault:DatabaseLeases", "orders@app"),
      at("vault:database/secretBackendRole:SecretBackendRole", "orders@app"),
      at("vault:kubernetes/authBackendRole:AuthBackendRole", "orders@app"),
    ];
    assert.deepEqual(
      order,
      [...order].sort((one, other) => one - other),
    );
    assert.ok(!order.includes(-1));
  });

  it("never lets Pulumi delete or move its mount or auth method, because others may use them", async () => {
    const make = { host: "https://kubernetes.default.svc" };
    await deploy({ kubernetesAuth: { path: "k8s", make } });
    await wait();
    for (const [type, kind, path, removal] of [
      ["vault:index/mount:Mount", "engine", "postgres/orders", "MountRemoval"],
      ["vault:index/authBackend:AuthBackend", "auth", "k8s", "AuthMethodRemoval"],
    ] as const) {
      const { retainOnDelete, replaceOnChanges } = options.get(type) ?? {};
      assert.deepEqual([retainOnDelete, replaceOnChanges], [true, ["path"]]);
      const [made] = ofType(`pulumi-nodejs:dynamic/vault:${removal}`);
      assert.deepEqual([made?.inputs.kind, made?.inputs.path, made?.inputs.accessor], [kind, path, `${type} 1`]);
    }
  });

  it("lets another database that uses them come later and go earlier", async () => {
    const make = { host: "https://kubernetes.default.svc" };
    const maker = new VaultDatabase("orders", {
      database,
      roles: { app: {} },
      kubernetesAuth: { path: "k8s", make },
    });
    const dependencies = async (output: pulumi.Output<string>) =>
      [...(await (output as unknown as { allResources(): Promise<Set<pulumi.Resource>> }).allResources())].map((each) =>
        (each as unknown as { __pulumiType: string }).__pulumiType.split(":").at(-1),
      );
    assert.ok((await dependencies(maker.mount)).includes("MountRemoval"));
    assert.ok((await dependencies(maker.kubernetesAuth!)).includes("AuthMethodRemoval"));
  });

  it("gives no two resources the same name, whatever the names of databases and roles", async () => {
    const roles = (role: string) => ({ [role]: { consumer: { namespace: "shop", serviceAccount: "app" } } });
    const kubernetesAuth = { path: "kubernetes" };
    new VaultDatabase("orders", { database, kubernetesAuth, roles: roles("b-c") });
    new VaultDatabase("orders-b", { database, kubernetesAuth, roles: roles("c") });
    await wait();
    const names = made.map(({ type, name }) => `${type} ${name}`);
    assert.ok(names.length > 8);
    assert.deepEqual(names, [...new Set(names)]);
  });

  it("passes the role's connection to its leases", async () => {
    await deploy({ connection: "shared" });
    await wait();
    assert.equal(ofType("pulumi-nodejs:dynamic/vault:DatabaseLeases")[0]?.inputs.connection, "shared");
  });

  it("lets a consumer's token live as long as its credentials, with only its own policy", async () => {
    await deploy();
    await wait();
    const { inputs } = ofType("vault:kubernetes/authBackendRole:AuthBackendRole")[0]!;
    assert.deepEqual(inputs.tokenPolicies, ["database-orders-app"]);
    assert.equal(inputs.tokenNoDefaultPolicy, true);
    assert.equal(inputs.tokenMaxTtl, 4 * 3_600);
    assert.deepEqual(inputs.boundServiceAccountNamespaces, ["shop"]);
  });

  it("outputs where applications log in and read credentials, and nothing secret", async () => {
    const outputs = await deploy();
    assert.deepEqual(outputs.roles.app, {
      path: "postgres/orders/creds/app",
      policy: "database-orders-app",
      login: { mount: "kubernetes", role: "database-orders-app", namespace: "shop", serviceAccount: "app" },
      defaultTtl: 3_600,
      maxTtl: 4 * 3_600,
    });
    assert.equal(outputs.roles.report?.login, undefined);
    assert.equal(outputs.group, "app");
    const { outputs: output } = new VaultDatabase("other", { database, roles: { app: {} } });
    assert.equal(await pulumi.isSecret(output), false);
  });

  it("reports every wrong setting at once, before anything is created", () => {
    assert.throws(
      () => new VaultDatabase("orders", { database, roles: {}, admin: "a b", connection: "a/b" }),
      /3 settings are wrong:[\s\S]*admin[\s\S]*connection[\s\S]*roles/,
    );
    assert.deepEqual(made, []);
  });
});
