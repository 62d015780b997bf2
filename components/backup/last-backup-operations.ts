/** LastBackup: takes the final backup of a Cluster. Its deletion takes the backup, before the Cluster is deleted. */
import type { BackupMethod } from "../cnpg/backup";
import { followedCluster } from "../cnpg/replica";
import { stopReason } from "../cnpg/stopped";
import type { ResourceKind } from "../dynamic/converge";
import { apiReader, kubernetesClient } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { findClusterByName } from "../postgres/psql";
import {
  clusterIdentity,
  ClusterIdentityInputs,
  ClusterIdentityState,
} from "../protection/deletion-protection-operations";
import type { Connect as ConnectReader } from "../cnpg/taken-cluster";
import { backupName, canBackUp, runningBackup, takeBackup, Timing, TIMING } from "./take";
import { Connect, WHILE_WAITING } from "../readiness/wait";

/** Inputs of a LastBackup. */
export interface LastBackupInputs extends ClusterIdentityInputs {
  /** Whether a backup is taken. If not, the deletion does nothing. */
  enabled: boolean;
  method: BackupMethod;
  /** Seconds to wait. */
  within: number;
}

/** The stored state, with the Kubernetes cluster. */
export type LastBackupState = LastBackupInputs & Pick<ClusterIdentityState, "kubernetesUid">;

/** The kind of resource. `connect` and `read` reach Kubernetes. */
export function lastBackup(
  connect: Connect = kubernetesClient,
  read: ConnectReader = apiReader,
  given: Partial<Timing> = {},
  now: () => Date = () => new Date(),
): ResourceKind<LastBackupInputs, LastBackupState> {
  const identity = clusterIdentity(read);
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}/last`,
    /** For another Cluster, it is replaced: so the former Cluster gets its final backup before it is deleted. */
    replaces: (olds, news) => (["namespace", "cluster"] as const).filter((key) => olds[key] !== news[key]),
    declared: ({ enabled, method, within, ...cluster }) => [enabled, method, within, identity.declared?.(cluster)],
    apply: async (inputs) => ({ ...inputs, ...(await identity.apply?.(inputs)) }),
    read: async (state, id) => (await identity.read?.(state, id)) as LastBackupState | undefined,
    async remove(state) {
      if (!state.enabled) return;
      const { namespace, cluster, uid, method, within } = state;
      const found = await findClusterByName(await connect(state), state);
      // `backup` was removed from the settings, and the Cluster stays. So its protection does not matter.
      if (found?.metadata.uid === uid && !canBackUp(found, method)) {
        console.error(
          `Warning: no final backup of ${namespace}/${cluster} is taken, because backups are no longer configured for the Cluster.`,
        );
        return;
      }
      // Refuses another Kubernetes cluster, another Cluster of this name, and a protected Cluster.
      await identity.remove?.(state);
      if (!found) return;
      const stopped = stopReason(found);
      if (stopped !== undefined) {
        throw new KubernetesError(
          "failed",
          `The final backup of ${namespace}/${cluster} cannot be taken, because the Cluster is stopped: ${stopped}. The ` +
            `Cluster was not deleted. Start it and run the command again, or ${WITHOUT}`,
        );
      }
      const followed = followedCluster(found);
      if (followed !== undefined) {
        console.error(
          `No final backup of ${namespace}/${cluster} is taken, because it is a replica cluster: ${followed} has the data.`,
        );
        return;
      }
      const kubernetes = await connect(state, WHILE_WAITING);
      const prefix = backupName(cluster, "final-");
      const stamp = now().toISOString().replace(/\D/g, "").slice(0, 14);
      const request = {
        ...{ namespace, cluster, uid, method, within, former: "again" as const },
        name: (await runningBackup(kubernetes, state, prefix)) ?? backupName(cluster, `final-${stamp}`),
        remedy: `The Cluster was not deleted. Correct the cause and run the command again, or ${WITHOUT}`,
      };
      await takeBackup(kubernetes, request, { ...TIMING, ...given }, now);
    },
  };
}

/** How to delete the Cluster without a final backup. */
const WITHOUT = "set backup.final: false and run `pulumi up` before you delete it.";
