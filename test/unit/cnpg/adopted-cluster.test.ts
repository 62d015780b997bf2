/** An existing Cluster that becomes part of a stack: what is refused, what changes, and what stays. */
import { strict as assert } from "node:assert";
import {
  adoptedSpec,
  adoptionRefusals,
  certificateChange,
  changedFields,
  excludedFields,
  helmRelease,
  isAdopted,
  isArchived,
  keptFields,
} from "../../../components/cnpg/adopted-cluster";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { ownedOnlyBy } from "../../../components/kubernetes/field-owners";
import { OWNER_LABEL } from "../../../components/owner-label";
import type { PostgresClusterArgs } from "../../../components/postgres-cluster/args";
import { planCluster } from "../../../components/postgres-cluster/plan";

const declared = (settings: Partial<PostgresClusterArgs> = {}) =>
  planCluster(
    "orders",
    {
      storage: { size: "5Gi" },
      issuer: { type: "tls" },
      image: "postgresql:17.5",
      initdb: { database: "shop" },
      namespace: "db",
      ...settings,
    },
    "dev",
  ).cluster.spec;

/** A Cluster that somebody made with kubectl, with the operator's defaults. */
const made = (spec: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): KubernetesObject => ({
  apiVersion: "postgresql.cnpg.io/v1",
  kind: "Cluster",
  metadata: { name: "orders", namespace: "db", uid: "uid-1", ...metadata },
  spec: {
    instances: 1,
    imageName: "postgresql:17.5",
    storage: { size: "5Gi" },
    bootstrap: { initdb: { database: "shop", owner: "shop" } },
    ...spec,
  },
  status: {
    image: "postgresql:17.5",
    pgDataImageInfo: { majorVersion: 17 },
    certificates: { serverCASecret: "orders-ca", clientCASecret: "orders-ca" },
  },
});

