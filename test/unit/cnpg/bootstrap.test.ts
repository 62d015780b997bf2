/** Settings that are used only once, when a Cluster is created, and later changes of them. */
import { strict as assert } from "node:assert";
import { applicationRefusal, unusedSettings } from "../../../components/cnpg/bootstrap";
import type { PostgresClusterArgs } from "../../../components/postgres-cluster/args";
import { planCluster } from "../../../components/postgres-cluster/plan";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { UNKNOWN } from "../../../components/value-check";

type Settings = Partial<PostgresClusterArgs>;
const objectStore = { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } };
const recovery = { archiveName: "orders-1", objectStore };

/** What the program writes, as the API server returns it: without undefined values. */
const declared = (settings: Settings): Record<string, unknown> => {
  const all = { storage: { size: "1Gi" }, issuer: { type: "tls" as const }, ...settings };
  return JSON.parse(JSON.stringify(planCluster("orders", all, "dev").cluster.spec)) as Record<string, unknown>;
};
/** An existing Cluster with these settings, and with the defaults that CloudNativePG's webhook adds. */
const existing = (settings: Settings = {}): KubernetesObject => {
  const spec = declared(settings) as { bootstrap: { initdb?: object } };
  const defaults = { encoding: "UTF8", localeCType: "C", localeCollate: "C" };
  const { initdb } = spec.bootstrap;
  const bootstrap = initdb ? { initdb: { ...defaults, ...initdb } } : spec.bootstrap;
  return { metadata: { name: "orders", namespace: "db" }, spec: { ...spec, bootstrap } };
};
const refusal = (found: KubernetesObject, settings: Settings) => applicationRefusal(found, declared(settings));
const unused = (found: KubernetesObject, settings: Settings) => unusedSettings(found, declared(settings));

describe("the names of the application's database", () => {
  it("cannot change in an existing Cluster, because CloudNativePG would not create another database", () => {
    assert.equal(
      refusal(existing(), { initdb: { database: "shop" } }),
      "The Cluster db/orders was created with the database app, owned by app, but initdb names the database shop, owned by " +
        "shop. CloudNativePG creates both only when it creates a Cluster, so they would not exist. Nothing was changed. Write " +
        "initdb: { database: app }. To create an additional database, use the setting databases. If you renamed the database " +
        "or its owner in PostgreSQL, first write the new names into the Cluster's spec.bootstrap, with kubectl edit.",
    );
    const owned = existing({ initdb: { database: "shop", owner: "seller" } });
    assert.match(
      refusal(owned, { initdb: { database: "shop" } }) ?? "",
      /Write initdb: \{ database: shop, owner: seller \}/,
    );
    assert.match(refusal(owned, {}) ?? "", /names the database app, owned by app/);
  });

  it("cannot change after a recovery either, also when recovery is removed", () => {
    const recovered = existing({ recovery, initdb: { database: "shop" } });
    assert.equal(refusal(recovered, { recovery, initdb: { database: "shop" } }), undefined);
    assert.equal(refusal(recovered, { initdb: { database: "shop" } }), undefined);
    assert.match(refusal(recovered, {}) ?? "", /created with the database shop/);
  });

  it("may be written for a Cluster that has none, or be unknown in a preview", () => {
    const without = {
      metadata: { name: "orders", namespace: "db" },
      spec: { bootstrap: { recovery: { source: "a" } } },
    };
    assert.equal(refusal(without, { initdb: { database: "shop" } }), undefined);
    assert.equal(applicationRefusal(existing(), { bootstrap: { initdb: { database: UNKNOWN } } }), undefined);
    assert.equal(applicationRefusal(existing(), {}), undefined);
  });

  it("do not include the owner's Secret, which CloudNativePG reads again and again", () => {
    assert.equal(refusal(existing(), { initdb: { ownerSecret: "owner" } }), undefined);
    assert.deepEqual(unused(existing(), { initdb: { ownerSecret: "owner" } }), []);
  });
});

describe("settings without effect on an existing Cluster", () => {
  it("are those of initdb that differ", () => {
    assert.deepEqual(unused(existing(), {}), []);
    const initdb = { localeCollate: "de_DE.UTF-8", encoding: "LATIN1", dataChecksums: false };
    assert.deepEqual(unused(existing(), { initdb }).sort(), [
      "initdb.dataChecksums",
      "initdb.encoding",
      "initdb.localeCollate",
    ]);
    const spec = { bootstrap: { initdb: { postInitApplicationSQL: ["CREATE SCHEMA shop"] } } };
    assert.deepEqual(unused(existing(), { spec }), ["spec.bootstrap.initdb.postInitApplicationSQL"]);
    assert.deepEqual(unused(existing({ spec }), { spec }), []);
  });

  it("are a recovery that begins later, and no longer when the Cluster has it", () => {
    assert.deepEqual(unused(existing(), { recovery }), ["recovery"]);
    assert.deepEqual(unused(existing({ recovery }), { recovery }), []);
    assert.deepEqual(unused(existing({ recovery }), {}), [], "recovery may be removed");
  });

  it("do not include values that a preview does not know yet", () => {
    const initdb = { import: { source: UNKNOWN }, encoding: UNKNOWN };
    const found = existing({ spec: { bootstrap: { initdb: { import: { source: "old", type: "monolith" } } } } });
    assert.deepEqual(unusedSettings(found, { bootstrap: { initdb } }), []);
  });
});
