/** TakenBackup: a backup that `up` takes and waits for. */
import type { BackupMethod } from "../cnpg/backup";
import { archivingProblem, listBackups, scheduleProblem } from "../cnpg/backup-status";
import { readOnlyReason } from "../cnpg/replica";
import { stopReason } from "../cnpg/stopped";
import { IN_PREVIEW } from "../cnpg/taken-cluster";
import type { ResourceKind } from "../dynamic/converge";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../kubernetes/client";
import { isUnavailable, KubernetesError, printUnchecked } from "../kubernetes/errors";
import { findClusterByName } from "../postgres/psql";
import { Connect, WHILE_WAITING } from "../readiness/wait";
import { pause, poll, progressOf } from "../waiting";
import { backupName, canBackUp, shortDigest, takeBackup, Timing, TIMING } from "./take";

/** When a backup is taken. */
export type Occasion =
  /** Once for each archive, after the Cluster is ready. Without a first base backup, nothing can be recovered. */
  | "first"
  /** Each time the reason changes, before the Cluster is changed. */
  | "onDemand";

/** Inputs of a TakenBackup. */
export interface TakenBackupInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  occasion: Occasion;
  /** A backup is taken each time this value changes: the location of the archive, or the name that the user chose. */
  reason: string;
  method: BackupMethod;
  /** Seconds to wait. */
  within: number;
  /** The settings stop an instance, or make the Cluster a replica cluster, so no backup is taken. */
  suspended?: boolean;
}

/** The stored state. */
export interface TakenBackupState extends TakenBackupInputs {
  /** Name of the Backup object. Undefined if none was taken. */
  taken?: string;
}

/** The kind of resource. `connect` reaches Kubernetes. */
export function takenBackup(
  connect: Connect = kubernetesClient,
  given: Partial<Timing> = {},
  now: () => Date = () => new Date(),
): ResourceKind<TakenBackupInputs, TakenBackupState> {
  const timing = { ...TIMING, ...given };
  return {
    id: ({ namespace, cluster, occasion }) => `${namespace}/${cluster}/${occasion}`,
    declared: ({ context, namespace, cluster, occasion, reason }) => [context, namespace, cluster, occasion, reason],
    /**
     * The first backup is missing, e.g. because the Cluster was hibernated, or the write-ahead log is not archived. Also warns if
     * later backups fail.
     */
    async differs(news, olds) {
      if (news.occasion !== "first" || news.suspended === true) return false;
      if (olds.taken === undefined) return true;
      try {
        const kubernetes = await connect(news, IN_PREVIEW);
        const found = await findClusterByName(kubernetes, news);
        if (!found || stopReason(found) !== undefined) return false;
        await warnOfMissingBackups(kubernetes, news);
        const problem = archivingProblem(found);
        if (problem !== undefined)
          console.error(
            `The Cluster ${news.namespace}/${news.cluster}: ${problem}. Correct the cause. \`up\` waits until the log is archived.`,
          );
        return problem !== undefined;
      } catch (error) {
        if (!(error instanceof KubernetesError)) throw error;
        printUnchecked(`The archiving of ${news.cluster} could not be checked: ${error.message}`, error);
        return false;
      }
    },
    async apply(inputs, olds) {
      const isTaken = olds?.taken !== undefined && olds.reason === inputs.reason;
      const taken = isTaken ? olds.taken : await take(inputs, olds);
      if (inputs.occasion === "first") await untilArchiving(inputs);
      return { ...inputs, ...(taken === undefined ? {} : { taken }) };
    },
  };

  /** Prints a warning if the newest scheduled backup failed or is missing. It does not fail `up`, which cannot correct it. */
  async function warnOfMissingBackups(kubernetes: KubernetesClient, inputs: TakenBackupInputs): Promise<void> {
    const { namespace, cluster } = inputs;
    try {
      const kind = { apiVersion: "postgresql.cnpg.io/v1", plural: "scheduledbackups", namespace };
      const schedule = await kubernetes.get({ ...kind, name: cluster });
      const problem = scheduleProblem(schedule, await listBackups(kubernetes, inputs), now());
      if (problem === undefined) return;
      console.error(
        `Warning: ${namespace}/${cluster}: ${problem}. Correct the cause, and take a backup now: set backup.onDemand to a ` +
          "new name, and run `pulumi up`.",
      );
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      printUnchecked(`The scheduled backups of ${cluster} could not be checked: ${error.message}`, error);
    }
  }

  async function take(inputs: TakenBackupInputs, olds: TakenBackupState | undefined): Promise<string | undefined> {
    const { namespace, cluster, occasion, reason, method, within } = inputs;
    const found = await findClusterByName(await connect(inputs), inputs);
    if (!found) return undefined;
    const readOnly = readOnlyReason(found);
    if (readOnly !== undefined) return skipped(inputs, readOnly);
    if (occasion === "onDemand" && !canBackUp(found, method)) {
      console.error(
        `Warning: no backup of ${namespace}/${cluster} was taken before this change, because the Cluster has no backups yet. ` +
          "`up` takes the first backup after the change.",
      );
      return undefined;
    }
    // The plugin reads a changed ObjectStore again within ten seconds.
    if (occasion === "onDemand" || olds !== undefined) await pause(timing.settle);
    const request = {
      ...{ namespace, cluster, method, within, uid: found.metadata.uid ?? "" },
      name: backupName(cluster, occasion === "onDemand" ? reason : `first-${shortDigest(cluster, reason)}`),
      former: occasion === "onDemand" ? ("refuse" as const) : ("again" as const),
      remedy: "Correct the cause and run `pulumi up` again, which takes another backup.",
    };
    return takeBackup(await connect(inputs, WHILE_WAITING), request, timing, now);
  }

  /** A backup of the primary is complete only when its own write-ahead log is archived. Later files may still fail. */
  async function untilArchiving(inputs: TakenBackupInputs): Promise<void> {
    const { namespace, cluster, within } = inputs;
    const kubernetes = await connect(inputs, WHILE_WAITING);
    const progress = progressOf(`the archiving of ${namespace}/${cluster}`);
    await poll(async ({ waited }) => {
      let problem: string | undefined;
      try {
        const found = await findClusterByName(kubernetes, inputs);
        problem = found && stopReason(found) === undefined ? archivingProblem(found) : undefined;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        problem = (error as Error).message;
      }
      if (problem === undefined) return "archiving";
      progress([problem]);
      if (waited() > within * timing.second) {
        throw new KubernetesError(
          "not-ready",
          `The Cluster ${namespace}/${cluster} is not backed up: ${problem}. Nothing is lost yet: PostgreSQL keeps the log on ` +
            "its volume. Correct the cause and run `pulumi up` again.",
        );
      }
      return undefined;
    }, timing.poll);
  }
}

function skipped({ namespace, cluster, occasion }: TakenBackupInputs, reason: string): undefined {
  const problem = `because the Cluster ${reason}`;
  if (occasion === "onDemand") {
    throw new KubernetesError(
      "failed",
      `No backup of ${namespace}/${cluster} can be taken, ${problem}. The Cluster was not changed. Remove backup.onDemand, and ` +
        "set it again when the Cluster accepts writes.",
    );
  }
  console.error(`Warning: no first backup of ${namespace}/${cluster} was taken, ${problem}. A later \`up\` takes it.`);
  return undefined;
}