describe("an existing Cluster", () => {
  it("can be adopted with the settings that it has", () => {
    assert.deepEqual(adoptionRefusals(made(), declared()), []);
    assert.deepEqual(adoptionRefusals(made(), declared({ image: undefined, storage: { size: "10Gi" } })), []);
  });

  const initdb = (more: object) => made({ bootstrap: { initdb: { database: "shop", owner: "shop", ...more } } });
  const refused: [what: string, found: KubernetesObject, settings: Partial<PostgresClusterArgs>, told: RegExp][] = [
    [
      "is being deleted",
      made({}, { deletionTimestamp: "2026-11-30T12:00:00Z" }),
      {},
      /^It is being deleted\. .*backup/,
    ],
    [
      "belongs to another object",
      made({}, { ownerReferences: [{ kind: "Application", name: "shop" }] }),
      {},
      /^It belongs to the Application shop,/,
    ],
    [
      "is managed by Argo CD",
      made({}, { annotations: { "argocd.argoproj.io/tracking-id": "shop:x" } }),
      {},
      /^Argo CD manages it .*kubectl annotate -n db clusters\.postgresql\.cnpg\.io orders argocd\.argoproj\.io\/tracking-id-$/,
    ],
    [
      "is managed by Flux",
      made({}, { labels: { "helm.toolkit.fluxcd.io/name": "shop" } }),
      {},
      /^Flux manages it .*kubectl label -n db \S+ orders helm\.toolkit\.fluxcd\.io\/name-$/,
    ],
    ["is a replica", made({ replica: { enabled: true, source: "x" } }), {}, /^It is a replica .*Promote it first/],
    ["is a replica in a topology", made({ replica: { primary: "other", source: "x" } }), {}, /^It is a replica /],
    [
      "has another database",
      made({ bootstrap: { initdb: { database: "crm", owner: "crm_owner" } } }),
      {},
      /The Cluster's database is crm, owned by crm_owner\. Write initdb: \{ database: crm, owner: crm_owner \}$/,
    ],
    [
      "was recovered with another owner",
      made({ bootstrap: { recovery: { database: "shop", owner: "app", source: "x" } } }),
      {},
      /owned by app\. Write initdb: \{ database: shop, owner: app \}$/,
    ],
    [
      "has a Secret for its owner",
      initdb({ secret: { name: "shop-login" } }),
      {},
      /in the Secret shop-login\. Write initdb: \{ database: shop, ownerSecret: shop-login \}$/,
    ],
    [
      "has CloudNativePG's Secret for its owner",
      made(),
      { initdb: { database: "shop", ownerSecret: "mine" } },
      /Write initdb: \{ database: shop \}$/,
    ],
    [
      "has no application database, because it was imported whole",
      made({ bootstrap: { initdb: { import: { type: "monolith" } } } }),
      {},
      /^initdb\.ownerSecret is missing\. .*the role shop a new password/,
    ],
    ["runs an older major version", made(), { image: "postgresql:18.1" }, /^It runs PostgreSQL 17, .* declare 18\./],
    [
      "runs another major version than a catalog's",
      made(),
      { image: undefined, imageCatalog: { kind: "ImageCatalog", name: "c", major: 16 } },
      /^It runs PostgreSQL 17, .* declare 16\./,
    ],
    ["runs a newer minor version", made(), { image: "x/postgresql:17.4" }, /is older than postgresql:17\.5,/],
    [
      "has a larger volume",
      made(),
      { storage: { size: "4Gi" } },
      /^storage\.size = "4Gi" is smaller than the Cluster's 5Gi\. Write at least 5Gi/,
    ],
    [
      "has a larger volume from a template",
      made({ storage: { pvcTemplate: { resources: { requests: { storage: "20Gi" } } } } }),
      {},
      /^storage\.size = "5Gi" is smaller than the Cluster's 20Gi\./,
    ],
    [
      "has a larger WAL volume",
      made({ walStorage: { size: "2Gi" } }),
      { walStorage: { size: "1Gi" } },
      /^walStorage\.size = "1Gi" is smaller/,
    ],
  ];
  for (const [what, found, settings, told] of refused)
    it(`is refused if it ${what}`, () => {
      const reasons = adoptionRefusals(found, declared(settings));
      assert.equal(reasons.length, 1, reasons.join("\n"));
      assert.match(reasons[0] ?? "", told);
    });

  it("may have a primary in a topology of its own, and an owner's Secret that is declared", () => {
    assert.deepEqual(adoptionRefusals(made({ replica: { primary: "orders", source: "x" } }), declared()), []);
    const settings = declared({ initdb: { database: "shop", ownerSecret: "shop-login" } });
    assert.deepEqual(adoptionRefusals(initdb({ secret: { name: "shop-login" } }), settings), []);
    const imported = made({ bootstrap: { initdb: { import: { type: "monolith" } } } });
    assert.deepEqual(adoptionRefusals(imported, settings), []);
  });

  it("is ours when it names us as the owner, and nothing of the adoption is left to do", () => {
    const annotations = { [OWNER_LABEL]: "acme/p/dev/orders" };
    assert.equal(isAdopted(made({}, { annotations }), "acme/p/dev/orders"), true);
    assert.equal(isAdopted(made({}, { annotations }), "acme/p/prod/orders"), false);
    assert.equal(isAdopted(made(), "acme/p/dev/orders"), false);
    const begun = { ...annotations, "cnpg-teleport/adoption": "begun" };
    assert.equal(isAdopted(made({}, { annotations: begun }), "acme/p/dev/orders"), false);
  });

  it("may be a part of a Helm release, unless Helm keeps it", () => {
    const annotations = { "meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "apps" };
    assert.deepEqual(helmRelease(made({}, { annotations })), { name: "shop", namespace: "apps" });
    assert.equal(helmRelease(made()), undefined);
    const kept = { ...annotations, "helm.sh/resource-policy": "keep" };
    assert.equal(helmRelease(made({}, { annotations: kept })), undefined);
  });
});

describe("the spec of an adopted Cluster", () => {
  it("loses only fields that exclude declared ones", () => {
    const found = {
      bootstrap: { recovery: { source: "old" } },
      imageCatalogRef: { name: "c" },
      certificates: { serverAltDNSNames: ["db.example.com"] },
      backup: { barmanObjectStore: { destinationPath: "s3://x" }, retentionPolicy: "7d", target: "primary" },
      plugins: [],
    };
    const excluded = ["bootstrap.recovery", "imageCatalogRef", "certificates.serverAltDNSNames"];
    assert.deepEqual(excludedFields(found, declared()), excluded);
    const objectStore = { destinationPath: "s3://y", s3Credentials: { inheritFromIAMRole: true } };
    const archived = declared({ backup: { objectStore } });
    assert.deepEqual(excludedFields(found, archived), [
      ...excluded,
      "backup.barmanObjectStore",
      "backup.retentionPolicy",
    ]);
    const patch = adoptedSpec(found, archived) as Record<string, Record<string, unknown>>;
    assert.equal(patch.bootstrap?.recovery, null);
    assert.deepEqual(patch.bootstrap?.initdb, { database: "shop", owner: "shop", dataChecksums: true });
    assert.equal(patch.imageCatalogRef, null);
    assert.deepEqual(patch.backup, { barmanObjectStore: null, retentionPolicy: null });
    assert.deepEqual(excludedFields(made().spec!, declared()), []);
    const catalog = declared({ image: undefined, imageCatalog: { kind: "ImageCatalog", name: "c", major: 17 } });
    assert.deepEqual(excludedFields(made().spec!, catalog), ["imageName"]);
  });

  it("is compared with the present one, field by field, with what to know about each", () => {
    const before = {
      instances: 3,
      imageName: "postgresql:17.4",
      postgresql: { pg_hba: ["host all all all md5", "host a a a trust"], parameters: { work_mem: "4MB" } },
      managed: {
        roles: [
          { name: "ann", login: true },
          { name: "bob", login: true },
        ],
      },
      certificates: { serverTLSSecret: "a", serverAltDNSNames: ["db.example.com"] },
      affinity: { topologyKey: "zone" },
    };
    const after = {
      instances: 2,
      imageName: "postgresql:17.5",
      postgresql: { pg_hba: ["host a a a trust", "hostssl all r all cert"], parameters: { work_mem: "4MB" } },
      managed: {
        roles: [
          { login: true, name: "reader" },
          { login: false, name: "bob" },
        ],
      },
      certificates: { serverTLSSecret: "orders-server-tls" },
      affinity: { topologyKey: "zone" },
    };
    assert.deepEqual(changedFields(before, after), [
      'spec.certificates.serverAltDNSNames: "db.example.com" goes. Names that clients use must be in serverAltNames.',
      'spec.imageName: "postgresql:17.4" → "postgresql:17.5". Instances restart.',
      "spec.instances: 3 → 2. With fewer instances, CloudNativePG deletes standbys and their volumes.",
      "spec.managed.roles: bob changes, ann goes, reader is added. A role that goes stays in PostgreSQL with its password, but CloudNativePG no longer manages it.",
      'spec.postgresql.pg_hba: "host all all all md5" goes, "hostssl all r all cert" is added. Write rules that you need under pgHba.',
    ]);
    assert.deepEqual(changedFields(after, after), []);
  });

  it("keeps what no setting declares and a new Cluster would not have", () => {
    const fresh = { instances: 1, postgresql: { parameters: { a: "1" } } };
    const after = {
      env: [{ name: "TOKEN", value: "secret" }],
      instances: 1,
      postgresql: { parameters: { a: "1", b: "2" } },
      monitoring: { enablePodMonitor: true },
    };
    assert.deepEqual(keptFields(after, fresh), [
      "spec.env: TOKEN",
      "spec.monitoring.enablePodMonitor: true",
      'spec.postgresql.parameters.b: "2"',
    ]);
  });

  it("needs another CA at clients that verify the server", () => {
    const [told = "", ...others] = certificateChange(made(), declared());
    assert.match(told, /in the Secret orders-ca must use the CA in the Secret orders-server-ca\./);
    assert.match(told, /clients that the CA in orders-ca signed are no longer accepted/);
    assert.deepEqual(others, []);
    assert.deepEqual(certificateChange({ ...made(), status: {} }, declared()), []);
  });

  it("is archived by CloudNativePG itself or by a plugin", () => {
    assert.equal(isArchived({}), false);
    assert.equal(isArchived({ backup: { barmanObjectStore: {} } }), true);
    assert.equal(isArchived({ plugins: [{ name: "x", isWALArchiver: true }] }), true);
    assert.equal(isArchived({ plugins: [{ name: "x", isWALArchiver: true, enabled: false }] }), false);
    assert.equal(isArchived({ plugins: [{ name: "x" }] }), false);
  });
});

describe("the owner of an adopted object's fields", () => {
  it("is one applier, which owns only what will be written or removed; the operator keeps its status", () => {
    const status = { manager: "manager", operation: "Update", subresource: "status", fieldsV1: { "f:status": {} } };
    const kubectl = { manager: "kubectl-client-side-apply", operation: "Update", fieldsV1: { "f:spec": {} } };
    const found = made(
      { bootstrap: { recovery: { source: "old", recoveryTarget: { targetTLI: "1" } } }, plugins: [{ name: "x" }] },
      { managedFields: [kubectl, status], annotations: { [OWNER_LABEL]: "x" } },
    );
    const paths = [
      ["metadata", "annotations", OWNER_LABEL],
      ["spec", "bootstrap", "recovery"],
      ["spec", "plugins"],
    ];
    assert.deepEqual(ownedOnlyBy(found, "pulumi-kubernetes-1", paths), [
      status,
      {
        manager: "pulumi-kubernetes-1",
        operation: "Apply",
        apiVersion: "postgresql.cnpg.io/v1",
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:annotations": { [`f:${OWNER_LABEL}`]: {} } },
          "f:spec": {
            "f:bootstrap": {
              "f:recovery": {
                ".": {},
                "f:source": {},
                "f:recoveryTarget": { ".": {}, "f:targetTLI": {} },
              },
            },
            "f:plugins": {},
          },
        },
      },
    ]);
  });
});
