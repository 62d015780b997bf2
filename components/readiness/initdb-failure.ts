/**
 * A Cluster whose first instance was never created: why initdb failed, and whether it may start again. The operator
 * never restarts a Job that failed, or that was created for an earlier spec. If there is no Job, it creates one for the
 * present spec (ensurePrimaryBootstrapJob, from CNPG 1.29.2 on). The initdb step itself moves files of an earlier
 * attempt aside (EnsureTargetDirectoriesDoNotExist). So it is enough to delete the Job. Pure.
 */
import type { KubernetesObject } from "../kubernetes/client";
import { printable } from "../message-limits";

/** The label with the purpose of a Job and its pods. Jobs that restore a backup are not touched. */
const ROLE = "cnpg.io/jobRole";
const ROLES = ["initdb", "import"];
/** The purpose, and the container, of a Job that recovers from a backup. */
export const RECOVERY = "full-recovery";
const PVC_STATUS = "cnpg.io/pvcStatus";
/** The phase in which CNPG 1.30 gives up, e.g. because a Job failed permanently. */
const UNRECOVERABLE = "Cluster is unrecoverable and needs manual intervention";
/** After so many failures, further attempts will hardly differ. The operator's Job tries seven times in eleven minutes. */
const ATTEMPTS = 3;

function labelsOf({ metadata }: KubernetesObject): Record<string, string> {
  return (metadata.labels ?? {}) as Record<string, string>;
}

/** Whether no instance was ever ready, so there is no data to lose. */
export function isUninitialized({ status = {} }: KubernetesObject): boolean {
  const { currentPrimary, readyInstances = 0 } = status as { currentPrimary?: string; readyInstances?: number };
  return !currentPrimary && readyInstances === 0;
}

/** Attempts to create the first instance. */
export interface Attempts {
  /** Name of the Job. */
  job: string;
  /** The container that ran. */
  container: string;
  /** Pods that failed, the newest last. */
  failed: KubernetesObject[];
  /** A pod of the Job has not ended. */
  isRunning: boolean;
  /** There will be no further attempt, or none with another result. */
  isFinal: boolean;
}

/** The attempts for a Cluster that was never initialized. Undefined if none has failed. */
export function failedAttempts(cluster: KubernetesObject, pods: readonly KubernetesObject[]): Attempts | undefined {
  if (!isUninitialized(cluster)) return undefined;
  const ours = pods.filter((pod) => ROLES.includes(labelsOf(pod)[ROLE] ?? "") && !pod.metadata.deletionTimestamp);
  const failed = ours.filter(({ status }) => status?.phase === "Failed").sort(byAge);
  const last = failed.at(-1);
  if (!last) return undefined;
  const isRunning = ours.some(({ status }) => status?.phase === "Running" || status?.phase === "Pending");
  const { phase } = (cluster.status ?? {}) as { phase?: string };
  const container = labelsOf(last)[ROLE] ?? "";
  return {
    job: labelsOf(last)["job-name"] ?? labelsOf(last)["batch.kubernetes.io/job-name"] ?? "",
    container,
    failed,
    isRunning,
    // An import may succeed later, because it depends on another database.
    isFinal: !isRunning && (phase === UNRECOVERABLE || (container === "initdb" && failed.length >= ATTEMPTS)),
  };
}

function byAge(one: KubernetesObject, other: KubernetesObject): number {
  const time = ({ metadata }: KubernetesObject) => String(metadata.creationTimestamp ?? "");
  return time(one) < time(other) ? -1 : 1;
}

/**
 * Whether the Job may be deleted, so that the operator starts again: all signs say that nothing was initialized, and no
 * Job is running for the present spec.
 */
export function mayRestartInitdb(
  cluster: KubernetesObject,
  { isRunning, container }: Pick<Attempts, "isRunning" | "container">,
  job: KubernetesObject,
  claims: readonly KubernetesObject[],
): boolean {
  const annotations = ({ metadata }: KubernetesObject) => (metadata.annotations ?? {}) as Record<string, string>;
  const hasData = claims.some((claim) => annotations(claim)[PVC_STATUS] === "ready");
  const { succeeded = 0 } = (job.status ?? {}) as { succeeded?: number };
  if (!isUninitialized(cluster) || hasData || succeeded > 0 || job.metadata.deletionTimestamp) return false;
  // A running import may have worked for hours.
  if (isRunning && container !== "initdb") return false;
  return !isRunning || specChangedAt(cluster) > String(job.metadata.creationTimestamp ?? "");
}

/** When the spec was last written, from the API server's managed fields. */
function specChangedAt({ metadata }: KubernetesObject): string {
  const fields = (metadata.managedFields ?? []) as {
    time?: string;
    subresource?: string;
    fieldsV1?: Record<string, unknown>;
  }[];
  const times = fields.filter(({ subresource, fieldsV1 = {} }) => !subresource && "f:spec" in fieldsV1);
  return (
    times
      .map(({ time = "" }) => time)
      .sort()
      .at(-1) ?? ""
  );
}

/** The running pod that recovers a Cluster from a backup. Undefined if there is none. */
export function recoveringPod(pods: readonly KubernetesObject[]): string | undefined {
  const isRecovering = (pod: KubernetesObject) =>
    labelsOf(pod)[ROLE] === RECOVERY && pod.status?.phase === "Running" && !pod.metadata.deletionTimestamp;
  return pods.find(isRecovering)?.metadata.name;
}

/**
 * The parameter because of which a recovery has paused, in PostgreSQL's words. PostgreSQL never continues it: a value was higher
 * when the write-ahead log was written. CloudNativePG waits, and reports nothing.
 */
export function pausedRecovery(log: string): string | undefined {
  const [, detail] = /because of insufficient parameter settings".*?"detail":"([^"]+)"/.exec(log) ?? [];
  return detail;
}

/** Maximum number of lines of a log in a message. */
const REASONS = 4;
/** The beginning of an error line of PostgreSQL and its tools. */
const ERROR = /(?:^|\s)(?:ERROR|FATAL|PANIC|error|fatal):\s/;

/** The reason in the log of a Job's pod. The instance manager writes JSON lines that contain PostgreSQL's lines. */
export function reasonInLog(log: string): string | undefined {
  const lines = log.split("\n").flatMap((line) => textsOf(line));
  const errors = lines.filter(({ text, isError }) => isError || ERROR.test(text)).map(({ text }) => text);
  const own = errors.filter((text) => ERROR.test(text));
  const found = [...new Set(own.length > 0 ? own : errors)].slice(-REASONS);
  return found.length === 0 ? undefined : found.map((text) => printable(text).slice(0, 400)).join("; ");
}

/** The lines of a log of the instance manager, without its JSON. */
export function linesOfLog(log: string): string[] {
  return log.split("\n").flatMap((line) => textsOf(line).map(({ text }) => text));
}

interface LogLine {
  level?: string;
  msg?: string;
  error?: string;
  record?: { error_severity?: string; message?: string };
}

function textsOf(line: string): { text: string; isError: boolean }[] {
  if (line.trim() === "") return [];
  let entry: LogLine;
  try {
    entry = JSON.parse(line) as LogLine;
  } catch {
    return [{ text: line.trim(), isError: false }];
  }
  const { level, msg = "", error, record } = entry;
  if (record?.message !== undefined) {
    return [{ text: `${record.error_severity ?? "LOG"}: ${record.message}`, isError: false }];
  }
  const isError = level === "error";
  const texts = [...msg.split("\n"), ...(error ?? "").split("\n")].map((text) => text.trim());
  return texts.filter((text) => text !== "").map((text) => ({ text, isError }));
}
