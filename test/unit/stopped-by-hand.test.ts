/** Hibernation and fencing by hand, through an update of the Cluster. */
import { strict as assert } from "node:assert";
import type { KubernetesClient } from "../../components/kubernetes/client";
import { keepStopped } from "../../components/stopped-by-hand";

const HIBERNATION = "cnpg.io/hibernation";
const FENCING = "cnpg.io/fencedInstances";

describe("what somebody stopped by hand", () => {
  /** What is written where annotations have these values, and this owner. */
  async function written(
    annotations: Record<string, string>,
    manager: string,
    declared: Record<string, string> = {},
  ): Promise<object[]> {
    const done: object[] = [];
    const kubernetes = {
      patch: async (_reference: object, fields: object) => void done.push({ changed: fields }),
      own: async (_reference: object, fields: object, owner: string) => void done.push({ kept: fields, owner }),
    } as unknown as KubernetesClient;
    const fields = Object.fromEntries(Object.keys(annotations).map((key) => [`f:${key}`, {}]));
    const managedFields = [
      { manager: "operator", fieldsV1: { "f:status": {} } },
      { manager, fieldsV1: { "f:metadata": { "f:annotations": fields } } },
    ];
    const metadata = { name: "orders", uid: "uid-1", annotations, managedFields };
    const reference = { apiVersion: "postgresql.cnpg.io/v1", plural: "clusters", namespace: "db", name: "orders" };
    await keepStopped(kubernetes, reference, { metadata }, declared);
    return done;
  }
  const kept = (annotations: object) => ({
    kept: { kind: "Cluster", metadata: { uid: "uid-1", annotations } },
    owner: "cnpg-teleport-keeps-by-hand",
  });

  it("gets an owner besides whom Pulumi's provider takes it over from, and keeps the one it got", async () => {
    const annotations = { [HIBERNATION]: "on", [FENCING]: '["orders-1"]' };
    for (const manager of ["kubectl-annotate", "kubectl-cnpg", "kubectl", "before-first-apply"])
      assert.deepEqual(await written(annotations, manager), [kept(annotations)], manager);
    assert.deepEqual(await written(annotations, "cnpg-teleport-keeps-by-hand"), [kept(annotations)]);
  });

  it("is left to who owns it where the provider takes nothing over, and where the settings declared it before", async () => {
    for (const manager of ["by-hand", "pulumi-kubernetes-0123"])
      assert.deepEqual(await written({ [HIBERNATION]: "on" }, manager), [], manager);
    assert.deepEqual(await written({ other: "on" }, "kubectl-annotate"), []);
    assert.deepEqual(await written({}, "kubectl-annotate"), []);
  });

  it("becomes what the settings declare, whoever wrote something else", async () => {
    const changed = { changed: { metadata: { uid: "uid-1", annotations: { [HIBERNATION]: "off" } } } };
    for (const manager of ["kubectl-annotate", "by-hand", "cnpg-teleport-keeps-by-hand", "cnpg-teleport"])
      assert.deepEqual(await written({ [HIBERNATION]: "on" }, manager, { [HIBERNATION]: "off" }), [changed], manager);
    assert.deepEqual(await written({ [HIBERNATION]: "on" }, "by-hand", { [HIBERNATION]: "on" }), []);
    assert.deepEqual(await written({ [HIBERNATION]: "on" }, "pulumi-kubernetes-1", { [HIBERNATION]: "off" }), []);
    const both = await written({ [HIBERNATION]: "on", [FENCING]: "[]" }, "kubectl", { [HIBERNATION]: "off" });
    assert.deepEqual(both, [changed, kept({ [FENCING]: "[]" })]);
  });
});
