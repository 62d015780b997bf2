import { strict as assert } from "node:assert";
import { providerOf } from "../../../components/dynamic/converge";
import { KubernetesObject } from "../../../components/kubernetes/client";
import {
  databaseRolesServing,
  DatabaseRolesServingInputs,
  databasesServing,
  DatabasesServingInputs,
} from "../../../components/readiness/applied";
import {
  clusterProblems,
  clusterServing,
  ClusterServingInputs,
  ExpectedCluster,
  instanceProblems,
  instanceQuery,
} from "../../../components/readiness/cluster";
import { mayRestartInitdb } from "../../../components/readiness/initdb-failure";
import { eventReasons } from "../../../components/readiness/reasons";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { poolerProblems } from "../../../components/readiness/pooler";
import { volumeProblems } from "../../../components/readiness/volumes";
import { ReadinessInputs, readinessKind } from "../../../components/readiness/wait";
import { progressOf } from "../../../components/waiting";
import { FakeKubernetes } from "../postgres/fake-kubernetes";
import { printedBy } from "../printed-by";

const expected: ExpectedCluster = {
  instances: 2,
  serverCertificate: "aa",
  clientCaBundle: "bb",
  parameters: { work_mem: "8MB" },
  certificateUsers: ["reader"],
  written: "a digest",
  fenced: [],
};
const object = (status: object, spec: object = {}, generation = 1): KubernetesObject => ({
  metadata: { name: "x", generation },
  spec: { ...spec },
  status: { ...status },
});

describe("the readiness of a Cluster", () => {
  it("depends on its phase and the number of ready instances", () => {
    assert.deepEqual(
      clusterProblems(object({ phase: "Cluster in healthy state", readyInstances: 2 }), [], expected),
      [],
    );
    assert.deepEqual(
      clusterProblems(object({ phase: "Failing over", phaseReason: "lost", readyInstances: 1 }), [], expected),
      ["CloudNativePG says: Failing over (lost)", "1 of 2 instances are ready"],
    );
  });

  it("is false while an instance runs another image, with the pod's reason", () => {
    const healthy = object({ phase: "Cluster in healthy state", readyInstances: 2 });
    const pod = (name: string, image: string): KubernetesObject => ({
      metadata: { name, labels: { "cnpg.io/podRole": "instance" } },
      spec: { containers: [{ name: "postgres", image }] },
      status: { containerStatuses: [{ name: "postgres", state: { waiting: { reason: "ErrImagePull" } } }] },
    });
    const wanted = { ...expected, image: "postgresql:17.2" };
    assert.deepEqual(clusterProblems(healthy, [pod("orders-1", "postgresql:17.2")], wanted), []);
    assert.deepEqual(clusterProblems(healthy, [pod("orders-1", "postgresql:17.1")], wanted), [
      "orders-1 does not run postgresql:17.2 yet",
      "orders-1: ErrImagePull",
    ]);
  });

  it("is false while a kubelet does not take up a pod", () => {
    const assigned: KubernetesObject = {
      metadata: { name: "orders-2" },
      spec: { nodeName: "west-1" },
      status: { phase: "Pending" },
    };
    const problems = clusterProblems(
      object({ phase: "Creating a new replica", readyInstances: 1 }),
      [assigned],
      expected,
    );
    assert.equal(problems.at(-1), "orders-2: the kubelet of west-1 has not taken it up");
    const started = { ...assigned, status: { phase: "Pending", containerStatuses: [{ name: "postgres", state: {} }] } };
    assert.deepEqual(
      clusterProblems(object({ phase: "Creating a new replica", readyInstances: 1 }), [started], expected).length,
      2,
    );
  });

  it("depends on its condition if it must be hibernated", () => {
    const hibernated = { ...expected, hibernated: true };
    assert.equal(clusterProblems(object({ phase: "Cluster in healthy state" }), [], hibernated).length, 1);
    const conditions = [{ type: "cnpg.io/hibernation", status: "True" }];
    assert.deepEqual(clusterProblems(object({ conditions }), [], hibernated), []);
  });

  it("does not depend on a person's action if updates are supervised", () => {
    const waiting = object({ phase: "Waiting for user action", readyInstances: 2 });
    assert.equal(clusterProblems(waiting, [], expected).length, 1);
    assert.deepEqual(clusterProblems(waiting, [], { ...expected, supervised: true }), []);
    assert.doesNotMatch(instanceQuery({ ...expected, supervised: true }), /pending_restart/);
  });

  it("includes each instance: certificate, bundle, settings, rules", () => {
    const query = instanceQuery(expected);
    for (const part of ["'aa'", "'bb'", "'8MB'", "'reader'", "pending_restart", "pg_conf_load_time"])
      assert.ok(query.includes(part));
    assert.deepEqual(instanceProblems("orders-1", "does not have it yet\0"), ["orders-1 does not have it yet"]);
  });
});

