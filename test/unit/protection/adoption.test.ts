/** Taking an existing Cluster over: refusals and list in the preview, and what `up` writes. */
import { strict as assert } from "node:assert";
import { providerOf } from "../../../components/dynamic/converge";
import { collection, KubernetesObject, ObjectReference } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { OWNER_LABEL } from "../../../components/owner-label";
import type { PostgresClusterArgs } from "../../../components/postgres-cluster/args";
import { declaredCluster, planCluster } from "../../../components/postgres-cluster/plan";
import type { AdoptableObject } from "../../../components/protection/adoption";
import {
  adoption,
  AdoptionClient,
  AdoptionInputs,
  AdoptionState,
} from "../../../components/protection/adoption-operations";
import { UNKNOWN } from "../../../components/value-check";

const OWNER = "acme/p/dev/orders";
const SECRETS = { apiVersion: "v1", plural: "secrets", namespace: "db" };
const POSTGRESQL = { apiVersion: "postgresql.cnpg.io/v1", namespace: "db" };
const CLUSTERS = { ...POSTGRESQL, plural: "clusters" };

const settings: PostgresClusterArgs & { namespace: string } = {
  namespace: "db",
  storage: { size: "5Gi" },
  issuer: { type: "tls" },
  instances: 2,
};
const declaredBy = (more: Partial<PostgresClusterArgs> = {}) =>
  JSON.stringify(declaredCluster(planCluster("orders", { ...settings, ...more }, "dev")));
const object = (kind: string, plural: string, name: string, apiVersion = "v1"): AdoptableObject => ({
  ...{ apiVersion, kind, plural, name, owner: OWNER, manager: "pulumi-kubernetes-2" },
});
const inputs = (more: Partial<AdoptionInputs> = {}): AdoptionInputs => ({
  ...{ namespace: "db", cluster: "orders", owner: OWNER, manager: "pulumi-kubernetes-1", declared: declaredBy() },
  objects: [
    object("Secret", "secrets", "orders-server-tls"),
    object("Secret", "secrets", "orders-pooler"),
    object("Pooler", "poolers", "orders-rw", "postgresql.cnpg.io/v1"),
  ],
  ...more,
});

const made = (metadata: Record<string, unknown> = {}, spec: Record<string, unknown> = {}): KubernetesObject => ({
  apiVersion: "postgresql.cnpg.io/v1",
  kind: "Cluster",
  metadata: { name: "orders", namespace: "db", uid: "uid-1", ...metadata },
  spec: {
    instances: 1,
    storage: { size: "5Gi" },
    bootstrap: { initdb: { database: "app", owner: "app" } },
    monitoring: { enablePodMonitor: true },
    ...spec,
  },
  status: { certificates: { serverCASecret: "orders-ca", clientCASecret: "orders-ca" } },
});

/** An API server with the Cluster and other objects. A dry run merges like the API server. */
function setUp(cluster: KubernetesObject | "none" = made()) {
  const objects = new Map<string, KubernetesObject>();
  const path = (reference: ObjectReference) => `${collection(reference)}/${reference.name}`;
  const put = (kind: Omit<ObjectReference, "name">, name: string, more: Partial<KubernetesObject> = {}) =>
    objects.set(path({ ...kind, name }), {
      ...more,
      metadata: { ...more.metadata, name, namespace: kind.namespace, uid: name },
    });
  if (cluster !== "none") objects.set(path({ ...CLUSTERS, name: "orders" }), cluster);
  const written: [what: string, path: string, body: unknown, manager: string | undefined][] = [];
  const api: AdoptionClient & { dryRuns: [path: string, change: string][] } = {
    server: "https://k8s",
    context: "prod",
    dryRuns: [],
    get: async (reference) => objects.get(path(reference)),
    list: async (kind, labels) => {
      const all = [...objects.entries()].filter(([each]) =>
        kind.namespace === "" ? each.includes(`/${kind.plural}/`) : each.startsWith(`${collection(kind)}/`),
      );
      const wanted = (labels ?? "").split(",").filter(Boolean);
      return all
        .map(([, each]) => each)
        .filter(({ metadata }) =>
          wanted.every((label) => {
            const [key = "", value] = label.split("=");
            return (metadata.labels as Record<string, string> | undefined)?.[key] === value;
          }),
        );
    },
    patch: async (reference, fields, manager) => void written.push(["patch", path(reference), fields, manager]),
    own: async (reference, fields, manager) => void written.push(["own", path(reference), fields, manager]),
    read: async (asked) =>
      asked === "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/orders"
        ? objects.get(path({ ...CLUSTERS, name: "orders" }))
        : undefined,
    dryRun: async (place, body, change = "create") => {
      api.dryRuns.push([place, change]);
      const { spec } = body as { spec: Record<string, unknown> };
      const base = change === "patch" ? (objects.get(place)?.spec ?? {}) : {};
      return { code: 200, text: JSON.stringify({ spec: merged(base, spec) }) };
    },
  };
  const kind = providerOf(adoption(async () => api));
  /** The refusals and the printed text of a preview. */
  const preview = async (news = inputs(), olds: Partial<AdoptionState> = {}) => {
    const printed: string[] = [];
    const { error } = console;
    console.error = (text: string) => void printed.push(text);
    try {
      const { failures = [] } = await kind.check(olds as AdoptionState, news);
      return { refusals: failures.map(({ reason }) => reason), printed };
    } finally {
      console.error = error;
    }
  };
  return { ...kind, api, put, written, preview };
}

