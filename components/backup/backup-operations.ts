/** TakenBackup: a backup that `up` or `destroy` takes, and waits for. */
import { createHash } from "node:crypto";
import type { BackupMethod } from "../cnpg/backup";
import { stopReason } from "../cnpg/stopped";
import type { ResourceKind } from "../dynamic/converge";
import {
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  RequestLimits,
} from "../kubernetes/client";
import { isUnavailable, KubernetesError } from "../kubernetes/errors";
import { limited, printable } from "../message-limits";
import { findClusterByName } from "../postgres/psql";
import { poll, progressOf } from "../waiting";

/** When a backup is taken. */
export type Occasion =
  /** Once for each archive, after the Cluster serves: nothing can be recovered without a first base backup. */
  | "first"
  /** Each time the reason changes, before the Cluster is changed. */
  | "onDemand"
  /** Before the Cluster is deleted. */
  | "final";

/** Inputs of a TakenBackup. */
export interface TakenBackupInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  occasion: Occasion;
  /** A backup is taken each time it changes: the name of the archive, or the name that the user chose. */
  reason: string;
  method: BackupMethod;
  /** Seconds to wait. */
  within: number;
  /** No instance runs, so none can be backed up. */
  suspended?: boolean;
}

/** The stored state. */
export interface TakenBackupState extends TakenBackupInputs {
  /** Name of the Backup object. Undefined if none was taken. */
  taken?: string;
}

type Connect = (connection: KubernetesConnection, limits?: RequestLimits) => Promise<KubernetesClient>;

const WHILE_WAITING: RequestLimits = { limit: 10_000, delays: [] };
const TIMING = { poll: 2_000, second: 1_000 };

/** Fields of a Backup's status. */
interface BackupStatus {
  phase?: string;
  error?: string;
  backupId?: string;
  stoppedAt?: string;
}

/** In milliseconds. A complete backup of the chosen name that is older was not begun for this change. */
const RECENT = 60 * 60 * 1_000;

