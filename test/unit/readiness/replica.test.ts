import { strict as assert } from "node:assert";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { problemOf, ProblemOrText } from "../../../components/readiness/reasons";
import {
  divergence,
  ExpectedRole,
  restoreProblem,
  roleProblems,
  tokenProblem,
  transitionProblems,
} from "../../../components/readiness/replica";
import { FakeKubernetes } from "../postgres/fake-kubernetes";

const log = (...lines: object[]) => lines.map((line) => JSON.stringify(line)).join("\n");
const asked = (serverName: string) => ({
  level: "info",
  msg: "Restoring WAL file",
  serverName,
  walName: "0000000100000000000000A1",
});
const missing = { level: "info", msg: "WAL file not found in the recovery object store" };
const restored = { level: "info", msg: "Restored WAL file" };
const failed = {
  level: "warning",
  msg: "Failed restoring WAL file (Postgres might retry)",
  error: "connectivity failure",
};
const texts = (found: ProblemOrText[]) => found.map((one) => problemOf(one).text);

/** A Kubernetes whose primary is orders-1. `answers`: the rows of queries that contain a text. */
function cluster(
  answers: Record<string, string> = {},
  logs: Record<string, string> = {},
  status = {},
  annotations = {},
) {
  const kubernetes = new FakeKubernetes();
  kubernetes.answer = ({ script }) => Object.entries(answers).find(([part]) => script.includes(part))?.[1];
  Object.assign(kubernetes.logs, logs);
  const object: KubernetesObject = {
    metadata: { name: "orders", namespace: "db", annotations },
    status: { currentPrimary: "orders-1", instanceNames: ["orders-1"], ...status },
  };
  const inputs = (role?: ExpectedRole, fenced: string[] = []) => ({ namespace: "db", cluster: "orders", role, fenced });
  return {
    role: async (role?: ExpectedRole, fenced?: string[]) =>
      texts(await roleProblems(kubernetes, inputs(role, fenced), object)),
    transition: (role?: ExpectedRole, pods: KubernetesObject[] = []) =>
      transitionProblems(kubernetes, inputs(role), object, pods),
    kubernetes,
  };
}

const ARCHIVE = { follows: "south", archiveName: "south-1" };
const STREAM = { follows: "south", streams: true };
const streaming = { pg_stat_wal_receiver: "streaming" };

describe("a Cluster without a topology", () => {
  it("has no role to wait for, and is not asked", async () => {
    const { role, transition, kubernetes } = cluster();
    assert.deepEqual([await role(), await transition()], [[], []]);
    assert.deepEqual(kubernetes.ran, []);
  });
});

describe("the primary cluster of a topology", () => {
  it("is ready when its primary accepts writes", async () => {
    assert.deepEqual(await cluster().role({}), []);
    assert.deepEqual(await cluster({ pg_is_in_recovery: "does not accept writes yet" }).role({}), [
      "orders-1 does not accept writes yet",
    ]);
  });

  it("is never ready with a token that does not fit, and says why", async () => {
    const status = {
      phase: "Cluster is unrecoverable and needs manual intervention",
      phaseReason: "Promotion token content is not correct for current instance",
    };
    const reason = "promotion token LSN (0/5) is older than the last replay LSN (0/7)";
    const logs = {
      postgres: log({ level: "error", tokenStatus: "an older one" }, { level: "error", tokenStatus: reason }),
    };
    const [problem] = await cluster({}, logs, status).transition({});
    assert.ok(problem && typeof problem !== "string");
    assert.equal(problem.text, `CloudNativePG does not promote the Cluster with replica.promotionToken: ${reason}`);
    assert.ok((problem.finalAfter ?? Infinity) < 60);
    assert.match(problem.remedy ?? "", /present demotion token of the former primary cluster/);
    assert.deepEqual(await cluster({}, logs, { ...status, phaseReason: "another" }).transition({}), []);
    assert.equal(tokenProblem("no token here"), undefined);
  });
});

