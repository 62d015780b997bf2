import { strict as assert } from "node:assert";
import {
  contentOf,
  namespaceRemoval,
  NamespaceState,
} from "../../../components/protection/namespace-removal-operations";
import { providerOf } from "../../../components/dynamic/converge";
import { FakeApi } from "./fake-api";

const state = { namespace: "db", uid: "ns", kubernetesUid: "this-cluster" };
const resource = (name: string, kind: string) => ({ name, kind, namespaced: true, verbs: ["list"] });
const items = (...names: string[]) => ({ items: names.map((name) => ({ metadata: { name } })) });
const CLUSTERS = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters";

function apiWith(objects: Record<string, unknown> = {}): FakeApi {
  return new FakeApi({
    "/apis": { groups: [{ name: "postgresql.cnpg.io", versions: [{ groupVersion: "postgresql.cnpg.io/v1" }] }] },
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
  const remove = async (api: FakeApi, of: NamespaceState = state, collectedWithin = 30) => {
    const timing = { poll: 1, collectedWithin, goneWithin: 50 };
    await providerOf(namespaceRemoval(async () => api, timing)).delete("db", of);
    return api.removed;
  };

  it("deletes an empty one, by its UID", async () => {
    assert.deepEqual(await remove(apiWith()), [["/api/v1/namespaces/db", "ns"]]);
  });

  it("keeps one that is not empty, whoever created its objects", async () => {
    assert.deepEqual(await remove(apiWith({ [CLUSTERS]: items("reporting") })), []);
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db/secrets": items("keep-me") })), []);
  });

  it("keeps one whose objects it may not list", async () => {
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db/secrets": "denied" })), []);
    assert.deepEqual(await remove(apiWith({ "/apis/postgresql.cnpg.io/v1": "denied" })), []);
  });

  it("keeps a recreated one, and does nothing in another Kubernetes cluster", async () => {
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db": { metadata: { uid: "other" } } })), []);
    await assert.rejects(remove(apiWith(), { ...state, kubernetesUid: "another" }), /not the cluster of this stack/);
  });

  const owned = (name: string, owner: string) => ({
    metadata: { name, uid: `of-${name}`, ownerReferences: [{ uid: owner }] },
  });

  it("does not count objects that are deleted with their owner", async () => {
    const secrets = {
      items: [
        owned("orders-app", "gone"),
        { metadata: { name: "orders-old", deletionTimestamp: "2026-01-01T00:00:00Z" } },
        owned("of-settings", "settings"),
      ],
    };
    const settings = { items: [{ metadata: { name: "settings", uid: "settings" } }] };
    const api = apiWith({
      "/api/v1/namespaces/db/secrets": secrets,
      "/api/v1/namespaces/db/configmaps": settings,
    });
    assert.deepEqual(await contentOf(api, "db"), { left: ["configmaps/settings"], orphaned: ["secrets/orders-app"] });
  });

  it("waits for the garbage collector, and keeps one with an object whose owner is outside of the Namespace", async () => {
    const api = apiWith({ "/api/v1/namespaces/db/secrets": { items: [owned("orders-app", "gone")] } });
    const read = api.read;
    api.read = async (path) => {
      const found = await read(path);
      if (path.includes("/secrets")) api.set({ "/api/v1/namespaces/db/secrets": items() }); // gone in the next look
      return found;
    };
    assert.equal((await remove(api, state, 60_000)).length, 1);
    assert.deepEqual(
      await remove(apiWith({ "/api/v1/namespaces/db/secrets": { items: [owned("kept", "outside")] } })),
      [],
    );
  });

  it("keeps one with more objects than one answer lists", async () => {
    const many = { items: [], metadata: { continue: "more" } };
    assert.deepEqual(await remove(apiWith({ "/api/v1/namespaces/db/secrets": many })), []);
  });

  it("is replaced for a Namespace of another name, and updated for a recreated one", async () => {
    const { diff } = providerOf(namespaceRemoval(async () => apiWith()));
    assert.deepEqual(await diff("db", state, { ...state, namespace: "other" }), {
      changes: true,
      replaces: ["namespace"],
    });
    assert.deepEqual(await diff("db", state, { ...state, uid: "new" }), { changes: true });
    assert.deepEqual(await diff("db", state, state), { changes: false });
  });
});
