import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { ClusterSettings, clusterSpec } from "../../../components/cnpg/cluster-spec";
import { checkUsers, DEFAULT_USERS, managedRoles, TeleportUser } from "../../../components/cnpg/roles";

const secrets = { server: "s", serverCa: "sca", replication: "r", clientCaBundle: "cca" };
const spec = (settings: Partial<ClusterSettings> = {}) =>
  clusterSpec({ storage: { size: "1Gi" }, secrets, users: DEFAULT_USERS, ...settings }) as Record<
    string,
    Record<string, unknown>
  >;

describe("the Cluster's spec", () => {
  it("names our certificates in CNPG's fields", () => {
    assert.deepEqual(spec().certificates, {
      serverTLSSecret: "s",
      serverCASecret: "sca",
      replicationTLSSecret: "r",
      clientCASecret: "cca",
    });
  });
  it("has three instances and a database `app` by default, and no more than was said", () => {
    assert.equal(spec().instances, 3);
    assert.deepEqual(spec().bootstrap, { initdb: { database: "app", owner: "app", dataChecksums: true } });
    assert.ok(!("walStorage" in spec()) && !("imageName" in spec()));
  });
  it("owns a named database by a role of its name", () => {
    const { initdb } = spec({ initdb: { database: "orders", ownerSecret: "mine" } }).bootstrap as { initdb: object };
    assert.deepEqual(initdb, { database: "orders", owner: "orders", secret: { name: "mine" }, dataChecksums: true });
  });
  it("is overridden last: objects merge, lists and values replace", () => {
    const overridden = spec({
      parameters: { a: "1" },
      services: { disabledDefaultServices: ["r", "ro"] },
      affinity: { tolerations: [{ key: "a" }], topologyKey: "zone" },
      spec: {
        instances: 5,
        postgresql: { parameters: { b: "2" } },
        managed: { services: { disabledDefaultServices: ["r"] } },
        affinity: { tolerations: [{ key: "b" }] },
        storage: null,
      },
    });
    assert.equal(overridden.instances, 5);
    assert.deepEqual(overridden.postgresql!.parameters, { a: "1", b: "2" });
    assert.equal((overridden.postgresql!.pg_hba as string[]).length, 4);
    assert.deepEqual(overridden.managed!.services, { disabledDefaultServices: ["r"] });
    assert.equal((overridden.managed!.roles as unknown[]).length, 2);
    assert.deepEqual(overridden.affinity, { tolerations: [{ key: "b" }], topologyKey: "zone" });
    assert.equal(overridden.storage, null);
  });
  it("puts settings into CNPG's fields", () => {
    const made = spec({
      imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17 },
      imagePullSecrets: ["registry"],
      tablespaces: [
        { name: "fast", size: "1Gi", owner: "reports" },
        { name: "tmp", size: "2Gi", temporary: true },
      ],
      sharedPreloadLibraries: ["auto_explain"],
      pgIdent: ["m a b"],
      synchronous: { method: "any", number: 1 },
      ldap: { server: "ldap", tls: true, bindAsAuth: {} },
      serviceAccountTemplate: { annotations: { a: "b" } },
      services: { additional: [{ name: "public", selectorType: "rw", type: "LoadBalancer", labels: { a: "b" } }] },
      failoverDelay: 0,
    });
    const catalog = { apiGroup: "postgresql.cnpg.io", kind: "ImageCatalog", name: "postgresql", major: 17 };
    assert.deepEqual(made.imageCatalogRef, catalog);
    assert.deepEqual(made.imagePullSecrets, [{ name: "registry" }]);
    assert.deepEqual(made.tablespaces, [
      { name: "fast", storage: { size: "1Gi" }, owner: { name: "reports" } },
      { name: "tmp", storage: { size: "2Gi" }, temporary: true },
    ]);
    assert.deepEqual(made.postgresql!.shared_preload_libraries, ["auto_explain"]);
    assert.deepEqual(made.postgresql!.pg_ident, ["m a b"]);
    assert.deepEqual(made.postgresql!.synchronous, { method: "any", number: 1 });
    assert.deepEqual(made.postgresql!.ldap, { server: "ldap", tls: true, bindAsAuth: {} });
    assert.deepEqual(made.serviceAccountTemplate, { metadata: { annotations: { a: "b" } } });
    assert.deepEqual(made.managed!.services, {
      additional: [
        {
          selectorType: "rw",
          serviceTemplate: { metadata: { name: "public", labels: { a: "b" } }, spec: { type: "LoadBalancer" } },
        },
      ],
    });
    assert.equal(made.failoverDelay, 0);
  });
  it("keeps databases, network policies and annotations out", () => {
    const made = spec({
      databases: [{ name: "a" }],
      schemas: ["s"],
      networkPolicy: { applications: [] },
      hibernation: true,
    });
    assert.deepEqual(
      Object.keys(made).filter((key) => /database|schema|network|hibernation/i.test(key)),
      [],
    );
  });
});

describe("managed roles", () => {
  it("have their rights by membership, and no password", () => {
    const [reader, writer] = managedRoles(DEFAULT_USERS);
    assert.deepEqual(reader?.inRoles, ["pg_read_all_data"]);
    assert.deepEqual(writer?.inRoles, ["pg_read_all_data", "pg_write_all_data"]);
    assert.ok(reader?.disablePassword && reader.login && reader.connectionLimit === 20);
  });

  const problems = (...users: Partial<TeleportUser>[]) =>
    checkUsers(
      "users",
      users.map((user) => ({ name: "reader", access: "read", ...user })),
      "orders",
    ).map(({ problem }) => problem);

  it("are refused where a Teleport CA would open a reserved one", () => {
    for (const name of ["postgres", "streaming_replica", "cnpg_pooler_pgbouncer", "pg_monitor", "all", "replication"]) {
      assert.match(problems({ name })[0] ?? "", /^is reserved by PostgreSQL/, name);
    }
  });
  it("are refused as the owner, twice, and with an odd limit", () => {
    assert.match(problems({ name: "orders" })[0]!, /owner/);
    assert.match(problems({}, {})[0]!, /twice/);
    for (const connectionLimit of [0, -2, 1.5])
      assert.match(problems({ connectionLimit })[0]!, /number of connections/);
    assert.deepEqual(problems({ connectionLimit: -1 }), []);
  });
  it("have names that are safe in SQL and pg_hba.conf", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        if (problems({ name }).length === 0) assert.match(name, /^[a-z0-9_]+$/);
      }),
      { numRuns: 2_000 },
    );
  });
});
