import { strict as assert } from "node:assert";
import { lastBackup, LastBackupInputs } from "../../../components/backup/last-backup-operations";
import { takenBackup, TakenBackupInputs, TakenBackupState } from "../../../components/backup/taken-backup-operations";
import { BARMAN_CLOUD } from "../../../components/cnpg/object-store";
import { providerOf } from "../../../components/dynamic/converge";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { PROTECTION_ANNOTATION } from "../../../components/protection/deletion-settings";
import { FakeApi, KUBE_SYSTEM } from "../protection/fake-api";
import { FakeKubernetes } from "../postgres/fake-kubernetes";
import { printedBy } from "../printed-by";

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
  const cluster = () => kubernetes.cluster as KubernetesObject;
  /** Status of each Backup that is created, in this order; the last one for all others. */
  let results: object[];
  let created: string[];

  beforeEach(() => {
    kubernetes = new FakeKubernetes();
    cluster().spec = { plugins: [{ name: BARMAN_CLOUD }] };
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
        { poll: 1, second: 10, settle: 1 },
        () => NOW,
      ),
    );
  const create = async (news: object = {}) =>
    (await provider().create({ ...inputs, ...news })).outs as TakenBackupState;
  const had = (name: string, status: object, of = "orders") =>
    kubernetes.objects.set(name, { metadata: { name }, spec: { cluster: { name: of } }, status } as KubernetesObject);
  const archiving = (status: string) =>
    (cluster().status = { conditions: [{ type: "ContinuousArchiving", status, message: "no bucket" }] });

  it("has the chosen name and the declared method, and the run waits for it", async () => {
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

  it("is taken again only when its reason changes", async () => {
    const olds = await create();
    const { diff, update } = provider();
    assert.deepEqual(await diff("id", olds, { ...inputs, within: 9 }), { changes: false });
    assert.deepEqual(await diff("id", olds, { ...inputs, reason: "before-18" }), { changes: true });
    await update("id", olds, { ...inputs, reason: "before-18" });
    assert.deepEqual(created, ["orders-before-17", "orders-before-18"]);
  });

  it("names the plugin's log if the reason is only an exit status", async () => {
    const error = "rpc error: code = Unknown desc = exit status 4";
    results = [{ phase: "failed", error, instanceID: { podName: "orders-2" } }];
    await assert.rejects(
      create(),
      /exit status 4\. The plugin's log has the reason: `kubectl -n \S+ logs orders-2 -c plugin-barman-cloud`\. Correct the cause/,
    );
  });

  it("fails with CloudNativePG's reason, and the next run takes another backup", async () => {
    results = [{ phase: "failed", error: "no bucket" }, { phase: "completed" }];
    await assert.rejects(
      create(),
      /orders-before-17 of orders failed: no bucket\. Correct the cause and run `pulumi up`/,
    );
    assert.equal((await create()).taken, "orders-before-17-2");
  });

  it("continues a backup that an interrupted run began", async () => {
    had("orders-before-17", { phase: "running" });
    setTimeout(() => had("orders-before-17", { phase: "completed", stoppedAt: NOW.toISOString() }), 10);
    assert.equal((await create({ within: 500 })).taken, "orders-before-17");
    assert.deepEqual(created, []);
  });

  it("is not a backup of an earlier change with the same name", async () => {
    had("orders-before-17", { phase: "completed", stoppedAt: "2026-11-30T12:30:00Z" });
    assert.equal((await create()).taken, "orders-before-17");
    had("orders-before-17", { phase: "completed", stoppedAt: "2026-11-01T12:00:00Z" });
    await assert.rejects(create(), /already exists.*Set backup\.onDemand to a name that was not used before/);
  });

  it("fails after the time limit, and says that the backup continues", async () => {
    results = [{ phase: "running" }];
    await assert.rejects(create(), /is not complete after 5 s, and continues\..*backup\.waitMinutes/);
  });

  it("is not taken of a Cluster that does not exist yet", async () => {
    kubernetes.cluster = undefined;
    assert.equal((await create()).taken, undefined);
    assert.deepEqual(created, []);
  });

  it("is not a backup of another Cluster whose name begins in the same way", async () => {
    had("orders-before-17", { phase: "completed", stoppedAt: NOW.toISOString() }, "orders-before");
    assert.equal((await create()).taken, "orders-before-17-2");
  });

  it("fails if CloudNativePG refuses its definition", async () => {
    results = [{ phase: "invalid backup definition" }];
    await assert.rejects(create(), /CloudNativePG says: invalid backup definition/);
  });

  it("is refused on a stopped Cluster, before the Cluster is changed", async () => {
    cluster().metadata.annotations = { "cnpg.io/hibernation": "on" };
    await assert.rejects(create(), /is stopped: .*The Cluster was not changed/);
  });

  it("is refused on a replica cluster, before the Cluster is changed", async () => {
    cluster().spec = { ...cluster().spec, replica: { primary: "south", source: "south" } };
    await assert.rejects(
      create(),
      /because the Cluster is a replica cluster of south, which accepts no writes\. The Cluster was not changed\. Remove backup\.onDemand/,
    );
    assert.deepEqual(created, []);
  });

  it("is skipped if this change is the first to add backups to the Cluster", async () => {
    cluster().spec = {};
    assert.equal((await create()).taken, undefined);
    assert.deepEqual(created, []);
  });

  describe("as the first backup of an archive", () => {
    const first = { ...inputs, occasion: "first" as const, reason: "s3://backups orders-1" };

    it("is taken of a replica cluster when it is promoted", async () => {
      const { spec } = cluster();
      cluster().spec = { ...spec, replica: { primary: "south", source: "south" } };
      const olds = await create({ ...first, suspended: true });
      assert.deepEqual([olds.taken, created], [undefined, []]);
      assert.deepEqual(await provider().diff("id", olds, { ...first, suspended: true }), { changes: false });
      cluster().spec = spec;
      const promoted = { ...first, reason: `${first.reason} 20261130T123615Z`, suspended: false };
      assert.deepEqual(await provider().diff("id", olds, promoted), { changes: true });
      await provider().update("id", olds, promoted);
      assert.equal(created.length, 1);
    });

    it("is taken later if the Cluster was stopped", async () => {
      cluster().metadata.annotations = { "cnpg.io/hibernation": "on" };
      const olds = await create(first);
      assert.equal(olds.taken, undefined);
      cluster().metadata.annotations = {};
      const { diff } = provider();
      assert.deepEqual(await diff("id", olds, { ...first, suspended: true }), { changes: false });
      assert.deepEqual(await diff("id", olds, first), { changes: true });
    });

    it("is taken again in a new location, and is not an old backup of that location", async () => {
      const olds = await create(first);
      const moved = { ...first, reason: "s3://others orders-1" };
      assert.deepEqual(await provider().diff("id", olds, moved), { changes: true });
      await provider().update("id", olds, moved);
      assert.equal(created.length, 2);
      for (const name of created) had(name, { phase: "completed", stoppedAt: "2026-11-01T12:00:00Z" });
      assert.equal((await create(first)).taken, `${created[0]}-2`);
    });

    it("is not enough while the write-ahead log is not archived", async () => {
      const olds = await create(first);
      assert.deepEqual(await provider().diff("id", olds, first), { changes: false });
      archiving("False");
      assert.deepEqual(await provider().diff("id", olds, first), { changes: true });
      await assert.rejects(
        provider().update("id", olds, first),
        /is not backed up: the write-ahead log is not archived: no bucket/,
      );
      archiving("True");
      await provider().update("id", olds, first);
      assert.equal(created.length, 1);
    });
  });

  describe("in a later run, warns about the schedule's backups", () => {
    const first = { ...inputs, occasion: "first" as const, reason: "s3://backups orders-1" };
    const DAILY = { lastScheduleTime: "2026-11-30T01:00:00Z", nextScheduleTime: "2026-12-01T01:00:00Z" };
    let schedule: KubernetesObject | undefined;

    beforeEach(() => {
      schedule = { metadata: { name: "orders" }, status: DAILY };
      const get = kubernetes.get.bind(kubernetes);
      kubernetes.get = async (reference) =>
        "plural" in reference && reference.plural === "scheduledbackups" ? schedule : get(reference);
      kubernetes.list = async () => [...kubernetes.objects.values()];
    });

    /** A Backup that began at a time of this day, or of another one. */
    const began = (name: string, creationTimestamp: string, status: object) => {
      had(name, status);
      kubernetes.objects.get(name)!.metadata.creationTimestamp = creationTimestamp;
    };
    const complete = (stoppedAt: string) => ({ phase: "completed", stoppedAt });
    /** What a run at this time prints. It plans no change. */
    const warning = async (now = NOW.toISOString()) => {
      const kind = providerOf(
        takenBackup(
          async () => kubernetes,
          {},
          () => new Date(now),
        ),
      );
      const printed = await printedBy(async () => {
        assert.deepEqual(await kind.diff("id", { ...first, taken: "orders-first" }, first), { changes: false });
      });
      return printed.join("\n");
    };

    it("if the newest one failed, with the reason, the last complete one, and what to do", async () => {
      began("orders-1", "2026-11-29T01:00:00Z", complete("2026-11-29T01:05:00Z"));
      began("orders-2", "2026-11-30T01:00:00Z", { phase: "failed", error: "no bucket" });
      assert.equal(
        await warning(),
        "Warning: db/orders: the newest backup, orders-2, failed: no bucket. The last complete backup is orders-1 of " +
          "2026-11-29T01:05:00.000Z. Correct the cause, and take a backup now: set backup.onDemand to a new name, and run `pulumi up`.",
      );
      began("orders-now", "2026-11-30T12:00:00Z", complete("2026-11-30T12:01:00Z"));
      assert.equal(await warning(), "", "a later one is complete");
    });

    it("if the last complete one is older than one and a half periods", async () => {
      began("orders-1", "2026-11-29T01:00:00Z", complete("2026-11-29T01:05:00Z"));
      began("orders-2", "2026-11-30T01:00:00Z", { phase: "walArchivingFailing", error: "no space" });
      assert.equal(await warning("2026-11-30T13:00:00Z"), "");
      assert.match(
        await warning("2026-11-30T13:00:01Z"),
        /the backup that was due at 2026-11-30T01:00:00Z is missing: orders-2 is not complete: no space\. The last complete backup is orders-1/,
      );
    });

    it("if the schedule is not followed", async () => {
      began("orders-1", "2026-11-30T01:00:00Z", complete("2026-11-30T01:05:00Z"));
      assert.equal(await warning("2026-12-01T13:00:00Z"), "");
      const late = "2026-12-01T13:00:01Z";
      assert.match(
        await warning(late),
        /due at 2026-12-01T01:00:00Z is missing: CloudNativePG has not begun it\. The last/,
      );
      schedule!.spec = { suspend: true };
      assert.match(await warning(late), /the ScheduledBackup is suspended/);
    });

    it("and says nothing if nothing was due, or after a pause of an irregular schedule", async () => {
      assert.equal(await warning("2026-11-30T12:59:00Z"), "");
      schedule!.status = {};
      assert.equal(await warning("2027-11-30T12:59:00Z"), "");
      // Monday, at the beginning of the backup of a schedule for working days.
      schedule!.status = { lastScheduleTime: "2026-11-30T01:00:00Z", nextScheduleTime: "2026-12-01T01:00:00Z" };
      began("orders-friday", "2026-11-27T01:00:00Z", complete("2026-11-27T01:05:00Z"));
      began("orders-monday", "2026-11-30T01:00:00Z", { phase: "running" });
      assert.equal(await warning("2026-11-30T01:10:00Z"), "");
      schedule = undefined;
      assert.equal(await warning(), "");
    });

    it("but not of a stopped Cluster; if they may not be read, says so", async () => {
      began("orders-2", "2026-11-30T01:00:00Z", { phase: "failed" });
      kubernetes.list = () => Promise.reject(new KubernetesError("access-denied", "no"));
      assert.equal(await warning(), "The scheduled backups of orders could not be checked: no");
      cluster().metadata.annotations = { "cnpg.io/hibernation": "on" };
      assert.equal(await warning(), "");
    });
  });

  describe("as the final backup before the Cluster is deleted", () => {
    const last: LastBackupInputs = {
      ...{ namespace: "db", cluster: "orders", database: "orders", uid: "uid-1", enabled: true, within: 5 },
      method: inputs.method,
    };
    const CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/orders";
    let api: FakeApi;
    const kind = () =>
      providerOf(
        lastBackup(
          async () => kubernetes,
          async () => api,
          { poll: 1, second: 10, settle: 1 },
          () => NOW,
        ),
      );
    const made = async (news: object = {}) => (await kind().create({ ...last, ...news })).outs as typeof last;
    const remove = async (news: object = {}) => kind().delete("id", await made(news));

    beforeEach(() => (api = new FakeApi({ [CLUSTER]: { metadata: { name: "orders", uid: "uid-1" } } })));

    it("is taken only by the deletion, under a new name", async () => {
      await made();
      assert.deepEqual(created, []);
      await remove();
      assert.deepEqual(created, ["orders-final-20261130123615"]);
    });

    it("is not taken if it is not enabled", async () => {
      await remove({ enabled: false });
      assert.deepEqual(created, []);
    });

    it("continues a backup that an interrupted run began", async () => {
      had("orders-final-1", { phase: "running" });
      kubernetes.list = async () => [...kubernetes.objects.values()];
      setTimeout(() => had("orders-final-1", { phase: "completed", stoppedAt: NOW.toISOString() }), 10);
      await remove({ within: 500 });
      assert.deepEqual(created, []);
    });

    it("keeps the Cluster if the backup fails or the Cluster is stopped", async () => {
      results = [{ phase: "failed", error: "no bucket" }];
      await assert.rejects(remove(), /no bucket\. The Cluster was not deleted\..*backup\.final: false/);
      cluster().metadata.annotations = { "cnpg.io/hibernation": "on" };
      await assert.rejects(remove(), /cannot be taken, because the Cluster is stopped/);
    });

    it("is not taken of a replica cluster, whose primary cluster has the data", async () => {
      cluster().spec = { ...cluster().spec, replica: { primary: "south", source: "south" } };
      await remove();
      assert.deepEqual(created, []);
    });

    it("is refused in another Kubernetes cluster, and for another Cluster of this name", async () => {
      const state = await made();
      api.set({ [KUBE_SYSTEM]: { metadata: { uid: "another" } } });
      await assert.rejects(kind().delete("id", state), /is not the cluster of this stack/);
      api = new FakeApi({ [CLUSTER]: { metadata: { name: "orders", uid: "uid-2" } } });
      await assert.rejects(kind().delete("id", state), /is not the one that this stack created/);
      assert.deepEqual(created, []);
    });

    it("is not needed if the Cluster is gone or no longer has backups", async () => {
      cluster().spec = {};
      await remove();
      kubernetes.cluster = undefined;
      const state = await made();
      api.objects.delete(CLUSTER);
      await kind().delete("id", state);
      assert.deepEqual(created, []);
    });

    it("does not keep `backup` in the settings of a protected Cluster, which stays", async () => {
      const annotations = { [PROTECTION_ANNOTATION]: "true" };
      api.set({ [CLUSTER]: { metadata: { name: "orders", uid: "uid-1", annotations } } });
      await assert.rejects(remove(), /is protected from deletion/);
      cluster().spec = {};
      await remove();
      cluster().metadata.uid = "uid-2";
      await assert.rejects(remove(), /is protected from deletion/);
      assert.deepEqual(created, []);
    });

    it("belongs to one Cluster: if the name or namespace changes, the former Cluster gets its final backup", async () => {
      const state = await made();
      assert.deepEqual(await kind().diff("id", state, { ...last, cluster: "shop" }), {
        changes: true,
        replaces: ["cluster"],
      });
      assert.deepEqual(await kind().diff("id", state, { ...last, enabled: false }), { changes: true });
    });
  });

  it("has a name that fits into a label", async () => {
    const name = "o".repeat(50);
    cluster().metadata.name = name;
    for (const reason of ["a".repeat(40), "b".repeat(40)]) await create({ cluster: name, reason });
    assert.equal(new Set(created).size, 2);
    assert.ok(
      created.every((each) => each.length <= 59 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])$/.test(name)),
      created.join(),
    );
  });
});
