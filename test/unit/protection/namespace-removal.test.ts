import { strict as assert } from "node:assert";
import { leftIn } from "../../../components/protection/namespace-content";
import { namespaceRemoval } from "../../../components/protection/namespace-removal-operations";
import { FakeApi } from "./fake-api";

const state = { namespace: "db", uid: "ns", kubernetesUid: "this-cluster" };
const resource = (name: string, kind: string) => ({ name, kind, namespaced: true, verbs: ["list"] });
const items = (...names: string[]) => ({ items: names.map((name) => ({ metadata: { name } })) });
const CLUSTERS = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters";

function apiWith(objects: Record<string, unknown> = {}): FakeApi {
  return new FakeApi({
    "/apis": { groups: [{ name: "postgresql.cnpg.io", preferredVersion: { groupVersion: "postgresql.cnpg.io/v1" } }] },
    "/api/v1": {
      resources: [
        ...[resource("configmaps", "ConfigMap"), resource("serviceaccounts", "ServiceAccount")],
        ...[resource("secrets", "Secret"), resource("events", "Event")],
      ],
    },
    "/apis/postgresql.cnpg.io/v1": { resources: [resource("clusters", "Cluster")] },
    "/api/v1/namespaces/db": { metadata: { uid: "ns" } },
    "/api/v1/namespaces/db/configmaps": items("kube-root-ca.crt"),
    "/api/v1/namespaces/db/serviceaccounts": items("default"),
    "/api/v1/namespaces/db/secrets": items(),
    "/api/v1/namespaces/db/events": items("orders.17"),
    [CLUSTERS]: items(),
    ...objects,
  });
}

describe("the removal of a Namespace", () => {
  const remove = async (api: FakeApi, of: Parameters<ReturnType<typeof namespaceRemoval>["delete"]>[1] = state) => {
    await namespaceRemoval(async () => api, { poll: 1, goneWithin: 50 }).delete("db", of);
    return api.removed;
  };

  it("deletes one that is empty, by its UID", async () => {
    assert.deepEqual(await remove(apiWith()), [["/api/v1/namespaces/db", "ns"]]);
  });

  it("leaves one in which something is left, whoever made it", async () => {
    assert.deepEqual(await remove(apiWith({ [CLUSTERS]: items("reporting") })), []);
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db/secrets": items("keep-me") })), []);
  });

  it("leaves one in which it may not look", async () => {
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db/secrets": "denied" })), []);
    assert.deepEqual(await remove(apiWith({ "/apis/postgresql.cnpg.io/v1": "denied" })), []);
  });

  it("leaves another one of that name, and does nothing in another Kubernetes cluster", async () => {
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db": { metadata: { uid: "other" } } })), []);
    await assert.rejects(remove(apiWith(), { ...state, kubernetesUid: "another" }), /not the cluster of this stack/);
  });

  it("does not count what goes with deleted objects", async () => {
    const going = {
      items: [
        { metadata: { name: "orders-app", ownerReferences: [{ kind: "Cluster", name: "orders" }] } },
        { metadata: { name: "orders-old", deletionTimestamp: "2026-01-01T00:00:00Z" } },
      ],
    };
    assert.deepEqual(await leftIn(apiWith({ "/api/v1/namespaces/db/secrets": going }), "db"), []);
  });

  it("is made anew for a Namespace of another name, and updated for one that was made anew", async () => {
    const { diff } = namespaceRemoval(async () => apiWith());
    assert.deepEqual(await diff("db", state, { ...state, namespace: "other" }), {
      changes: true,
      replaces: ["namespace"],
    });
    assert.deepEqual(await diff("db", state, { ...state, uid: "new" }), { changes: true, replaces: [] });
    assert.deepEqual(await diff("db", state, state), { changes: false, replaces: [] });
  });
});