describe("the readiness of a Pooler", () => {
  const pooler = object({ phase: "active" }, { instances: 2 });
  const serving = { observedGeneration: 3, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

  it("depends on its Deployment, not on its phase", () => {
    assert.deepEqual(poolerProblems({ pooler, deployment: object(serving, { replicas: 2 }, 3), pods: [] }), []);
    const rolling = object({ ...serving, updatedReplicas: 1 }, { replicas: 2 }, 3);
    assert.deepEqual(poolerProblems({ pooler, deployment: rolling, pods: [] }), [
      "1 of 2 instances of PgBouncer are ready",
    ]);
    const unobserved = object(serving, { replicas: 2 }, 4);
    assert.equal(poolerProblems({ pooler, deployment: unobserved, pods: [] }).length, 1);
  });

  it("includes the reasons of the operator and the pods", () => {
    const waiting = { name: "pgbouncer", state: { waiting: { reason: "ImagePullBackOff", message: "no such image" } } };
    const problems = poolerProblems({
      pooler: object({ phase: "inactive", phaseReason: "secret missing" }, { instances: 1 }),
      cluster: object({ phase: "Unable to create required cluster objects" }),
      pods: [object({ containerStatuses: [waiting] })],
    });
    assert.deepEqual(problems, [
      "CloudNativePG created no Deployment for it",
      "CloudNativePG says of the Pooler: inactive (secret missing)",
      "CloudNativePG says of the Cluster: Unable to create required cluster objects",
      "x: ImagePullBackOff (no such image)",
    ]);
  });
});

describe("the warnings in Kubernetes' Events about a Cluster", () => {
  const event = (kind: string, name: string, reason: string, lastTimestamp: string): KubernetesObject => ({
    metadata: { name: `${name}.1` },
    involvedObject: { kind, name },
    reason,
    message: "why",
    lastTimestamp,
  });

  it("are those about its objects, without usual ones and duplicates, the newest first", () => {
    const events = [
      event("PersistentVolumeClaim", "orders-1", "ProvisioningFailed", "2026-01-01T00:00:01Z"),
      event("PersistentVolumeClaim", "orders-1", "ProvisioningFailed", "2026-01-01T00:00:02Z"),
      event("Job", "orders-1-initdb", "FailedCreate", "2026-01-01T00:00:03Z"),
      event("Pod", "orders-1", "Unhealthy", "2026-01-01T00:00:04Z"),
      event("Pod", "billing-1", "FailedMount", "2026-01-01T00:00:05Z"),
      event("ReplicaSet", "pooler-orders-rw-7d", "FailedCreate", "2026-01-01T00:00:00Z"),
      event("ConfigMap", "orders-1", "Odd", "2026-01-01T00:00:06Z"),
    ];
    assert.deepEqual(eventReasons("orders", events), [
      "Job orders-1-initdb: FailedCreate (why)",
      "PersistentVolumeClaim orders-1: ProvisioningFailed (why)",
      "ReplicaSet pooler-orders-rw-7d: FailedCreate (why)",
    ]);
  });
});

describe("waiting until something is ready", () => {
  const inputs: ReadinessInputs = { namespace: "db", cluster: "orders", within: 0.03 };
  const setUp = (problems: () => string[]) =>
    providerOf(
      readinessKind(
        { name: () => "Cluster db/orders", problems: async () => problems() },
        async () => new FakeKubernetes(),
        { poll: 2, settle: 8 },
      ),
    );

  it("ends when there is no problem, and no new one in the time that an operator needs to start", async () => {
    const answers = [["rolling"], [], ["restarting"], []];
    let asked = 0;
    await setUp(() => answers[asked++] ?? []).create({ ...inputs, within: 60 });
    assert.ok(asked > answers.length);
  });

  it("fails with what is missing after the time limit", async () => {
    await assert.rejects(
      setUp(() => ["1 of 2 instances are ready"]).create(inputs),
      /db\/orders .*1 of 2 instances.*up` again/,
    );
  });

  it("adds Kubernetes' Events if they may be read", async () => {
    const serving = (list: FakeKubernetes["list"]) =>
      providerOf(
        readinessKind(
          { name: () => "Cluster db/orders", problems: async () => ["0 of 1 instances are ready"] },
          async () => Object.assign(new FakeKubernetes(), { list }),
          { poll: 2, settle: 8 },
        ),
      );
    const involvedObject = { kind: "Job", name: "orders-1-initdb" };
    const event = { metadata: { name: "e" }, involvedObject, reason: "FailedCreate", message: "exceeded quota" };
    await assert.rejects(
      serving(async () => [event]).create(inputs),
      /ready; Job orders-1-initdb: FailedCreate \(exceeded/,
    );
    const denied = async () => Promise.reject(new KubernetesError("access-denied", "events are forbidden"));
    await assert.rejects(serving(denied).create(inputs), /are ready\. Nothing is lost\./);
  });

  it("continues while the API server does not answer, and fails at once if a right is missing", async () => {
    const failing = (failure: "unavailable" | "access-denied") => () => {
      throw new KubernetesError(failure, `${failure} indeed`);
    };
    let asked = 0;
    await setUp(() => (asked++ < 3 ? failing("unavailable")() : [])).create({ ...inputs, within: 5 });
    await assert.rejects(setUp(failing("unavailable")).create(inputs), /is not ready after .*unavailable indeed/);
    await assert.rejects(
      setUp(failing("access-denied")).create({ ...inputs, within: 5 }),
      /^KubernetesError: access-denied indeed$/,
    );
  });

  it("does nothing if nothing must run", async () => {
    await setUp(() => ["nothing runs"]).create({ ...inputs, suspended: true });
  });

  it("is repeated if something is not as expected, e.g. after a failure", async () => {
    let found: string[] = [];
    const { diff } = setUp(() => found);
    assert.deepEqual(await diff("id", inputs, inputs), { changes: false });
    found = ["1 of 2 instances are ready"];
    assert.deepEqual(await diff("id", inputs, inputs), { changes: true });
  });

  it("is repeated only if something else is expected", async () => {
    const { diff } = setUp(() => []);
    assert.deepEqual(await diff("id", inputs, { ...inputs, within: 900 }), { changes: false });
    assert.deepEqual(
      await diff("id", inputs, { ...inputs, context: "prod" }),
      { changes: true },
      "a later delete uses the context",
    );
    assert.deepEqual(await diff("id", inputs, { ...inputs, cluster: "other" }), { changes: true });
  });
});

describe("waiting for a Cluster", () => {
  const inputs: ClusterServingInputs = { ...expected, namespace: "db", cluster: "orders", uid: "uid-1", within: 900 };
  const healthy = {
    phase: "Cluster in healthy state",
    readyInstances: 2,
    currentPrimary: "orders-1",
    instanceNames: ["orders-1", "orders-2"],
  };
  /** A Cluster with two instances, and a clock on which a second takes a millisecond. */
  const setUp = (
    status: Record<string, unknown> = healthy,
    annotations: Record<string, string> = {},
    lists: Record<string, KubernetesObject[]> = {},
  ) => {
    const kubernetes = new FakeKubernetes();
    kubernetes.cluster = {
      metadata: { name: "orders", namespace: "db", uid: "uid-1", annotations },
      spec: { instances: 2, storage: { size: "2Gi" } },
      status,
    };
    const list = async ({ plural }: { plural: string }) => lists[plural] ?? [];
    Object.assign(kubernetes, { list });
    return {
      kubernetes,
      serving: providerOf(clusterServing(async () => kubernetes, { poll: 1, settle: 3, events: 0, second: 2 })),
    };
  };

  it("makes PgBouncer load changed certificates, at the beginning and at the end, in Poolers that no stack declares", async () => {
    const pooler = (name: string, cluster: string, annotations = {}): KubernetesObject => ({
      metadata: { name, uid: name, annotations },
      spec: { cluster: { name: cluster } },
    });
    const poolers = [
      pooler("by-hand", "orders"),
      pooler("others", "crm"),
      pooler("declared", "orders", { "pulumi.com/owner": "acme/p/dev/orders-declared" }),
    ];
    const { kubernetes, serving } = setUp(healthy, {}, { poolers });
    const written: unknown[] = [];
    kubernetes.patch = async (...[{ name }, fields]: Parameters<typeof kubernetes.patch>) => {
      const { annotations } = (fields as { metadata: { annotations: Record<string, string> } }).metadata;
      // Not the annotation of declared Poolers: a Pooler of release 0.1.0 names no owner.
      assert.deepEqual(Object.keys(annotations), ["cnpg-teleport/reload"]);
      written.push([name, annotations["cnpg-teleport/reload"]]);
      poolers[0]!.metadata.annotations = annotations;
    };
    await serving.create(inputs);
    assert.deepEqual(written, [
      ["by-hand", "aa-bb-first"],
      ["by-hand", "aa-bb"],
    ]);
    await serving.update("id", inputs, { ...inputs, written: "another digest" });
    assert.equal(written.length, 2, "the certificates are the same");
    kubernetes.patch = () => Promise.reject(new KubernetesError("access-denied", "no right."));
    const printed = await printedBy(() => serving.create({ ...inputs, serverCertificate: "cc" }));
    assert.match(printed.join("\n"), /^Warning: Poolers that no stack declares may not load .*no right\./);
  });

  it("that was manually hibernated ends at once, and plans a change only if it runs again and is not ready", async () => {
    const { kubernetes, serving } = setUp({ phase: "Cluster in healthy state" }, { "cnpg.io/hibernation": "on" });
    const printed = await printedBy(() => serving.create(inputs));
    assert.match(
      printed.join("\n"),
      /^Warning: the Cluster db\/orders is stopped: .*cnpg\.io\/hibernation: "on".* first `pulumi up` after/,
    );
    const seen = await printedBy(async () =>
      assert.deepEqual(await serving.diff("id", inputs, inputs), { changes: false }),
    );
    assert.equal(seen.length, 1);
    kubernetes.cluster!.metadata.annotations = {};
    await printedBy(async () => assert.deepEqual(await serving.diff("id", inputs, inputs), { changes: true }));
  });

  it("that must be hibernated by the settings continues until it is", async () => {
    const { kubernetes, serving } = setUp(healthy, { "cnpg.io/hibernation": "on" });
    const hibernated = { ...inputs, hibernated: true };
    await printedBy(() => assert.rejects(serving.create({ ...hibernated, within: 5 }), /it is not hibernated yet/));
    kubernetes.cluster!.status = { conditions: [{ type: "cnpg.io/hibernation", status: "True" }] };
    await serving.create(hibernated);
  });

  it("does not ask a manually fenced instance, and names it", async () => {
    const { kubernetes, serving } = setUp(
      { ...healthy, readyInstances: 1 },
      { "cnpg.io/fencedInstances": '["orders-2"]' },
    );
    await serving.create(inputs);
    assert.deepEqual([...new Set(kubernetes.ran.map(({ pod }) => pod))], ["orders-1"]);
    const printed = await printedBy(async () => serving.diff("id", inputs, inputs));
    assert.match(printed.join("\n"), /orders-2 is fenced \(annotation cnpg\.io\/fencedInstances/);
  });

  it("counts the present instances, whoever scaled it", async () => {
    const { kubernetes, serving } = setUp({ ...healthy, readyInstances: 3 });
    kubernetes.cluster!.spec!.instances = 3;
    await serving.create(inputs);
  });

  it("that was manually deleted fails at once, and says that a new one is empty", async () => {
    const { kubernetes, serving } = setUp();
    kubernetes.cluster = undefined;
    await printedBy(() =>
      assert.rejects(
        serving.update("id", inputs, inputs),
        /db\/orders .*does not exist.*`pulumi refresh`.*EMPTY.*backup/,
      ),
    );
    kubernetes.cluster = { metadata: { name: "orders", uid: "another" }, status: healthy };
    await printedBy(() => assert.rejects(serving.update("id", inputs, inputs), /does not exist/));
  });

  it("that no operator processes fails after a minute, and says where to look", async () => {
    const { serving } = setUp({});
    await printedBy(() =>
      assert.rejects(serving.create(inputs), /after [0-9]{2,3} s: CloudNativePG has not begun to.*WATCH_NAMESPACE/),
    );
  });

  it("whose pods a quota forbids fails after half a minute, but not because of earlier refusals", async () => {
    const event = (count: number, name = "e"): KubernetesObject => ({
      metadata: { name },
      involvedObject: { kind: "Job", name: "orders-1-initdb" },
      reason: "FailedCreate",
      message: 'pods "x" is forbidden: exceeded quota: no-pods',
      count,
    });
    let asked = 0;
    let countOf: (look: number) => number = () => 1;
    const { kubernetes, serving } = setUp({ phase: "Setting up primary", currentPrimary: "orders-1" });
    Object.assign(kubernetes, {
      list: async ({ plural }: { plural: string }) => (plural === "events" ? [event(countOf(asked++))] : []),
    });
    const fails = (within: number, message: RegExp) => {
      asked = 0;
      return printedBy(() => assert.rejects(serving.create({ ...inputs, within }), message));
    };
    await fails(100, /after 100 s: .*exceeded quota/);
    // Forbidden once more, and not again: the pod may have been created meanwhile.
    countOf = (look) => (look === 0 ? 1 : 2);
    await fails(100, /after 100 s: /);
    countOf = (look) => look;
    const message = /after [0-9]+ s: Job orders-1-initdb: FailedCreate .*exceeded quota.*remove what forbids/;
    await fails(90_000, message);
    // Each attempt names another pod, so it has another Event.
    const list = async ({ plural }: { plural: string }) =>
      plural === "events" ? Array.from({ length: ++asked }, (_, index) => event(1, `e${index}`)) : [];
    Object.assign(kubernetes, { list });
    await fails(90_000, message);
  });

  it("prints what is missing whenever it changes", async () => {
    const { kubernetes, serving } = setUp({ phase: "Setting up primary", currentPrimary: "orders-1" });
    const get = kubernetes.get.bind(kubernetes);
    let looks = 0;
    kubernetes.get = async (reference) => {
      if (++looks === 4) kubernetes.cluster!.status = healthy;
      return get(reference);
    };
    const printed = await printedBy(() => serving.create({ ...inputs, within: 90_000 }));
    assert.deepEqual(printed, [
      "Waiting for the Cluster db/orders: CloudNativePG says: Setting up primary; 0 of 2 instances are ready",
    ]);
  });

  describe("with a volume that does not grow", () => {
    const claim = (capacity: string, requested = "1Gi", more: object = {}): KubernetesObject => ({
      metadata: { name: "orders-1", labels: { "cnpg.io/pvcRole": "PG_DATA" } },
      spec: { storageClassName: "slow", resources: { requests: { storage: requested } } },
      status: { phase: "Bound", capacity: { storage: capacity }, ...more },
    });
    const fails = async (persistentvolumeclaims: KubernetesObject[], message: RegExp, expands?: boolean) => {
      const { kubernetes, serving } = setUp(healthy, {}, { persistentvolumeclaims });
      const get = kubernetes.get.bind(kubernetes);
      const storageClass = { metadata: { name: "slow" }, allowVolumeExpansion: expands };
      kubernetes.get = async (reference) => {
        if (reference.name !== "slow") return get(reference);
        if (expands === undefined) throw new KubernetesError("access-denied", "no");
        return storageClass;
      };
      await printedBy(() => assert.rejects(serving.create(inputs), message));
    };

    it("fails soon if the storage class does not allow it, with claim, sizes, reason and fixes", async () => {
      await fails(
        [claim("1Gi")],
        /after [0-9]+ s: PersistentVolumeClaim orders-1 has 1Gi instead of the 2Gi of storage\.size: its StorageClass slow does not allow.*does not accept a smaller size.*resizeInUseVolumes: false/,
        false,
      );
    });

    it("fails if the storage class may not be read, and names it", async () => {
      await fails([claim("1Gi")], /could not request the new size; see allowVolumeExpansion of the StorageClass slow/);
    });

    it("fails in the storage's words if it will never grow", async () => {
      const refused = {
        allocatedResourceStatuses: { storage: "ControllerResizeInfeasible" },
        conditions: [{ type: "ControllerResizeError", status: "True", message: "the volume has its largest size" }],
      };
      await fails([claim("1Gi", "2Gi", refused)], /after [0-9]+ s: .*ControllerResizeInfeasible.*largest size/, true);
    });

    it("waits while it is being resized, and accepts the same or a larger size", async () => {
      const { kubernetes, serving } = setUp();
      let looks = 0;
      const list = async ({ plural }: { plural: string }) =>
        plural === "persistentvolumeclaims" ? [claim(++looks < 4 ? "1Gi" : "2147483648", "2Gi")] : [];
      Object.assign(kubernetes, { list });
      const printed = await printedBy(() => serving.create({ ...inputs, within: 90_000 }));
      assert.match(printed.join("\n"), /orders-1 has 1Gi instead of the 2Gi of storage\.size: it is being resized$/);
      await printedBy(async () => assert.deepEqual(await serving.diff("id", inputs, inputs), { changes: false }));
    });

    it("is found among all volumes of an instance, and reported with its setting", () => {
      const of = (pvcRole: string, tablespaceName?: string): KubernetesObject => ({
        ...claim("1Gi"),
        metadata: { name: "c", labels: { "cnpg.io/pvcRole": pvcRole, "cnpg.io/tablespaceName": tablespaceName } },
      });
      const tablespaces = [
        { name: "slow", storage: { size: "1Gi" } },
        { name: "fast", storage: { size: "4Gi" } },
      ];
      const spec = { storage: { size: "2Gi" }, walStorage: { size: "3Gi" }, tablespaces };
      const claims = [
        of("PG_DATA"),
        of("PG_WAL"),
        of("PG_TABLESPACE", "slow"),
        of("PG_TABLESPACE", "fast"),
        of("MINE"),
      ];
      assert.deepEqual(
        volumeProblems({ metadata: { name: "orders" }, spec }, claims, () => false).map(
          ({ text }) => /has 1Gi instead of (.*): its StorageClass/.exec(text)?.[1],
        ),
        ["the 2Gi of storage.size", "the 3Gi of walStorage.size", "the 4Gi of tablespaces: fast"],
      );
    });

    it("plans a change in the next run, which fails again", async () => {
      const { serving } = setUp(healthy, {}, { persistentvolumeclaims: [claim("1Gi")] });
      const printed = await printedBy(async () =>
        assert.deepEqual(await serving.diff("id", inputs, inputs), { changes: true }),
      );
      assert.match(printed.join("\n"), /orders-1 has 1Gi instead of the 2Gi/);
    });

    it("does not wait if existing volumes are not resized, or if claims may not be read", async () => {
      const { kubernetes, serving } = setUp(healthy, {}, { persistentvolumeclaims: [claim("1Gi")] });
      kubernetes.cluster!.spec!.storage = { size: "2Gi", resizeInUseVolumes: false };
      await serving.create(inputs);
      const denied = setUp();
      Object.assign(denied.kubernetes, {
        list: async ({ plural }: { plural: string }) => {
          if (plural === "persistentvolumeclaims") throw new KubernetesError("access-denied", "no");
          return [];
        },
      });
      const printed = await printedBy(() => denied.serving.create(inputs));
      assert.equal(printed.length, 1);
      assert.match(printed[0] ?? "", /could not be checked. .*`list` on persistentvolumeclaims/);
    });
  });

  it("fails at once if an upgrade to another major version failed, with the reason and the image to set again", async () => {
    const pod = {
      metadata: { name: "orders-1-major-upgrade-x", labels: { "cnpg.io/jobRole": "major-upgrade" } },
      status: { phase: "Failed" },
    };
    const { kubernetes, serving } = setUp(
      {
        ...{ phase: "Upgrading Postgres major version", currentPrimary: "orders-1" },
        pgDataImageInfo: { image: "postgresql:15.9", majorVersion: 15 },
      },
      {},
      { pods: [pod] },
    );
    const said = [
      { level: "info", logger: "pg_upgrade", msg: "Checking for prepared transactions            ok" },
      { level: "info", logger: "pg_upgrade", msg: "Checking for presence of required libraries   fatal" },
      { level: "info", logger: "pg_upgrade", msg: "Your installation references loadable libraries that are missing" },
      { level: "info", logger: "pg_upgrade", msg: "    /data/pgdata-new/loadable_libraries.txt" },
      { level: "info", logger: "pg_upgrade", msg: "Failure, exiting" },
      { level: "error", msg: "error while running pg_upgrade", error: "exit status 1" },
    ];
    const fails = async (log: string | undefined, message: RegExp) => {
      kubernetes.log = async () => log;
      await printedBy(() => assert.rejects(serving.create(inputs), message));
    };
    await fails(
      said.map((line) => JSON.stringify(line)).join("\n"),
      /the upgrade from PostgreSQL 15 failed: Checking for presence of required libraries fatal Your installation references loadable libraries that are missing \/data\/pgdata-new\/loadable_libraries\.txt.* No data is lost\. Set the image postgresql:15\.9 again and run `pulumi up`/,
    );
    await fails(JSON.stringify({ level: "error", msg: "FATAL: no space left" }), /15 failed: FATAL: no space left/);
    await fails(undefined, /15 failed: see `kubectl -n db logs orders-1-major-upgrade-x`/);
  });

  it("fails at once if its recovery has paused for good, with the parameter that is too low", async () => {
    const pod = {
      metadata: { name: "orders-1-full-recovery-x", labels: { "cnpg.io/jobRole": "full-recovery" } },
      status: { phase: "Running" },
    };
    const { kubernetes, serving } = setUp({ phase: "Setting up primary" }, {}, { pods: [pod] });
    const detail = "max_connections = 50 is a lower setting than on the primary server, where its value was 60.";
    const warning = "hot standby is not possible because of insufficient parameter settings";
    let log = '{"level":"info","msg":"Checking if the server is still in recovery"}\n';
    Object.assign(kubernetes, { log: async () => log });
    setTimeout(
      () => (log += `{"record":{"error_severity":"WARNING","message":"${warning}","detail":"${detail}"}}\n`),
      20,
    );
    await assert.rejects(
      serving.create({ ...inputs, within: 60 }),
      /the recovery has paused for good: max_connections = 50 is a lower setting .*to at least that value.*delete cluster orders/,
    );
  });

  describe("whose initdb fails", () => {
    const failedPod = (name: string): KubernetesObject => ({
      metadata: {
        name,
        labels: { "cnpg.io/jobRole": "initdb", "job-name": "orders-1-initdb" },
        creationTimestamp: `2026-01-01T00:00:0${name.slice(-1)}Z`,
      },
      status: { phase: "Failed" },
    });
    const log = [
      '{"level":"info","ts":"t","msg":"Creating new data directory","logger":"initdb"}',
      '{"level":"info","msg":"initdb: error: invalid locale name \\"xx_YY\\"\\n","pipe":"stderr"}',
      '{"level":"error","msg":"Error while bootstrapping data directory","error":"exit status 1"}',
    ].join("\n");
    const job = { metadata: { name: "orders-1-initdb", uid: "job-1", creationTimestamp: "2026-01-01T00:00:00Z" } };
    const failing = (pods: KubernetesObject[], status: object = { phase: "Setting up primary" }) => {
      const lists = { pods };
      const made = setUp({ ...status }, {}, lists);
      const removed: string[] = [];
      const get = made.kubernetes.get.bind(made.kubernetes);
      Object.assign(made.kubernetes, {
        log: async () => log,
        get: async (reference: { plural?: string; name: string }) =>
          reference.plural === "jobs" ? job : get(reference),
        remove: async (_reference: object, uid: string) => {
          removed.push(uid);
          lists.pods = [];
        },
      });
      return { ...made, lists, removed };
    };

    it("fails at once if the operator gave up, in initdb's own words", async () => {
      const { lists, serving } = failing([]);
      setTimeout(() => (lists.pods = [1, 2, 3].map((number) => failedPod(`orders-1-initdb-${number}`))), 10);
      await printedBy(() =>
        assert.rejects(
          serving.create(inputs),
          /initdb failed 3 times: initdb: error: invalid locale name "xx_YY".*no data yet. Correct initdb.*kubectl -n db delete job orders-1-initdb/,
        ),
      );
    });

    it("is restarted by the next run, without touching a volume", async () => {
      const { kubernetes, serving, removed } = failing([failedPod("orders-1-initdb-1")]);
      const remove = kubernetes.remove.bind(kubernetes) as (reference: object, uid: string) => Promise<void>;
      const removing = async (reference: object, uid: string) => {
        await remove(reference, uid);
        kubernetes.cluster!.status = healthy;
      };
      Object.assign(kubernetes, { remove: removing });
      const printed = await printedBy(() => serving.create(inputs));
      assert.deepEqual(removed, ["job-1"]);
      assert.match(printed[0] ?? "", /initdb of the Cluster db\/orders failed in an earlier run, and is started again/);
    });

    it("is not restarted if there may be data, or if it runs for the present spec", async () => {
      const attempts = { isRunning: false, container: "initdb" };
      const cluster: KubernetesObject = { metadata: { name: "orders" }, status: { phase: "x" } };
      const ready: KubernetesObject = { metadata: { name: "orders-1", annotations: { "cnpg.io/pvcStatus": "ready" } } };
      assert.equal(mayRestartInitdb(cluster, attempts, job, []), true);
      assert.equal(mayRestartInitdb(cluster, attempts, job, [ready]), false);
      assert.equal(mayRestartInitdb({ ...cluster, status: { currentPrimary: "orders-1" } }, attempts, job, []), false);
      assert.equal(mayRestartInitdb({ ...cluster, status: { readyInstances: 1 } }, attempts, job, []), false);
      assert.equal(mayRestartInitdb(cluster, attempts, { ...job, status: { succeeded: 1 } }, []), false);
      const writtenAt = (time: string): KubernetesObject => ({
        metadata: { name: "orders", managedFields: [{ time, fieldsV1: { "f:spec": {} } }] },
      });
      assert.equal(
        mayRestartInitdb(writtenAt("2025-12-31T23:59:59Z"), { isRunning: true, container: "initdb" }, job, []),
        false,
      );
      assert.equal(
        mayRestartInitdb(writtenAt("2026-01-01T00:00:01Z"), { isRunning: true, container: "initdb" }, job, []),
        true,
      );
    });
  });
});

describe("Databases of a stopped Cluster", () => {
  const inputs: DatabasesServingInputs = {
    namespace: "db",
    cluster: "orders",
    uid: "uid-1",
    within: 900,
    databases: { "orders.kept": "", "orders.dropped": "" },
  };
  const setUp = (annotations: Record<string, string>) => {
    const kubernetes = new FakeKubernetes();
    kubernetes.cluster!.metadata.annotations = annotations;
    const get = kubernetes.get.bind(kubernetes);
    const patched: [string, object][] = [];
    kubernetes.get = async ({ name }) =>
      name === "orders"
        ? get({ name })
        : {
            metadata: { name, resourceVersion: "7", finalizers: ["cnpg.io/deleteDatabase", "example.com/other"] },
            spec: { databaseReclaimPolicy: name === "orders.dropped" ? "delete" : "retain" },
          };
    Object.assign(kubernetes, {
      patch: async ({ name }: { name: string }, fields: object) => void patched.push([name, fields]),
    });
    return { patched, serving: providerOf(databasesServing(async () => kubernetes)) };
  };

  it("do not make `up` wait, and lose their finalizers unless they must be dropped", async () => {
    const { patched, serving } = setUp({ "cnpg.io/hibernation": "on" });
    const printed = await printedBy(async () => {
      await serving.create(inputs);
      assert.deepEqual(await serving.diff("id", inputs, inputs), { changes: false });
      await serving.delete("id", inputs);
    });
    const left = { metadata: { resourceVersion: "7", finalizers: ["example.com/other"] } };
    assert.deepEqual(patched, [["orders.kept", left]]);
    assert.match(printed.at(-1) ?? "", /orders\.dropped cannot be dropped.*Start the Cluster first/);
    await printedBy(async () => serving.update("id", inputs, { ...inputs, databases: { "orders.dropped": "" } }));
    assert.equal(patched.length, 2);
  });

  it("are left to the primary while it runs", async () => {
    const { patched, serving } = setUp({});
    await serving.delete("id", inputs);
    assert.deepEqual(patched, []);
  });
});

describe("Databases of a Cluster that was demoted, and is promoted again", () => {
  const databases = { "orders.app": "", "orders.new": "" };
  const inputs: DatabasesServingInputs = { namespace: "db", cluster: "orders", uid: "uid-1", within: 900, databases };
  const waiting = "waiting for the cluster to become primary";
  const setUp = (replica?: object) => {
    const kubernetes = new FakeKubernetes();
    kubernetes.cluster!.spec = { ...kubernetes.cluster!.spec, replica };
    // Applied before the demotion; declared during it, so the primary looks at it again by itself.
    const forgotten = { metadata: { name: "orders.app", generation: 2 }, status: { observedGeneration: 2 } };
    kubernetes.objects.set("orders.app", { ...forgotten, status: { ...forgotten.status, message: waiting } });
    kubernetes.objects.set("orders.new", {
      ...{ metadata: { name: "orders.new", generation: 1 }, status: { applied: true, observedGeneration: 1 } },
    });
    const reset: string[] = [];
    kubernetes.patchStatus = async ({ name }, status) => {
      reset.push(name);
      assert.deepEqual(status, { observedGeneration: 0 });
      kubernetes.objects.get(name)!.status = { applied: true, observedGeneration: 2 };
    };
    const timing = { poll: 1, settle: 1, events: 1, second: 20 };
    return { reset, serving: providerOf(databasesServing(async () => kubernetes, timing)) };
  };

  it("are applied once more, because the primary ignores them", async () => {
    const { reset, serving } = setUp({ self: "orders", primary: "orders", source: "other" });
    await printedBy(() => serving.create(inputs));
    assert.deepEqual(reset, ["orders.app"]);
  });

  it("stay as they are in a replica cluster", async () => {
    const { reset, serving } = setUp({ self: "orders", primary: "other", source: "other" });
    await printedBy(() => serving.create(inputs));
    assert.deepEqual(reset, []);
  });
});

describe("DatabaseRoles of a Cluster", () => {
  const inputs: DatabaseRolesServingInputs = {
    namespace: "db",
    cluster: "orders",
    uid: "uid-1",
    within: 1,
    roles: { "orders.reader": "", "orders.writer": "" },
    retained: false,
  };
  const setUp = (status: object = { applied: true, observedGeneration: 1 }) => {
    const kubernetes = new FakeKubernetes();
    const done: string[] = [];
    for (const role of ["reader", "writer"]) {
      const name = `orders.${role}`;
      const metadata = {
        name,
        uid: `uid-${role}`,
        generation: 1,
        resourceVersion: "7",
        finalizers: ["cnpg.io/deleteRole"],
      };
      kubernetes.objects.set(name, { metadata, spec: { name: role }, status: { ...status } });
    }
    Object.assign(kubernetes, {
      patch: async ({ plural, name }: { plural: string; name: string }, fields: object) =>
        void done.push(`${plural}/${name} ${JSON.stringify(fields)}`),
      remove: async ({ plural, name }: { plural: string; name: string }, uid: string) =>
        void done.push(`${plural}/${name} deleted ${uid}`),
    });
    const timing = { poll: 1, settle: 1, events: 1, second: 20 };
    return { kubernetes, done, serving: providerOf(databaseRolesServing(async () => kubernetes, timing)) };
  };
  const released = (role: string) =>
    `databaseroles/orders.${role} {"metadata":{"resourceVersion":"7","finalizers":[]}}`;
  const deleted = (role: string) => `databaseroles/orders.${role} deleted uid-${role}`;

  it("make `up` wait until the primary has applied them; if it does not, the error has the operator's reason", async () => {
    await setUp().serving.create(inputs);
    const { serving } = setUp({ applied: false, message: 'role "nobody" does not exist' });
    await printedBy(async () => {
      assert.deepEqual(await serving.diff("id", inputs, inputs), { changes: true });
      await assert.rejects(
        serving.create(inputs),
        /orders\.reader: role "nobody" does not exist; DatabaseRole orders\.writer: role "nobody" does not exist/,
      );
    });
  });

  it("lose their finalizers before their Cluster is deleted, because no primary would remove them later", async () => {
    const { done, serving } = setUp();
    await serving.delete("id", inputs);
    assert.deepEqual(done, [released("reader"), released("writer")]);
  });

  it("stay as they are if the Cluster stays, unless it declares their roles by now", async () => {
    const { kubernetes, done, serving } = setUp();
    await serving.delete("id", { ...inputs, retained: true });
    assert.deepEqual(done, []);
    kubernetes.cluster!.spec = { managed: { roles: [{ name: "reader" }] } };
    await serving.delete("id", { ...inputs, retained: true });
    assert.deepEqual(done, [released("reader"), deleted("reader")]);
  });

  it("are deleted with a removed user: by Pulumi, or here if Pulumi would leave them", async () => {
    for (const retained of [false, true]) {
      const { done, serving } = setUp();
      const olds = { ...inputs, retained };
      await serving.update("id", olds, { ...olds, roles: { "orders.reader": "" } });
      assert.deepEqual(done, [released("writer"), ...(retained ? [deleted("writer")] : [])]);
    }
  });
});

describe("what is printed while `up` waits", () => {
  it("is printed when it changes and otherwise every half minute, in lines of limited length", () => {
    const printed: string[] = [];
    let now = 0;
    const progress = progressOf(
      "the Pooler db/p",
      (line) => void printed.push(line),
      () => now,
    );
    for (now = 0; now <= 61_000; now += 1_000) progress(["0 of 2\x1b[2J"]);
    assert.equal(printed.length, 3);
    assert.equal(printed[0], "Waiting for the Pooler db/p: 0 of 2\\x1b[2J");
    progress(Array.from({ length: 100 }, (_, index) => `${index} ${"x".repeat(500)}`));
    assert.ok((printed.at(-1) ?? "").length < 1_100);
  });
});