function merged(base: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    const below = result[key];
    if (value === null) delete result[key];
    else if (value && below && typeof value === "object" && typeof below === "object" && !Array.isArray(value))
      result[key] = merged(below as Record<string, unknown>, value as Record<string, unknown>);
    else result[key] = value;
  }
  return result;
}

describe("the adoption of a Cluster", () => {
  it("lists in the preview what changes, what is taken over, and what stays; nothing is written", async () => {
    const { preview, put, written, api, diff } = setUp();
    put(SECRETS, "orders-pooler", { metadata: { name: "", ownerReferences: [{ kind: "Cluster", name: "orders" }] } });
    put({ ...POSTGRESQL, plural: "poolers" }, "orders-rw", { spec: { cluster: { name: "orders" } } });
    const { refusals, printed } = await preview();
    assert.deepEqual(refusals, []);
    assert.equal(printed.length, 1);
    const [text = ""] = printed;
    assert.match(
      text,
      /^The Cluster db\/orders exists, and becomes part of this stack\. .*It keeps its UID, its volumes/,
    );
    assert.match(text, /`pulumi up` changes:\n {2}- Certificates are issued by this program\. .*orders-server-ca/);
    assert.match(text, /\n {2}- spec\.instances: 1 → 2/);
    assert.match(text, /also takes over:\n {2}- Secret orders-pooler\n {2}- Pooler orders-rw\n/);
    assert.match(text, /These fields stay.*under spec:\n {2}- spec\.monitoring\.enablePodMonitor: true\n$/);
    const clusters = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters";
    assert.deepEqual(api.dryRuns, [
      [`${clusters}/orders`, "patch"],
      [clusters, "create"],
    ]);
    assert.deepEqual(written, []);
    assert.deepEqual(await diff("id", { ...inputs(), uid: "uid-1" }, inputs()), { changes: true });
  });

  it("writes the owner first, and then who owns the fields of everything that exists", async () => {
    const status = { manager: "manager", subresource: "status" };
    const kubectl = { manager: "kubectl", operation: "Update", fieldsV1: {} };
    const { create, put, written } = setUp(
      made({ managedFields: [kubectl, status] }, { bootstrap: { recovery: { database: "app", owner: "app" } } }),
    );
    put(SECRETS, "orders-pooler", { apiVersion: "v1", metadata: { name: "", ownerReferences: [{ name: "orders" }] } });
    put(SECRETS, "orders-server-tls", { metadata: { name: "", annotations: { [OWNER_LABEL]: OWNER } } });
    assert.equal((await create(inputs())).outs?.uid, "uid-1");
    const cluster = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/orders";
    const owned = (below: object) => ({ "f:metadata": { "f:annotations": { [`f:${OWNER_LABEL}`]: {}, ...below } } });
    const entry = (apiVersion: string, manager: string, fieldsV1: object) => ({
      ...{ manager, operation: "Apply", apiVersion, fieldsType: "FieldsV1", fieldsV1 },
    });
    assert.deepEqual(written, [
      [
        "own",
        cluster,
        {
          kind: "Cluster",
          metadata: { uid: "uid-1", annotations: { [OWNER_LABEL]: OWNER, "cnpg-teleport/adoption": "begun" } },
        },
        "pulumi-kubernetes-1",
      ],
      [
        "patch",
        cluster,
        {
          metadata: {
            uid: "uid-1",
            managedFields: [
              status,
              entry("postgresql.cnpg.io/v1", "pulumi-kubernetes-1", {
                ...owned({ "f:cnpg-teleport/adoption": {} }),
                "f:spec": { "f:bootstrap": { "f:recovery": { ".": {}, "f:database": {}, "f:owner": {} } } },
              }),
            ],
          },
        },
        "pulumi-kubernetes-1",
      ],
      [
        "patch",
        "/api/v1/namespaces/db/secrets/orders-pooler",
        { metadata: { uid: "orders-pooler", managedFields: [entry("v1", "pulumi-kubernetes-2", owned({}))] } },
        "pulumi-kubernetes-2",
      ],
    ]);
  });

  it("has no effect on a Cluster of this stack, and none when the setting is removed", async () => {
    const { preview, create, diff, delete: remove, written } = setUp(made({ annotations: { [OWNER_LABEL]: OWNER } }));
    assert.deepEqual(await preview(), { refusals: [], printed: [] });
    const { outs } = await create(inputs());
    assert.deepEqual(await diff("id", outs as AdoptionState, inputs()), { changes: false });
    assert.deepEqual(await diff("id", outs as AdoptionState, inputs({ declared: declaredBy({ instances: 1 }) })), {
      changes: false,
    });
    await remove("id", outs as AdoptionState);
    assert.deepEqual(written, []);
  });

  it("continues if it was interrupted before Pulumi wrote the Cluster", async () => {
    const { preview, update, written } = setUp(
      made({ annotations: { [OWNER_LABEL]: OWNER, "cnpg-teleport/adoption": "begun" } }),
    );
    assert.equal((await preview()).printed.length, 1);
    await update("id", { ...inputs(), uid: "uid-1" }, inputs());
    assert.equal(written.length, 2);
  });

  for (const [what, cluster, put, told] of [
    [
      "that belongs to another stack",
      made({ annotations: { [OWNER_LABEL]: "acme/p/prod/orders" } }),
      undefined,
      /exists already and belongs to acme\/p\/prod\/orders.*Nothing was changed\..*docs\/take-over\.md/,
    ],
    [
      "that cannot be adopted",
      made({ deletionTimestamp: "now" }),
      undefined,
      /Nothing was changed\.\n {2}- It is being/,
    ],
    [
      "with an object of the same name that is not its own",
      made(),
      "orders-server-tls",
      /cannot be adopted\. .*\n {2}- The Secret orders-server-tls exists already and is not this Cluster's/,
    ],
  ] as const)
    it(`refuses a Cluster ${what}, in the preview and in \`up\``, async () => {
      const { preview, create, written, put: add } = setUp(cluster);
      if (put) add(SECRETS, put);
      const { refusals } = await preview();
      assert.equal(refusals.length, 1);
      assert.match(refusals[0] ?? "", told);
      await assert.rejects(create(inputs()), told);
      assert.deepEqual(written, []);
    });

  it("refuses objects with its names that are others', and takes those that a stack kept", async () => {
    const { preview, put } = setUp();
    const kept = { metadata: { name: "", annotations: { [OWNER_LABEL]: "acme/p/old/orders" } } };
    put(SECRETS, "orders-server-tls", kept);
    const store = object("ObjectStore", "objectstores", "orders", "barmancloud.cnpg.io/v1");
    const policy = object("NetworkPolicy", "networkpolicies", "orders", "networking.k8s.io/v1");
    const news = inputs({ objects: [...inputs().objects, store, policy] });
    assert.deepEqual((await preview(news)).refusals, []);
    put({ ...POSTGRESQL, plural: "poolers" }, "orders-rw", { ...kept, spec: { cluster: { name: "crm" } } });
    put(SECRETS, "orders-pooler", { metadata: { name: "", ownerReferences: [{ kind: "Cluster", name: "crm" }] } });
    put({ apiVersion: "barmancloud.cnpg.io/v1", plural: "objectstores", namespace: "db" }, "orders");
    put({ apiVersion: "networking.k8s.io/v1", plural: "networkpolicies", namespace: "db" }, "orders");
    const [told = ""] = (await preview(news)).refusals;
    for (const name of ["Pooler orders-rw", "Secret orders-pooler", "ObjectStore orders", "NetworkPolicy orders"])
      assert.ok(told.includes(`The ${name} exists already`), told);
    assert.ok(!told.includes("orders-server-tls"), told);
  });

  it("takes an ObjectStore that the Cluster archives to", async () => {
    const plugin = { name: "barman-cloud.cloudnative-pg.io", parameters: { barmanObjectName: "orders" } };
    const { preview, put } = setUp(made({}, { plugins: [plugin] }));
    put({ apiVersion: "barmancloud.cnpg.io/v1", plural: "objectstores", namespace: "db" }, "orders");
    const store = object("ObjectStore", "objectstores", "orders", "barmancloud.cnpg.io/v1");
    assert.deepEqual((await preview(inputs({ objects: [store] }))).refusals, []);
  });

  it("is refused if there is no such Cluster, and names the namespace of one with this name", async () => {
    const { preview, create, put } = setUp("none");
    const told =
      /db\/orders cannot be adopted.*\n {2}- It does not exist in the namespace db\. Correct namespace.*remove adopt/;
    assert.match((await preview()).refusals[0] ?? "", told);
    await assert.rejects(create(inputs()), told);
    put({ ...CLUSTERS, namespace: "shop" }, "orders");
    assert.match((await preview()).refusals[0] ?? "", /There is a Cluster of this name in shop: set namespace\./);
    const state = { ...inputs(), uid: "uid-1" };
    assert.deepEqual(
      (await preview(inputs(), state)).refusals,
      [],
      "it was adopted before, and other checks report it",
    );
  });

  it("is refused while a Helm release has the Cluster; without the right to see this, it warns", async () => {
    const annotations = { "meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "db" };
    const { preview, put, api } = setUp(made({ annotations }));
    assert.deepEqual((await preview()).refusals, [], "Helm has forgotten the release");
    put(SECRETS, "sh.helm.release.v1.shop.v1", { metadata: { name: "", labels: { owner: "helm", name: "shop" } } });
    const told =
      /part of the Helm release shop: .*kubectl -n db delete secret -l owner=helm,name=shop\. .*docs\/take-over\.md/;
    assert.match((await preview()).refusals[0] ?? "", told);
    api.list = () => Promise.reject(new KubernetesError("access-denied", "no."));
    const { refusals, printed } = await preview();
    assert.deepEqual(refusals, []);
    assert.match(printed[0] ?? "", /^Warning: Helm made the Cluster orders .*db\/shop.*helm uninstall/);
  });

  it("is refused if CloudNativePG refuses the change, with the names of the settings", async () => {
    const { preview, api } = setUp();
    const message = `admission webhook "vcluster.cnpg.io" denied the request: Cluster "orders" is invalid: spec.storage: x`;
    const causes = [{ field: "spec.storage", message: "can't shrink existing storage" }];
    api.dryRun = async () => ({ code: 422, text: JSON.stringify({ message, details: { causes } }) });
    const { refusals, printed } = await preview();
    assert.match(
      refusals[0] ?? "",
      /CloudNativePG refuses the change.*\n {2}- storage: can't shrink existing storage\.$/,
    );
    assert.deepEqual(printed, []);
  });

  it("is refused if the write-ahead log would no longer be archived", async () => {
    const archiver = { name: "barman-cloud.cloudnative-pg.io", isWALArchiver: true };
    const { preview } = setUp(made({}, { plugins: [archiver] }));
    assert.deepEqual((await preview()).refusals, [], "a field that no setting declares stays");
    const declared = declaredBy({ spec: { plugins: [{ name: "another" }] } });
    assert.match(
      (await preview(inputs({ declared }))).refusals[0] ?? "",
      /would no longer be archived\. Declare backup/,
    );
  });

  it("is not checked in a preview that cannot ask, and `up` fails", async () => {
    const { preview, api, create, diff } = setUp();
    for (const unknown of [{ namespace: UNKNOWN }, { declared: UNKNOWN }]) {
      const { refusals, printed } = await preview(inputs(unknown));
      assert.deepEqual(refusals, []);
      assert.match(printed[0] ?? "", /could not check what the adoption of the Cluster orders changes \(its settings/);
    }
    api.dryRun = async () => ({ code: 403, text: JSON.stringify({ message: "forbidden" }) });
    assert.match((await preview()).printed[0] ?? "", /could not check .*403: forbidden/);
    api.get = () => Promise.reject(new KubernetesError("unavailable", "it is away"));
    assert.match((await preview()).printed[0] ?? "", /could not check .*it is away/);
    assert.deepEqual(await diff("id", { ...inputs(), uid: "uid-1" }, inputs()), { changes: false });
    await assert.rejects(create(inputs()), /it is away/);
  });
});
