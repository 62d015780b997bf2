import { strict as assert } from "node:assert";
import { KubernetesObject } from "../../../components/kubernetes/client";
import {
  clusterProblems,
  ExpectedCluster,
  instanceProblems,
  instanceQuery,
} from "../../../components/serving/cluster-state";
import { eventReasons } from "../../../components/serving/event-reasons";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { poolerProblems } from "../../../components/serving/pooler-state";
import { servingOperations, ServingInputs } from "../../../components/serving/serving-operations";
import { FakeKubernetes } from "../access/fake-kubernetes";

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

describe("whether a Cluster serves", () => {
  it("is told by its phase and the number of ready instances", () => {
    assert.deepEqual(
      clusterProblems(object({ phase: "Cluster in healthy state", readyInstances: 2 }), [], expected),
      [],
    );
    assert.deepEqual(
      clusterProblems(object({ phase: "Failing over", phaseReason: "lost", readyInstances: 1 }), [], expected),
      ["CloudNativePG says: Failing over (lost)", "1 of 2 instances are ready"],
    );
    assert.deepEqual(clusterProblems(undefined, [], expected), ["it does not exist"]);
  });

  it("is not true while an instance runs another image; its pod tells why", () => {
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

  it("is not true while a node does not take a pod up", () => {
    const assigned: KubernetesObject = {
      metadata: { name: "orders-2" },
      spec: { nodeName: "west-1" },
      status: { phase: "Pending" },
    };
    const told = clusterProblems(object({ phase: "Creating a new replica", readyInstances: 1 }), [assigned], expected);
    assert.equal(told.at(-1), "orders-2: the kubelet of west-1 has not taken it up");
    const started = { ...assigned, status: { phase: "Pending", containerStatuses: [{ name: "postgres", state: {} }] } };
    assert.deepEqual(
      clusterProblems(object({ phase: "Creating a new replica", readyInstances: 1 }), [started], expected).length,
      2,
    );
  });

  it("is told by its condition while it is to be hibernated", () => {
    const hibernated = { ...expected, hibernated: true };
    assert.equal(clusterProblems(object({ phase: "Cluster in healthy state" }), [], hibernated).length, 1);
    const conditions = [{ type: "cnpg.io/hibernation", status: "True" }];
    assert.deepEqual(clusterProblems(object({ conditions }), [], hibernated), []);
  });

  it("waits for no person where updates are supervised", () => {
    const waiting = object({ phase: "Waiting for user action", readyInstances: 2 });
    assert.equal(clusterProblems(waiting, [], expected).length, 1);
    assert.deepEqual(clusterProblems(waiting, [], { ...expected, supervised: true }), []);
    assert.doesNotMatch(instanceQuery({ ...expected, supervised: true }), /pending_restart/);
  });

  it("is asked of each instance: certificate, bundle, settings, rules", () => {
    const query = instanceQuery(expected);
    for (const part of ["'aa'", "'bb'", "'8MB'", "'reader'", "pending_restart", "pg_conf_load_time"])
      assert.ok(query.includes(part));
    assert.deepEqual(instanceProblems("orders-1", "has not the bundle yet\0"), ["orders-1 has not the bundle yet"]);
  });
});

describe("whether a Pooler serves", () => {
  const pooler = object({ phase: "active" }, { instances: 2 });
  const serving = { observedGeneration: 3, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

  it("is told by its Deployment, and not by its phase", () => {
    assert.deepEqual(poolerProblems({ pooler, deployment: object(serving, { replicas: 2 }, 3), pods: [] }), []);
    const rolling = object({ ...serving, updatedReplicas: 1 }, { replicas: 2 }, 3);
    assert.deepEqual(poolerProblems({ pooler, deployment: rolling, pods: [] }), [
      "1 of 2 instances of PgBouncer serve",
    ]);
    const unobserved = object(serving, { replicas: 2 }, 4);
    assert.equal(poolerProblems({ pooler, deployment: unobserved, pods: [] }).length, 1);
  });

  it("names the operator's reasons, and the pods'", () => {
    const waiting = { name: "pgbouncer", state: { waiting: { reason: "ImagePullBackOff", message: "no such image" } } };
    const problems = poolerProblems({
      pooler: object({ phase: "inactive", phaseReason: "secret missing" }, { instances: 1 }),
      cluster: object({ phase: "Unable to create required cluster objects" }),
      pods: [object({ containerStatuses: [waiting] })],
    });
    assert.deepEqual(problems, [
      "CloudNativePG made no Deployment for it",
      "CloudNativePG says of the Pooler: inactive (secret missing)",
      "CloudNativePG says of the Cluster: Unable to create required cluster objects",
      "x: ImagePullBackOff (no such image)",
    ]);
  });
});

describe("what Kubernetes' Events say against a Cluster", () => {
  const event = (kind: string, name: string, reason: string, lastTimestamp: string): KubernetesObject => ({
    metadata: { name: `${name}.1` },
    involvedObject: { kind, name },
    reason,
    message: "why",
    lastTimestamp,
  });

  it("is what concerns it and is no symptom, each once, the newest first", () => {
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

describe("waiting until something serves", () => {
  const inputs: ServingInputs = { namespace: "db", cluster: "orders", within: 0.03 };
  const setUp = (problems: () => string[]) =>
    servingOperations(
      { name: () => "Cluster db/orders", problems: async () => problems() },
      async () => new FakeKubernetes(),
      { poll: 2, settle: 8 },
    );

  it("ends when there is no problem, and none comes up in the time an operator needs to begin", async () => {
    const answers = [["rolling"], [], ["restarting"], []];
    let asked = 0;
    await setUp(() => answers[asked++] ?? []).create(inputs);
    assert.ok(asked > answers.length);
  });

  it("fails with what is missing when the time is over", async () => {
    await assert.rejects(
      setUp(() => ["1 of 2 instances are ready"]).create(inputs),
      /db\/orders .*1 of 2 instances.*up` again/,
    );
  });

  it("adds what Kubernetes says, where that may be read", async () => {
    const serving = (list: FakeKubernetes["list"]) =>
      servingOperations(
        { name: () => "Cluster db/orders", problems: async () => ["0 of 1 instances are ready"] },
        async () => Object.assign(new FakeKubernetes(), { list }),
        { poll: 2, settle: 8 },
      );
    const involvedObject = { kind: "Job", name: "orders-1-initdb" };
    const event = { metadata: { name: "e" }, involvedObject, reason: "FailedCreate", message: "exceeded quota" };
    await assert.rejects(
      serving(async () => [event]).create(inputs),
      /ready; Job orders-1-initdb: FailedCreate \(exceeded/,
    );
    const denied = async () => Promise.reject(new KubernetesError("access-denied", "events are forbidden"));
    await assert.rejects(serving(denied).create(inputs), /are ready\. Nothing is lost/);
  });

  it("does not end because the API server is away for a while, and ends at once where a right is missing", async () => {
    const failing = (failure: "unavailable" | "access-denied") => () => {
      throw new KubernetesError(failure, `${failure} indeed`);
    };
    let asked = 0;
    await setUp(() => (asked++ < 3 ? failing("unavailable")() : [])).create({ ...inputs, within: 5 });
    await assert.rejects(setUp(failing("unavailable")).create(inputs), /does not serve .*unavailable indeed/);
    await assert.rejects(
      setUp(failing("access-denied")).create({ ...inputs, within: 5 }),
      /^KubernetesError: access-denied indeed$/,
    );
  });

  it("does nothing while nothing is to run", async () => {
    await setUp(() => ["nothing runs"]).create({ ...inputs, suspended: true });
  });

  it("is done again when what is there is not as expected, as after a failure", async () => {
    let found: string[] = [];
    const { diff } = setUp(() => found);
    assert.deepEqual(await diff("id", inputs, inputs), { changes: false });
    found = ["1 of 2 instances are ready"];
    assert.deepEqual(await diff("id", inputs, inputs), { changes: true });
  });

  it("is done again only when something else is expected", async () => {
    const { diff } = setUp(() => []);
    assert.deepEqual(await diff("id", inputs, { ...inputs, within: 900, context: "prod" }), { changes: false });
    assert.deepEqual(await diff("id", inputs, { ...inputs, cluster: "other" }), { changes: true });
  });
});
