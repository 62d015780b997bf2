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
  it("names the Secrets of the certificates in CNPG's fields", () => {
    assert.deepEqual(spec().certificates, {
      serverTLSSecret: "s",
      serverCASecret: "sca",
      replicationTLSSecret: "r",
      clientCASecret: "cca",
    });
  });
  it("has three instances and a database `app` by default, and no fields without a setting", () => {
    assert.equal(spec().instances, 3);
    assert.deepEqual(spec().bootstrap, { initdb: { database: "app", owner: "app", dataChecksums: true } });
    assert.ok(!("walStorage" in spec()) && !("imageName" in spec()));
  });
  it("has an owner with the database's name by default", () => {
    const { initdb } = spec({ initdb: { database: "orders", ownerSecret: "mine" } }).bootstrap as { initdb: object };
    assert.deepEqual(initdb, { database: "orders", owner: "orders", secret: { name: "mine" }, dataChecksums: true });
  });
  it("is overridden by `spec`: objects are merged, lists and values are replaced", () => {
    const overridden = spec({
      parameters: { a: "1" },
      sharedPreloadLibraries: ["a"],
      spec: {
        instances: 5,
        postgresql: { parameters: { b: "2" }, shared_preload_libraries: ["b"] },
        managed: { services: { disabledDefaultServices: ["r"] } },
        storage: null,
      },
    });
    assert.equal(overridden.instances, 5);
    assert.deepEqual(overridden.postgresql!.parameters, { a: "1", b: "2" });
    assert.equal((overridden.postgresql!.pg_hba as string[]).length, 4);
    assert.deepEqual(overridden.managed!.services, { disabledDefaultServices: ["r"] });
    assert.equal((overridden.managed!.roles as unknown[]).length, 2);
    assert.deepEqual(overridden.postgresql!.shared_preload_libraries, ["b"]);
    assert.equal(overridden.storage, null);
  });
  it("writes settings to CNPG's fields", () => {
    const made = spec({
      imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17 },
      tablespaces: [
        { name: "fast", size: "1Gi", owner: "reports" },
        { name: "tmp", size: "2Gi", temporary: true },
      ],
      sharedPreloadLibraries: ["auto_explain"],
      pgIdent: ["m a b"],
    });
    const catalog = { apiGroup: "postgresql.cnpg.io", kind: "ImageCatalog", name: "postgresql", major: 17 };
    assert.deepEqual(made.imageCatalogRef, catalog);
    assert.deepEqual(made.tablespaces, [
      { name: "fast", storage: { size: "1Gi" }, owner: { name: "reports" } },
      { name: "tmp", storage: { size: "2Gi" }, temporary: true },
    ]);
    assert.deepEqual(made.postgresql!.shared_preload_libraries, ["auto_explain"]);
    assert.deepEqual(made.postgresql!.pg_ident, ["m a b"]);
  });
  it("is the same as in version 0.1.0 if the former settings are written under spec", () => {
    // Version 0.1.0 had settings for these: affinity, startDelay, imagePullSecrets: [registry], inheritedMetadata,
    // serviceAccountTemplate: {annotations}, synchronous, ldap, and services: {disabledDefaultServices, additional: [{name:
    // public, selectorType: rw, type: LoadBalancer, labels, updateStrategy}]}. It wrote this spec.
    const written = {
      instances: 3,
      certificates: {
        serverTLSSecret: "s",
        serverCASecret: "sca",
        replicationTLSSecret: "r",
        clientCASecret: "cca",
      },
      bootstrap: { initdb: { database: "app", owner: "app", dataChecksums: true } },
      storage: { size: "1Gi" },
      postgresql: {
        parameters: { max_connections: "50" },
        pg_hba: ["hostssl all all all reject"],
        ldap: { server: "ldap", tls: true, bindAsAuth: {} },
        synchronous: { method: "any", number: 1 },
      },
      managed: {
        roles: [],
        services: {
          disabledDefaultServices: ["r"],
          additional: [
            {
              selectorType: "rw",
              updateStrategy: "replace",
              serviceTemplate: { metadata: { name: "public", labels: { a: "b" } }, spec: { type: "LoadBalancer" } },
            },
          ],
        },
      },
      affinity: { topologyKey: "zone", tolerations: [{ operator: "Exists" }] },
      startDelay: 600,
      imagePullSecrets: [{ name: "registry" }],
      inheritedMetadata: { labels: { team: "shop" } },
      serviceAccountTemplate: { metadata: { annotations: { a: "b" } } },
    };
    const { postgresql, managed, affinity, startDelay, imagePullSecrets, inheritedMetadata, serviceAccountTemplate } =
      written;
    const now = clusterSpec({
      storage: { size: "1Gi" },
      secrets,
      users: [],
      parameters: { max_connections: "50" },
      pgHba: ["hostssl all all all reject"],
      spec: {
        affinity,
        startDelay,
        imagePullSecrets,
        inheritedMetadata,
        serviceAccountTemplate,
        postgresql: { ldap: postgresql.ldap, synchronous: postgresql.synchronous },
        managed: { services: managed.services },
      },
    });
    assert.deepEqual(now, written);
  });
  it("is byte for byte the same as before if no setting moved, so that no Cluster changes", () => {
    const { spec: own, ...settings } = {
      spec: { priorityClassName: "low" },
      image: "postgresql:17",
      pgIdent: ["m a b"],
    };
    const text = JSON.stringify(clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], ...settings, spec: own }));
    assert.equal(
      text,
      '{"instances":3,"imageName":"postgresql:17","certificates":{"serverTLSSecret":"s","serverCASecret":"sca",' +
        '"replicationTLSSecret":"r","clientCASecret":"cca"},"bootstrap":{"initdb":{"database":"app","owner":"app",' +
        '"dataChecksums":true}},"storage":{"size":"1Gi"},"postgresql":{"parameters":{},"pg_hba":[],"pg_ident":["m a b"]},' +
        '"managed":{"roles":[]},"priorityClassName":"low"}',
    );
  });
  it("does not contain databases, network policies and annotations", () => {
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
