/** Backups that `up` and `destroy` take, as resources. */
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
  /** A backup is taken each time it changes. */
  reason: pulumi.Input<string>;
  /** An instance is stopped by the settings, so no backup is taken. */
  suspended?: boolean;
}

const takenProvider = dynamicProvider("takenBackup");
const lastProvider = dynamicProvider("lastBackup");

/**
 * Its creation or update ends when the backup is complete, and fails with CloudNativePG's reason. Needs the Kubernetes rights
 * `get` on Clusters, and `get` and `create` on Backups.
 */
export class TakenBackup extends KubernetesResource {
  constructor(name: string, args: TakenBackupArgs, opts: pulumi.CustomResourceOptions) {
    super(takenProvider, name, { ...args }, opts, "postgres", "Backup");
  }
}

/**
 * Its deletion ends when a last backup is complete, if it is enabled. Refuses what a ClusterIdentity refuses. Needs the Kubernetes
 * rights of a TakenBackup, and `list` on Backups.
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
