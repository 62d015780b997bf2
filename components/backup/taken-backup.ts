/** Backups that `up` and `destroy` take, as Pulumi resources. */
import * as pulumi from "@pulumi/pulumi";
import type { BackupMethod } from "../cnpg/backup";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { ClusterIdentityArgs } from "../protection/deletion-protection";
import type { Occasion } from "./taken-backup-operations";

/** How a backup is taken. */
interface HowArgs {
  method: BackupMethod;
  /** Seconds to wait for the backup. */
  within: number;
}

export interface TakenBackupArgs extends HowArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** When the backup is taken. */
  occasion: Occasion;
  /** A backup is taken each time this value changes. */
  reason: pulumi.Input<string>;
  /** The settings stop an instance, or make the Cluster a replica cluster, so no backup is taken. */
  suspended?: boolean;
}

const takenProvider = dynamicProvider("takenBackup");
const lastProvider = dynamicProvider("lastBackup");

/**
 * A backup that `up` takes. Its creation or update finishes only when the backup is complete. If the backup fails, it fails with
 * CloudNativePG's reason. Needs the Kubernetes rights `get` on Clusters, and `get` and `create` on Backups.
 */
export class TakenBackup extends KubernetesResource {
  /** Name of the Backup object. Unknown in a preview if a backup will be taken. Undefined if none was taken. */
  declare readonly taken: pulumi.Output<string | undefined>;

  constructor(name: string, args: TakenBackupArgs, opts: pulumi.CustomResourceOptions) {
    super(takenProvider, name, { ...args, taken: undefined }, opts, "postgres", "Backup");
  }
}

/**
 * The final backup of a Cluster. If enabled, its deletion takes the backup, and finishes only when the backup is complete. Refuses
 * what a ClusterIdentity refuses. Needs the Kubernetes rights of a TakenBackup, and `list` on Backups.
 */
export class LastBackup extends KubernetesResource {
  constructor(
    name: string,
    args: ClusterIdentityArgs & HowArgs & { enabled: boolean },
    opts: pulumi.CustomResourceOptions,
  ) {
    super(lastProvider, name, { ...args }, opts, "postgres", "LastBackup");
  }
}