describe("a replica cluster", () => {
  it("is ready when it streams", async () => {
    assert.deepEqual(await cluster(streaming).role(STREAM), []);
  });

  it("is not ready while it accepts writes, has paused, is fenced, or has no primary", async () => {
    const writes = { "still accepts writes": "still accepts writes" };
    assert.deepEqual(await cluster(writes).role(ARCHIVE), ["orders-1 still accepts writes"]);
    const paused = { pg_is_wal_replay_paused: "has paused its recovery" };
    assert.deepEqual(await cluster(paused).role(ARCHIVE), ["orders-1 has paused its recovery"]);
    const all = { "cnpg.io/fencedInstances": '["*"]' };
    assert.deepEqual(await cluster(streaming, {}, {}, all).role(STREAM), ["orders-1 is fenced"]);
    assert.deepEqual(await cluster(streaming, {}, {}, all).role(STREAM, ["*"]), [], "the settings fence it");
    assert.deepEqual(await cluster(streaming, {}, { currentPrimary: undefined }).role(STREAM), [
      "it has no primary yet",
    ]);
  });

  it("is not ready while CloudNativePG makes it one", async () => {
    const { transition } = cluster({}, {}, { switchReplicaClusterStatus: { inProgress: true } });
    assert.deepEqual(texts(await transition(ARCHIVE)), ["CloudNativePG is making it a replica cluster"]);
  });

  it("names PostgreSQL's reason if it does not stream", async () => {
    const message = "streaming replication receiver could not connect to the primary server: certificate verify failed";
    const postgres = log({ level: "info", record: { error_severity: "FATAL", message } });
    assert.deepEqual(await cluster({}, { postgres }).role(STREAM), [
      `orders-1 does not stream from south yet: FATAL: ${message}`,
    ]);
    assert.deepEqual(await cluster().role(STREAM), ["orders-1 does not stream from south yet"]);
  });

  it("is ready when it waits for the next file of the archive", async () => {
    const plugin = (...lines: object[]) => cluster({}, { "plugin-barman-cloud": log(...lines) });
    assert.deepEqual(await plugin(asked("south-1"), restored, asked("south-1"), missing).role(ARCHIVE), []);
    assert.deepEqual(await plugin(asked("south-1"), failed).role(ARCHIVE), [
      "orders-1 does not follow south: Failed restoring WAL file (Postgres might retry): connectivity failure",
    ]);
    assert.deepEqual(await plugin().role(ARCHIVE), ["orders-1 does not follow south: the archive was not read yet"]);
  });

  it("is ready with either way if it has both", async () => {
    const both = { ...ARCHIVE, streams: true };
    assert.deepEqual(await cluster(streaming).role(both), []);
    assert.deepEqual(await cluster({}, { "plugin-barman-cloud": log(asked("south-1"), missing) }).role(both), []);
    assert.deepEqual(await cluster({}, { "plugin-barman-cloud": log(asked("south-1"), failed) }).role(both), [
      "orders-1 does not stream from south yet",
    ]);
  });

  it("counts as ready if its logs may not be read, because earlier versions did not need this right", async () => {
    const { role, kubernetes } = cluster();
    kubernetes.log = async () => {
      throw new KubernetesError("access-denied", "pods/log is forbidden");
    };
    assert.deepEqual(await role(ARCHIVE), []);
  });

  it("is never ready if its data have diverged, and must be created again", async () => {
    const message =
      "new timeline 3 forked off current database system timeline 2 before current recovery point 0/90000A0";
    const postgres = log({ level: "info", record: { error_severity: "LOG", message } });
    const [problem] = await cluster({}, { postgres }).transition(ARCHIVE);
    assert.ok(problem && typeof problem !== "string");
    assert.match(problem.text, /not a part of the data of south, which it must follow: new timeline 3 forked off/);
    assert.match(problem.remedy ?? "", /kubectl -n db delete cluster orders`, `pulumi refresh` and `pulumi up`/);
    assert.ok((problem.finalAfter ?? Infinity) < 60);
    assert.deepEqual(await cluster({}, { postgres }).transition({}), [], "the primary cluster follows nobody");
    assert.match(
      divergence("FATAL: requested timeline 3 is not a child of this server's history") ?? "",
      /^requested timeline 3/,
    );
  });

  it("names why the data of the primary cluster could not be copied", async () => {
    const pod = (name: string, creationTimestamp: string): KubernetesObject => ({
      metadata: { name, creationTimestamp, labels: { "cnpg.io/jobRole": "full-recovery" } },
      status: { phase: "Failed" },
    });
    const logs = { "full-recovery": log({ level: "error", msg: "no target backup found" }) };
    const pods = [pod("orders-1-full-recovery-a", "2026-01-01"), pod("orders-1-full-recovery-b", "2026-01-02")];
    assert.deepEqual(await cluster({}, logs, { currentPrimary: undefined }).transition(ARCHIVE, pods), [
      "the copy of the data (full-recovery) failed 2 times: no target backup found",
    ]);
    assert.deepEqual(await cluster({}, logs).transition(ARCHIVE, pods), [], "it has data by now");
  });
});

describe("the log of the plugin", () => {
  it("says whether the archive is read", () => {
    assert.equal(restoreProblem("", "south-1"), "the archive was not read yet");
    assert.equal(restoreProblem("not JSON\n", "south-1"), "the archive was not read yet");
    assert.equal(restoreProblem(log(asked("north-1"), missing), "south-1"), "it still reads the archive north-1");
    assert.equal(restoreProblem(log(asked("south-1"), missing), "south-1"), undefined);
    const archiving = { level: "error", msg: "Error while archiving", error: "no bucket" };
    assert.equal(restoreProblem(log(asked("south-1"), missing, archiving), "south-1"), undefined);
    assert.equal(restoreProblem(log(asked("south-1"), failed, asked("south-1"), missing), "south-1"), undefined);
    assert.match(
      restoreProblem(log(asked("south-1"), missing, asked("south-1"), failed), "south-1") ?? "",
      /^Failed restoring/,
    );
    assert.match(restoreProblem(log(asked("south-1"), failed, asked("south-1")), "south-1") ?? "", /^Failed restoring/);
  });
});
