import { strict as assert } from "node:assert";
import { existing, NewObject, TAKE_UP } from "../../../components/protection/existing-object";
import { FakeApi } from "./fake-api";

const OURS = "acme/cnpg-teleport/prod/orders";
const THEIRS = "acme/cnpg-teleport/staging/orders";
const CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/shop/clusters/orders";
const ownedBy = (owner?: string) => ({ annotations: owner === undefined ? undefined : { "pulumi.com/owner": owner } });
const objectOf = (apiVersion: string, kind: string, namespace: string | undefined = "shop"): NewObject => ({
  apiVersion,
  kind,
  metadata: { name: "orders", namespace, ...ownedBy(OURS) },
});
const cluster = objectOf("postgresql.cnpg.io/v1", "Cluster");
const there = (metadata: object) => new FakeApi({ [CLUSTER]: { metadata } });

describe("an object that is to be created", () => {
  it("is accepted if no object has its name, or if a preview does not know the name yet", async () => {
    assert.equal(await existing(new FakeApi(), cluster), undefined);
    const unknown = { ...cluster, metadata: { ...cluster.metadata, namespace: Symbol("unknown") } };
    assert.equal(await existing(there(ownedBy(THEIRS)), unknown), undefined);
  });

  it("is looked for under the path of its kind", async () => {
    for (const [apiVersion, kind, path, namespace] of [
      ["v1", "Namespace", "/api/v1/namespaces/orders", undefined],
      ["v1", "Secret", "/api/v1/namespaces/shop/secrets/orders", "shop"],
      ["v1", "ConfigMap", "/api/v1/namespaces/shop/configmaps/orders", "shop"],
      [
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/orders",
        "shop",
      ],
      ["postgresql.cnpg.io/v1", "Pooler", "/apis/postgresql.cnpg.io/v1/namespaces/shop/poolers/orders", "shop"],
      ["postgresql.cnpg.io/v1", "Database", "/apis/postgresql.cnpg.io/v1/namespaces/shop/databases/orders", "shop"],
      [
        "resources.teleport.dev/v1",
        "TeleportDatabaseV3",
        "/apis/resources.teleport.dev/v1/namespaces/shop/teleportdatabasesv3/orders",
        "shop",
      ],
    ] as const) {
      const api = new FakeApi({ [path]: { metadata: ownedBy(THEIRS) } });
      const object = { apiVersion, kind, metadata: { name: "orders", namespace, ...ownedBy(OURS) } };
      const what = namespace === undefined ? "orders" : "shop/orders";
      assert.match((await existing(api, object)) ?? "", new RegExp(`^The ${kind} ${what} exists already and belongs`));
    }
    await assert.rejects(existing(new FakeApi(), objectOf("v1", "Service")), /does not know the kind v1\/Service/);
  });

  it("is refused if it exists and has another owner or none, also in previews and in a run with the variable", async () => {
    for (const options of [{}, { preview: true }, { takesUp: true }]) {
      const another = (await existing(there(ownedBy(THEIRS)), cluster, options)) ?? "";
      assert.ok(another.startsWith(`The Cluster shop/orders exists already and belongs to ${THEIRS}, not to ${OURS}.`));
      assert.match((await existing(there(ownedBy()), cluster, options)) ?? "", /exists already and names no owner/);
    }
  });

  it("is refused if a killed run left it, until the command that the message names takes it into the state", async () => {
    const api = there(ownedBy(OURS));
    const told = (await existing(api, cluster)) ?? "";
    assert.match(told, /^The Cluster shop\/orders exists already\. It is this stack's own/);
    assert.ok(told.includes(`run "${TAKE_UP}=true pulumi up" once`));
    assert.match(told, /Do not delete the object/);
    assert.equal(await existing(api, cluster, { takesUp: true }), undefined);
    // The run may delete it before it creates it again.
    assert.equal(await existing(api, cluster, { preview: true }), undefined);
  });

  it("is refused while the old object is being deleted, also in a run with the variable", async () => {
    const going = there({ ...ownedBy(OURS), deletionTimestamp: "2026-01-01T00:00:00Z" });
    assert.match((await existing(going, cluster, { takesUp: true })) ?? "", /is being deleted.*when it is gone/);
  });

  it("is not created if the API server denies the request", async () => {
    await assert.rejects(existing(new FakeApi({ [CLUSTER]: "denied" }), cluster), /was denied \(403\)/);
  });
});
