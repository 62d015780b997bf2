/** Backups that `up` and `destroy` take, as resources. */
import * as pulumi from "@pulumi/pulumi";
import type { BackupMethod } from "../cnpg/backup";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { Occasion } from "./backup-operations";

export interface TakenBackupArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** When the backup is taken. */
  occasion: Occasion;
  /** A backup is taken each time it changes. */
  reason: pulumi.Input<string>;
  method: BackupMethod;
  /** Seconds to wait for the backup. */
  within: number;
  /** No instance runs, so none can be backed up. */
  suspended?: boolean;
}

const provider = dynamicProvider("takenBackup");

/**
 * Its creation, update or deletion ends when the backup is complete, and fails with CloudNativePG's reason. Needs the Kubernetes
 * rights `get` on Clusters, and `get` and `create` on Backups.
 */
export class TakenBackup extends KubernetesResource {
  constructor(name: string, args: TakenBackupArgs, opts: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args }, opts, "postgres", "Backup");
  }
}
