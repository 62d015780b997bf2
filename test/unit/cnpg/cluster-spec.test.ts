import { strict as assert } from "node:assert";
import { ClusterSettings, clusterSpec } from "../../../components/cnpg/cluster-spec";
import { DEFAULT_USERS } from "../../../components/cnpg/roles";

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
