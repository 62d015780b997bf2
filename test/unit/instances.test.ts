/** Whose number of instances holds. */
import { strict as assert } from "node:assert";
import { takeInstancesBack } from "../../components/instances";
import type { KubernetesClient } from "../../components/kubernetes/client";

describe("the instances of what is updated", () => {
  /** What is patched where these managers own `spec.instances`. */
  async function patches(found: number, managers: string[], wanted = 2): Promise<object[]> {
    const patched: object[] = [];
    const owned = { "f:spec": { "f:instances": {} } };
    const others = { manager: "operator", fieldsV1: { "f:spec": { "f:imageName": {} } } };
    const object = {
      metadata: {
        name: "orders",
        uid: "uid-1",
        managedFields: [others, ...managers.map((manager) => ({ manager, fieldsV1: owned }))],
      },
      spec: { instances: found },
    };
    const kubernetes = {
      patch: (_reference: object, fields: object) => Promise.resolve(void patched.push(fields)),
    } as unknown as KubernetesClient;
    await takeInstancesBack(
      kubernetes,
      { apiVersion: "postgresql.cnpg.io/v1", plural: "clusters", namespace: "db", name: "orders" },
      object,
      wanted,
    );
    return patched;
  }

  it("are set to the declared number where somebody else has set another", async () => {
    const expected = { metadata: { uid: "uid-1" }, spec: { instances: 2 } };
    assert.deepEqual(await patches(3, ["kubectl"], 2), [expected]);
    assert.deepEqual(await patches(3, ["pulumi-kubernetes-0123", "kubectl"], 2), [expected]);
    assert.deepEqual(await patches(3, ["cnpg-teleport"], 2), [expected], "an earlier run did, which owns them now");
  });

  it("are left to Pulumi's provider where nobody else has set them", async () => {
    assert.deepEqual(await patches(3, ["pulumi-kubernetes-0123"], 2), []);
    assert.deepEqual(await patches(2, ["kubectl"], 2), []);
  });
});
