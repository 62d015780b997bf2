import { strict as assert } from "node:assert";
import { takenBackup, TakenBackupInputs, TakenBackupState } from "../../../components/backup/backup-operations";
import { providerOf } from "../../../components/dynamic/converge";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { FakeKubernetes } from "../postgres/fake-kubernetes";

const NOW = new Date("2026-11-30T12:36:15Z");
const inputs: TakenBackupInputs = {
  namespace: "db",
  cluster: "orders",
  occasion: "onDemand",
  reason: "before-17",
  method: { method: "plugin", target: "primary", pluginConfiguration: { name: "barman" } },
  within: 5,
};

describe("a backup that a run takes", () => {
  let kubernetes: FakeKubernetes;
  /** Status of each Backup that is created, in this order; the last one for all others. */
  let results: object[];
  let created: string[];

  beforeEach(() => {
    kubernetes = new FakeKubernetes();
    results = [{ phase: "completed", backupId: "20261130T123615" }];
    created = [];
    kubernetes.create = async ({ name }, object) => {
      created.push(name);
      const status = results.length > 1 ? results.shift() : results[0];
      kubernetes.objects.set(name, { ...(object as KubernetesObject), status } as KubernetesObject);
    };
  });

  const provider = () =>
    providerOf(
      takenBackup(
        async () => kubernetes,
        { poll: 1, second: 10 },
        () => NOW,
      ),
    );
  const create = async (news: object = {}) =>
    (await provider().create({ ...inputs, ...news })).outs as TakenBackupState;
  const had = (name: string, status: object) =>
    kubernetes.objects.set(name, { metadata: { name }, status } as KubernetesObject);

  it("has the chosen name and the declared method, and is waited for", async () => {
    const { taken } = await create();
    assert.equal(taken, "orders-before-17");
    assert.deepEqual(kubernetes.objects.get("orders-before-17")?.metadata.ownerReferences, [
      { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster", name: "orders", uid: "uid-1" },
    ]);
    assert.deepEqual(kubernetes.objects.get("orders-before-17")?.spec, {
      cluster: { name: "orders" },
      ...inputs.method,
    });
  });

  it("is taken again when its reason changes, and not otherwise", async () => {
    const olds = await create();
    const { diff, update } = provider();
    assert.deepEqual(await diff("id", olds, { ...inputs, within: 9 }), { changes: false });
    assert.deepEqual(await diff("id", olds, { ...inputs, reason: "before-18" }), { changes: true });
    await update("id", olds, { ...inputs, reason: "before-18" });
    assert.deepEqual(created, ["orders-before-17", "orders-before-18"]);
  });

  it("fails with CloudNativePG's reason, and the next run takes another one", async () => {
    results = [{ phase: "failed", error: "no bucket" }, { phase: "completed" }];
    await assert.rejects(
      create(),
      /orders-before-17 of orders failed: no bucket\. Correct the reason and run `pulumi up`/,
    );
    assert.equal((await create()).taken, "orders-before-17-2");
  });

  it("goes on with one that an interrupted run began", async () => {
    had("orders-before-17", { phase: "running" });
    setTimeout(() => had("orders-before-17", { phase: "completed" }), 10);
    assert.equal((await create()).taken, "orders-before-17");
    assert.deepEqual(created, []);
  });

  it("is not one of an earlier change with the same name", async () => {
    had("orders-before-17", { phase: "completed", stoppedAt: "2026-11-30T12:30:00Z" });
    assert.equal((await create()).taken, "orders-before-17");
    had("orders-before-17", { phase: "completed", stoppedAt: "2026-11-01T12:00:00Z" });
    await assert.rejects(create(), /exists already.*Set backup\.onDemand to a name that was not used before/);
  });

  it("ends after the time limit, and says that it goes on", async () => {
    results = [{ phase: "running" }];
    await assert.rejects(create(), /is not complete after 5 s\. It goes on\..*backup\.waitMinutes/);
  });

  it("is not taken of a Cluster that does not exist yet", async () => {
    kubernetes.cluster = undefined;
    assert.equal((await create()).taken, undefined);
    assert.deepEqual(created, []);
  });

  it("is taken later, as the first one of an archive, if the Cluster was stopped", async () => {
    const cluster = kubernetes.cluster as KubernetesObject;
    cluster.metadata.annotations = { "cnpg.io/hibernation": "on" };
    const olds = await create({ occasion: "first", reason: "orders-1" });
    assert.equal(olds.taken, undefined);
    cluster.metadata.annotations = {};
    const { diff } = provider();
    const { taken: _taken, ...first } = olds;
    assert.deepEqual(await diff("id", olds, { ...first, suspended: true }), { changes: false });
    assert.deepEqual(await diff("id", olds, first), { changes: true });
  });

  describe("before the Cluster is deleted", () => {
    const final = { ...inputs, occasion: "final" as const, reason: "deletion" };

    it("is taken by the deletion only, each time under a new name", async () => {
      await create(final);
      assert.deepEqual(created, []);
      await provider().delete("id", final);
      assert.deepEqual(created, ["orders-final-20261130123615"]);
    });

    it("keeps the Cluster if it fails, or if the Cluster is stopped", async () => {
      results = [{ phase: "failed", error: "no bucket" }];
      await assert.rejects(provider().delete("id", final), /Nothing was deleted\..*backup\.final: false/);
      (kubernetes.cluster as KubernetesObject).metadata.annotations = { "cnpg.io/hibernation": "on" };
      await assert.rejects(provider().delete("id", final), /cannot be taken, because the Cluster is stopped/);
    });

    it("is not needed if the Cluster is gone", async () => {
      kubernetes.cluster = undefined;
      await provider().delete("id", final);
      assert.deepEqual(created, []);
    });
  });

  it("has a name that fits into a label", async () => {
    const cluster = "o".repeat(50);
    (kubernetes.cluster as KubernetesObject).metadata.name = cluster;
    for (const reason of ["a".repeat(40), "b".repeat(40)]) await create({ cluster, reason });
    assert.equal(new Set(created).size, 2);
    assert.ok(
      created.every((name) => name.length <= 59 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])$/.test(name)),
      created.join(),
    );
  });
});
