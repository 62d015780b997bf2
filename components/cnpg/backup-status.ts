/** What the status of a Cluster, and the objects Backup and ScheduledBackup, say about the backups of a Cluster. */
import type { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { limited, printable } from "../message-limits";

/** Fields of a Backup's status. */
export interface BackupStatus {
  phase?: string;
  error?: string;
  backupId?: string;
  stoppedAt?: string;
  /** The instance that took the backup. */
  instanceID?: { podName?: string };
  majorVersion?: number;
}

export function backupStatus(backup: KubernetesObject | undefined): BackupStatus {
  return (backup?.status ?? {}) as BackupStatus;
}

/** `status.phase` of a complete backup. */
export const COMPLETED = "completed";
/** Phases of a Backup that ends without a backup. */
export const FAILED: readonly string[] = ["failed", "invalid backup definition"];

/** Lists the Backups of a Cluster. */
export async function listBackups(
  kubernetes: KubernetesClient,
  { namespace, cluster }: { namespace: string; cluster: string },
): Promise<KubernetesObject[]> {
  const found = await kubernetes.list({ apiVersion: "postgresql.cnpg.io/v1", plural: "backups", namespace });
  return found.filter((backup) => clusterOf(backup) === cluster);
}

/** The name of the Cluster of a Backup. */
export function clusterOf({ spec }: KubernetesObject): string | undefined {
  return (spec?.cluster as { name?: string } | undefined)?.name;
}

/** When a Backup ended, or else when it was created, in milliseconds. */
export function endOf(backup: KubernetesObject): number {
  return Date.parse(backupStatus(backup).stoppedAt ?? createdAt(backup));
}

/** The newest complete backup. Undefined if there is none. */
export function newestComplete(backups: readonly KubernetesObject[]): KubernetesObject | undefined {
  const complete = backups.filter((backup) => backupStatus(backup).phase === COMPLETED);
  return complete.sort((one, other) => endOf(other) - endOf(one))[0];
}

/** Why a Cluster's write-ahead log is not archived. Undefined if it is archived, or if this is unknown. */
export function archivingProblem({ status }: KubernetesObject): string | undefined {
  const conditions = (status?.conditions ?? []) as { type: string; status: string; message?: string }[];
  const archiving = conditions.find(({ type }) => type === "ContinuousArchiving");
  if (archiving?.status !== "False") return undefined;
  return `the write-ahead log is not archived: ${archiving.message ?? "CloudNativePG gives no reason"}`;
}

/** A backup with its time, for messages. */
export function describeBackup(backup: KubernetesObject | undefined): string {
  return backup ? `${backup.metadata.name} of ${new Date(endOf(backup)).toISOString()}` : "none";
}

/**
 * Why the backups of a schedule need attention: the newest one failed, or the last complete one is older than one and a half
 * periods of the schedule. Undefined if they do not, or if this is unknown.
 *
 * @param backups all Backups of the Cluster
 */
export function scheduleProblem(
  schedule: KubernetesObject | undefined,
  backups: readonly KubernetesObject[],
  now: Date,
): string | undefined {
  const newestFirst = [...backups].sort((one, other) => (createdAt(one) < createdAt(other) ? 1 : -1));
  const ended = newestFirst.find((backup) => [...FAILED, COMPLETED].includes(phaseOf(backup)));
  const last = `The last complete backup is ${describeBackup(newestComplete(backups))}`;
  if (ended && phaseOf(ended) !== COMPLETED)
    return `the newest backup, ${ended.metadata.name}, failed: ${reasonOf(ended)}. ${last}`;
  const missed = schedule && missedTime(schedule, newestComplete(backups), now);
  if (!schedule || missed === undefined) return undefined;
  const [newest] = newestFirst;
  const begun = newest && createdAt(newest) >= missed ? newest : undefined;
  const why = begun
    ? `${begun.metadata.name} is not complete: ${reasonOf(begun)}`
    : schedule.spec?.suspend === true
      ? "the ScheduledBackup is suspended"
      : "CloudNativePG has not begun it";
  return `the backup that was due at ${missed} is missing: ${why}. ${last}`;
}

/**
 * When the backup was due that is missing for more than half a period. A period lasts from the last to the next scheduled
 * time, because the periods of a schedule may differ.
 */
function missedTime(
  { status = {} }: KubernetesObject,
  last: KubernetesObject | undefined,
  now: Date,
): string | undefined {
  const { lastScheduleTime, nextScheduleTime } = status as { lastScheduleTime?: string; nextScheduleTime?: string };
  if (lastScheduleTime === undefined || nextScheduleTime === undefined) return undefined;
  const period = Date.parse(nextScheduleTime) - Date.parse(lastScheduleTime);
  const due = last && endOf(last) >= Date.parse(lastScheduleTime) ? nextScheduleTime : lastScheduleTime;
  return now.getTime() > Date.parse(due) + period / 2 ? due : undefined;
}

function phaseOf(backup: KubernetesObject): string {
  return backupStatus(backup).phase ?? "CloudNativePG has not begun it";
}

function reasonOf(backup: KubernetesObject): string {
  const { error } = backupStatus(backup);
  return limited(printable(error ?? phaseOf(backup)), REASON_BYTES);
}

const REASON_BYTES = 500;

function createdAt({ metadata }: KubernetesObject): string {
  return String(metadata.creationTimestamp ?? "");
}
