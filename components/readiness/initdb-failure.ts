/**
 * A Cluster whose first instance was never made: why initdb failed, and whether it may be started again. The operator
 * never starts anew a Job that failed, nor one that was made for an earlier spec. It makes one again for the spec of
 * today when there is none (ensurePrimaryBootstrapJob, CNPG 1.29.2 on); what the former attempt left on the volume is set
 * aside by initdb's step itself (EnsureTargetDirectoriesDoNotExist). So a Job is all that has to go. Pure.
 */
import type { KubernetesObject } from "../kubernetes/client";
import { printable } from "../message-limits";

/** Of jobs and of their pods: what they are for. Those that restore a backup are not touched. */
const ROLE = "cnpg.io/jobRole";
const ROLES = ["initdb", "import"];
const PVC_STATUS = "cnpg.io/pvcStatus";
/** The phase in which CNPG 1.30 gives a Cluster up, such as one whose Job failed for good. */
const UNRECOVERABLE = "Cluster is unrecoverable and needs manual intervention";
/** The operator's Job tries seven times, within eleven minutes; after as many the next ones will hardly differ. */
const ATTEMPTS = 3;

function labelsOf({ metadata }: KubernetesObject): Record<string, string> {
  return (metadata.labels ?? {}) as Record<string, string>;
}

/** Whether no instance has ever served: there is no data that could be lost. */
export function isUninitialized({ status = {} }: KubernetesObject): boolean {
  const { currentPrimary, readyInstances = 0 } = status as { currentPrimary?: string; readyInstances?: number };
  return !currentPrimary && readyInstances === 0;
}

/** Attempts to make the first instance. */
export interface Attempts {
  /** Name of the Job. */
  job: string;
  /** The container that ran. */
  container: string;
  /** Pods that failed, the newest last. */
  failed: KubernetesObject[];
  /** A pod of it is there that has not ended. */
  isRunning: boolean;
  /** No further attempt will come, or none that differs. */
  isFinal: boolean;
}

/** The attempts of a Cluster that was never initialized; undefined where none has failed. */
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
    // What an import needs of another database may come back.
    isFinal: !isRunning && (phase === UNRECOVERABLE || (container === "initdb" && failed.length >= ATTEMPTS)),
  };
}

function byAge(one: KubernetesObject, other: KubernetesObject): number {
  const time = ({ metadata }: KubernetesObject) => String(metadata.creationTimestamp ?? "");
  return time(one) < time(other) ? -1 : 1;
}

/**
 * Whether the Job may be deleted, so that the operator begins anew: nothing was initialized, by all that tells of it, and
 * the Job does not work on the spec of today.
 */
export function mayStartAgain(
  cluster: KubernetesObject,
  { isRunning, container }: Pick<Attempts, "isRunning" | "container">,
  job: KubernetesObject,
  claims: readonly KubernetesObject[],
): boolean {
  const annotations = ({ metadata }: KubernetesObject) => (metadata.annotations ?? {}) as Record<string, string>;
  const hasData = claims.some((claim) => annotations(claim)[PVC_STATUS] === "ready");
  const { succeeded = 0 } = (job.status ?? {}) as { succeeded?: number };
  if (!isUninitialized(cluster) || hasData || succeeded > 0 || job.metadata.deletionTimestamp) return false;
  // An import that is at work may have been so for hours.
  if (isRunning && container !== "initdb") return false;
  return !isRunning || specChangedAt(cluster) > String(job.metadata.creationTimestamp ?? "");
}

/** When somebody last wrote the spec, as the API server noted it. */
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

/** Of a log, as many lines as explain a failure. */
const REASONS = 4;
/** How PostgreSQL and its tools begin a line of an error. */
const ERROR = /(?:^|\s)(?:ERROR|FATAL|PANIC|error|fatal):\s/;

/** The reason in the log of a Job's pod: lines of JSON by the instance manager, in which PostgreSQL's own are wrapped. */
export function reasonInLog(log: string): string | undefined {
  const lines = log.split("\n").flatMap((line) => told(line));
  const errors = lines.filter(({ text, isError }) => isError || ERROR.test(text)).map(({ text }) => text);
  const own = errors.filter((text) => ERROR.test(text));
  const found = [...new Set(own.length > 0 ? own : errors)].slice(-REASONS);
  return found.length === 0 ? undefined : found.map((text) => printable(text).slice(0, 400)).join("; ");
}

interface LogLine {
  level?: string;
  msg?: string;
  error?: string;
  record?: { error_severity?: string; message?: string };
}

function told(line: string): { text: string; isError: boolean }[] {
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
