import { strict as assert } from "node:assert";
import type { KubernetesClient, KubernetesObject } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { existing, NewObject, refuseWhileTakingUp, TAKE_UP } from "../../../components/protection/existing-object";

const OURS = "acme/cnpg-teleport/prod/orders";
const THEIRS = "acme/cnpg-teleport/staging/orders";
const MANAGER = "pulumi-kubernetes-0123456789abcdef";
const TAKES_UP = { [TAKE_UP]: "true" };
const ownedBy = (owner?: string) => (owner === undefined ? {} : { annotations: { "pulumi.com/owner": owner } });

function objectOf(apiVersion: string, kind: string, namespace?: string): NewObject {
  const annotations = { "pulumi.com/owner": OURS, "pulumi.com/patchFieldManager": MANAGER };
  return { apiVersion, kind, metadata: { name: "orders", namespace, annotations } };
}
const cluster = objectOf("postgresql.cnpg.io/v1", "Cluster", "shop");

/** A Kubernetes that has one object, or none. */
function withObject(metadata?: Record<string, unknown>) {
  const asked: string[] = [];
  const patched: object[] = [];
  const client: Pick<KubernetesClient, "get" | "patch"> = {
    async get({ apiVersion, plural, namespace, name }) {
      asked.push([apiVersion, plural, namespace, name].join(" "));
      return metadata && ({ apiVersion, metadata: { name, ...metadata } } as KubernetesObject);
    },
    async patch(_reference, fields) {
      patched.push(fields);
    },
  };
  return { asked, patched, client };
}
const told = async (metadata: Record<string, unknown>, environment = {}, object = cluster) =>
  (await existing(withObject(metadata).client, object, environment)) ?? "";

describe("an object that is to be created", () => {
  it("is accepted if no object has its name, and looked for by its kind", async () => {
    for (const [object, where] of [
      [objectOf("v1", "Namespace"), "v1 namespaces  orders"],
      [objectOf("v1", "Secret", "shop"), "v1 secrets shop orders"],
      [objectOf("v1", "ConfigMap", "shop"), "v1 configmaps shop orders"],
      [objectOf("networking.k8s.io/v1", "NetworkPolicy", "shop"), "networking.k8s.io/v1 networkpolicies shop orders"],
      [cluster, "postgresql.cnpg.io/v1 clusters shop orders"],
      [objectOf("postgresql.cnpg.io/v1", "Pooler", "shop"), "postgresql.cnpg.io/v1 poolers shop orders"],
      [objectOf("postgresql.cnpg.io/v1", "Database", "shop"), "postgresql.cnpg.io/v1 databases shop orders"],
      [objectOf("postgresql.cnpg.io/v1", "DatabaseRole", "shop"), "postgresql.cnpg.io/v1 databaseroles shop orders"],
      [
        objectOf("resources.teleport.dev/v1", "TeleportDatabaseV3", "shop"),
        "resources.teleport.dev/v1 teleportdatabasesv3 shop orders",
      ],
    ] as const) {
      const { client, asked } = withObject();
      assert.equal(await existing(client, object, {}), undefined);
      assert.deepEqual(asked, [where]);
    }
    await assert.rejects(existing(withObject().client, objectOf("v1", "Service", "shop")), /kind v1\/Service/);
  });

  it("is refused if it has another owner or none, also in a run with the variable", async () => {
    for (const environment of [{}, TAKES_UP]) {
      const another = await told(ownedBy(THEIRS), environment);
      assert.ok(another.startsWith(`The Cluster shop/orders exists already and belongs to ${THEIRS}, not to ${OURS}.`));
      assert.match(another, /Set clusterName or namespace to another name/);
      const nobodys = await told(ownedBy(), environment);
      assert.match(nobodys, /exists already and names no owner/);
      assert.ok(nobodys.includes(`kubectl -n shop annotate cluster orders pulumi.com/owner=${OURS}`), nobodys);
    }
    const namespace = await told(ownedBy(), {}, objectOf("v1", "Namespace"));
    assert.match(namespace, /set namespace: orders without createNamespace.*kubectl annotate namespace orders/s);
    assert.match(await told(ownedBy(`${OURS}2`), TAKES_UP), /set formerNames.*alias\.$/);
  });

  it("is refused if a killed run left it, until the command that the message names takes it into the state", async () => {
    const refused = await told(ownedBy(OURS));
    assert.match(refused, /^The Cluster shop\/orders exists already\. It is this stack's own/);
    assert.ok(refused.includes(`run "${TAKE_UP}=true pulumi up" once`));
    assert.match(refused, /Do not delete it\..*give it an alias instead/);
    assert.equal(await told(ownedBy(OURS), TAKES_UP), "");
  });

  it("is given up by the provider before the provider takes it up: it would refuse its own former values", async () => {
    const operator = { manager: "manager", operation: "Update", subresource: "status" };
    const created = { manager: "pulumi-kubernetes", operation: "Update" };
    const managedFields = [created, { manager: "pulumi-kubernetes-82f92df1", operation: "Apply" }, operator];
    const { client, patched } = withObject({ ...ownedBy(OURS), resourceVersion: "7", managedFields });
    assert.equal(await existing(client, cluster, TAKES_UP), undefined);
    const [{ metadata }] = patched as [{ metadata: { resourceVersion: string; managedFields: { manager: string }[] } }];
    assert.equal(metadata.resourceVersion, "7");
    assert.deepEqual(
      metadata.managedFields.map(({ manager }) => manager),
      ["manager", "cnpg-teleport"],
    );
    const own = withObject({ ...ownedBy(OURS), managedFields: [{ manager: MANAGER, operation: "Apply" }, operator] });
    assert.equal(await existing(own.client, cluster, TAKES_UP), undefined);
    assert.deepEqual(own.patched, []);
  });

  it("is refused while the old object is being deleted, also in a run with the variable", async () => {
    const going = { ...ownedBy(OURS), deletionTimestamp: "2026-01-01T00:00:00Z" };
    assert.match(await told(going, TAKES_UP), /is being deleted.*when it is gone/);
  });
});

describe("a run that takes objects into the state", () => {
  it("deletes nothing: it may have taken them under another resource", () => {
    assert.throws(
      () => refuseWhileTakingUp(TAKES_UP),
      (error) => error instanceof KubernetesError && /deletes nothing.*alias.*pulumi state delete/s.test(error.message),
    );
    refuseWhileTakingUp({});
  });
});
