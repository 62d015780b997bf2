import { strict as assert } from "node:assert";
import { providerOf } from "../../../components/dynamic/converge";
import { clusterIdentity, kubernetesIdentity } from "../../../components/protection/deletion-protection-operations";
import { UPSERT_EXISTING_OBJECTS } from "../../../components/protection/upsert-existing-objects";
import { FakeApi } from "./fake-api";

describe("a run with PULUMI_K8S_UPSERT_EXISTING_OBJECTS", () => {
  afterEach(() => delete process.env[UPSERT_EXISTING_OBJECTS]);

  it("deletes nothing, because it may have added the same objects under another resource", async () => {
    const metadata = { uid: "uid-1", annotations: {} };
    const api = new FakeApi({ "/apis/postgresql.cnpg.io/v1/namespaces/shop/clusters/orders": { metadata } });
    const place = { database: "orders", namespace: "shop", cluster: "orders", uid: "uid-1" };
    const kubernetesUid = "this-cluster";
    const deletions = () => [
      providerOf(clusterIdentity(async () => api)).delete("shop/orders", { ...place, kubernetesUid }),
      providerOf(kubernetesIdentity(async () => api)).delete("kubernetes", { kubernetesUid }),
    ];
    await Promise.all(deletions());
    process.env[UPSERT_EXISTING_OBJECTS] = "true";
    for (const deletion of deletions())
      await assert.rejects(deletion, /UPSERT_EXISTING_OBJECTS=true deletes nothing.*alias.*pulumi state delete/s);
  });
});
