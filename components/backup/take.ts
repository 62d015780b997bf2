/** Takes a backup of a Cluster, and waits until it is complete. */
import { createHash } from "node:crypto";
import type { BackupMethod } from "../cnpg/backup";
import { backupStatus, clusterOf, COMPLETED, FAILED, listBackups } from "../cnpg/backup-status";
import { barmanCloudOf } from "../cnpg/object-store";
import type { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { isUnavailable, KubernetesError } from "../kubernetes/errors";
import { limited, printable } from "../message-limits";
import { isObject } from "../value-check";
import { poll, progressOf } from "../waiting";

/** A backup to take. */
export interface BackupRequest {
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** Name of the Backup object. If it already exists, `former` decides. */
  name: string;
  method: BackupMethod;
  /** Seconds to wait. */
  within: number;
  /**
   * What happens if an older Backup of this name is complete. `again`: another backup is taken, under the next name. `refuse`:
   * the run fails. A recent Backup of this name comes from an interrupted run, and is used.
   */
  former: "again" | "refuse";
  /** What to do after a failure, for messages. */
  remedy: string;
}

/** In milliseconds. */
export const TIMING = { poll: 2_000, second: 1_000, settle: 11_000 };
export type Timing = typeof TIMING;

/** In milliseconds. A complete backup that is older than this does not belong to this change. */
const RECENT = 60 * 60 * 1_000;
/** How many names are tried. */
const ATTEMPTS = 100;
const CLUSTER = { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster" };

/** Whether a Cluster has what this backup method needs: the plugin, or the configuration of snapshots. */
export function canBackUp({ spec = {} }: KubernetesObject, { method }: BackupMethod): boolean {
  if (method === "volumeSnapshot") return isObject(spec.backup) && spec.backup.volumeSnapshot !== undefined;
  return barmanCloudOf(spec) !== undefined;
}

/**
 * Takes the backup. Returns the name of the Backup object.
 *
 * @throws KubernetesError "failed" with CloudNativePG's reason, "not-ready" after the time limit
 */
export async function takeBackup(
  kubernetes: KubernetesClient,
  request: BackupRequest,
  { poll: every, second }: Timing,
  now: () => Date,
): Promise<string> {
  const { namespace, cluster, within, remedy } = request;
  const progress = progressOf(`the backup ${namespace}/${request.name}`);
  let current: string | undefined;
  return poll(async ({ waited }) => {
    try {
      current ??= await begin(kubernetes, request, now());
      const status = backupStatus(await kubernetes.get(backupReference(namespace, current)));
      const { phase = "waiting for CloudNativePG", error, backupId, instanceID } = status;
      if (phase === COMPLETED) {
        const id = backupId === undefined ? "" : ` (${backupId})`;
        console.error(`The backup ${namespace}/${current}${id} of ${cluster} is complete.`);
        return current;
      }
      if (FAILED.includes(phase)) {
        const reason = error ?? `CloudNativePG says: ${phase}`;
        throw new KubernetesError(
          "failed",
          `The backup ${namespace}/${current} of ${cluster} failed: ${limited(printable(reason))}. ` +
            whereTheReasonIs(reason, namespace, instanceID?.podName) +
            remedy,
        );
      }
      progress([error === undefined ? phase : `${phase}: ${error}`]);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      progress([(error as Error).message]);
    }
    if (waited() > within * second) {
      throw new KubernetesError(
        "not-ready",
        `The backup ${namespace}/${current ?? request.name} of ${cluster} is not complete after ${within} s, and continues. Run ` +
          "the command again to wait for it. To wait longer, set backup.waitMinutes and run `pulumi up`.",
      );
    }
    return undefined;
  }, every);
}

/** The plugin passes on only the exit status of Barman. What Barman wrote is in the plugin's log. */
function whereTheReasonIs(reason: string, namespace: string, instance = "<instance>"): string {
  if (!/exit status \d/.test(reason)) return "";
  return `The plugin's log has the reason: \`kubectl -n ${namespace} logs ${instance} -c plugin-barman-cloud\`. `;
}

/** Creates the Backup under the first free name, or continues one that an interrupted run began. */
async function begin(kubernetes: KubernetesClient, request: BackupRequest, now: Date): Promise<string> {
  const { namespace, cluster, uid, method } = request;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const name = attempt === 1 ? request.name : `${request.name}-${attempt}`;
    const reference = backupReference(namespace, name);
    const found = await kubernetes.get(reference);
    if (found && !isToBeContinued(found, request, now)) continue;
    if (!found) {
      await kubernetes.create(reference, {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Backup",
        // Like scheduled Backups, it is deleted with its Cluster, so that the Namespace is empty. The archive stays.
        metadata: { name, namespace, ownerReferences: [{ ...CLUSTER, name: cluster, uid }] },
        spec: { cluster: { name: cluster }, ...method },
      });
    }
    return name;
  }
  throw new KubernetesError(
    "failed",
    `${ATTEMPTS} backups of ${namespace}/${cluster} failed. Delete their Backup objects and run the command again.`,
  );
}

/** Whether an existing Backup is the requested one. If not, the next name is tried. */
function isToBeContinued(found: KubernetesObject, { namespace, cluster, former }: BackupRequest, now: Date): boolean {
  const { phase = "", stoppedAt = "" } = backupStatus(found);
  if (clusterOf(found) !== cluster || FAILED.includes(phase)) return false;
  if (phase !== COMPLETED || now.getTime() - Date.parse(stoppedAt) < RECENT) return true;
  if (former === "again") return false;
  throw new KubernetesError(
    "configuration",
    `The backup ${namespace}/${found.metadata.name} already exists: it was completed at ${stoppedAt}. Nothing was changed. Set ` +
      "backup.onDemand to a name that was not used before.",
  );
}

/** Name of a Cluster's unfinished Backup whose name begins with a prefix. Undefined if there is none. */
export async function runningBackup(
  kubernetes: KubernetesClient,
  { namespace, cluster }: { namespace: string; cluster: string },
  prefix: string,
): Promise<string | undefined> {
  const isRunning = (backup: KubernetesObject) => ![...FAILED, COMPLETED].includes(backupStatus(backup).phase ?? "");
  const found = await listBackups(kubernetes, { namespace, cluster });
  return found.find((backup) => isRunning(backup) && backup.metadata.name.startsWith(prefix))?.metadata.name;
}

function backupReference(namespace: string, name: string) {
  return { apiVersion: "postgresql.cnpg.io/v1", plural: "backups", namespace, name };
}

/** CloudNativePG uses the name as the value of a label. The number of the attempt needs four more bytes. */
const LONGEST_NAME = 63 - 4;

/** The first characters of the texts' digest. */
export function shortDigest(...texts: string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 10);
}

/** `orders-before-upgrade-17`. A name that is too long is cut and ends with a digest. */
export function backupName(cluster: string, what: string): string {
  const name = `${cluster}-${what}`;
  if (name.length <= LONGEST_NAME) return name;
  return `${name.slice(0, LONGEST_NAME - 11).replace(/[-.]+$/, "")}-${shortDigest(cluster, what)}`;
}