const CLUSTER = { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster" };

/** Number of Backups that failed for one reason before the messages ask to delete them. */
const ATTEMPTS = 100;

/** The kind of resource. `connect` reaches Kubernetes. */
export function takenBackup(
  connect: Connect = kubernetesClient,
  timing: Partial<typeof TIMING> = {},
  now: () => Date = () => new Date(),
): ResourceKind<TakenBackupInputs, TakenBackupState> {
  const { poll: every, second } = { ...TIMING, ...timing };
  return {
    id: ({ namespace, cluster, occasion }) => `${namespace}/${cluster}/${occasion}`,
    declared: ({ context, namespace, cluster, occasion, reason, method, within }) => [
      ...[context, namespace, cluster, occasion],
      ...(occasion === "final" ? [method, within] : [reason]),
    ],
    /** One that could not be taken, e.g. because the Cluster was hibernated. */
    differs: async (news, olds) => news.occasion === "first" && olds.taken === undefined && news.suspended !== true,
    async apply(inputs, olds) {
      if (inputs.occasion === "final") return inputs;
      const isSame = olds !== undefined && olds.reason === inputs.reason && olds.taken !== undefined;
      const taken = isSame ? olds.taken : await take(inputs, nameOf(inputs, inputs.reason));
      return { ...inputs, ...(taken === undefined ? {} : { taken }) };
    },
    async remove(state) {
      if (state.occasion !== "final") return;
      const stamp = now().toISOString().replace(/\D/g, "").slice(0, 14);
      await take(state, nameOf(state, stamp));
    },
  };

  /** Takes a backup, or goes on waiting for one that an interrupted run began. Returns its name. */
  async function take(inputs: TakenBackupInputs, name: string): Promise<string | undefined> {
    const { namespace, cluster, occasion, within } = inputs;
    const kubernetes = await connect(inputs, WHILE_WAITING);
    const progress = progressOf(`the backup ${namespace}/${name}`);
    const attempts = Array.from({ length: ATTEMPTS }, (_, index) => (index === 0 ? name : `${name}-${index + 1}`));
    let current: string | undefined;
    return poll(async ({ waited }) => {
      try {
        const found = await findClusterByName(kubernetes, inputs);
        if (!found) return "";
        const stopped = stopReason(found);
        if (stopped !== undefined) return skipped(inputs, stopped);
        // A Backup of a former run that failed stays as it is. Only one that this run began may fail this run.
        current ??= await begin(kubernetes, inputs, found.metadata.uid ?? "", attempts);
        const backup = await kubernetes.get(backupReference(namespace, current));
        const { phase = "waiting for CloudNativePG", error, backupId } = statusOf(backup);
        if (phase === "completed") {
          console.error(
            `The backup ${namespace}/${current}${backupId === undefined ? "" : ` (${backupId})`} of ${cluster} is complete.`,
          );
          return current;
        }
        if (phase === "failed") throw failed(inputs, current, error ?? "CloudNativePG gives no reason");
        progress([error === undefined ? phase : `${phase}: ${error}`]);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        progress([(error as Error).message]);
      }
      if (waited() > within * second) {
        throw new KubernetesError(
          "not-ready",
          `The backup ${namespace}/${current ?? name} of ${cluster} is not complete after ${within} s. It goes on. ` +
            `${occasion === "final" ? "Nothing was deleted. " : ""}Run the command again, which waits for it, or set backup.waitMinutes.`,
        );
      }
      return undefined;
    }, every).then((taken) => (taken === "" ? undefined : taken));
  }

  /** Creates the Backup under the first name of which no Backup has failed. Returns the name. */
  async function begin(
    kubernetes: KubernetesClient,
    inputs: TakenBackupInputs,
    uid: string,
    names: readonly string[],
  ): Promise<string> {
    const { namespace, cluster, method } = inputs;
    for (const name of names) {
      const reference = backupReference(namespace, name);
      const found = await kubernetes.get(reference);
      if (found && statusOf(found).phase === "failed") continue;
      if (found && inputs.occasion === "onDemand") refuseFormer(reference, statusOf(found), now());
      if (!found) {
        await kubernetes.create(reference, {
          apiVersion: "postgresql.cnpg.io/v1",
          kind: "Backup",
          // As those of the schedule: the object goes with its Cluster, so that the Namespace is empty. The archive stays.
          metadata: { name, namespace, ownerReferences: [{ ...CLUSTER, name: cluster, uid }] },
          spec: { cluster: { name: cluster }, ...method },
        });
      }
      return name;
    }
    throw new KubernetesError(
      "failed",
      `${ATTEMPTS} backups of ${namespace}/${cluster} failed. Delete their Backup objects, and run the command again.`,
    );
  }
}

/** A name that was used for an earlier backup. An interrupted run may have begun a recent one. */
function refuseFormer({ namespace, name }: { namespace: string; name: string }, status: BackupStatus, now: Date): void {
  if (status.phase !== "completed" || now.getTime() - Date.parse(status.stoppedAt ?? "") < RECENT) return;
  throw new KubernetesError(
    "configuration",
    `The backup ${namespace}/${name} exists already: it was complete at ${status.stoppedAt}. Nothing was changed. Set ` +
      "backup.onDemand to a name that was not used before.",
  );
}

function skipped({ namespace, cluster, occasion }: TakenBackupInputs, reason: string): string {
  if (occasion === "final") {
    throw new KubernetesError(
      "failed",
      `The last backup of ${namespace}/${cluster} cannot be taken, because the Cluster is stopped: ${reason}. Nothing was ` +
        "deleted. Start the Cluster, or set backup.final: false and run `pulumi up` before `pulumi destroy`.",
    );
  }
  console.error(`Warning: no backup of ${namespace}/${cluster} was taken, because the Cluster is stopped: ${reason}.`);
  return "";
}

function failed({ namespace, cluster, occasion }: TakenBackupInputs, name: string, reason: string): KubernetesError {
  const next =
    occasion === "final"
      ? "Nothing was deleted. Correct the reason and run `pulumi destroy` again. To delete without a last backup, set backup.final: false and run `pulumi up` before it."
      : "Correct the reason and run `pulumi up` again, which takes another one.";
  return new KubernetesError(
    "failed",
    `The backup ${namespace}/${name} of ${cluster} failed: ${limited(printable(reason))}. ${next}`,
  );
}

function backupReference(namespace: string, name: string) {
  return { apiVersion: "postgresql.cnpg.io/v1", plural: "backups", namespace, name };
}

function statusOf(backup: KubernetesObject | undefined): BackupStatus {
  return (backup?.status ?? {}) as BackupStatus;
}

/** CloudNativePG uses the name as the value of a label. An attempt's number needs four more bytes. */
const LONGEST_NAME = 63 - 4;

/** `orders-before-upgrade-17`, `orders-first-3f9ac04b1d`, `orders-final-20261130123615`. */
function nameOf({ cluster, occasion }: TakenBackupInputs, reason: string): string {
  const digest = () => createHash("sha256").update(reason).digest("hex").slice(0, 10);
  const name =
    occasion === "onDemand"
      ? `${cluster}-${reason}`
      : `${cluster}-${occasion}-${occasion === "final" ? reason : digest()}`;
  return name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 11).replace(/[-.]+$/, "")}-${digest()}`;
}
