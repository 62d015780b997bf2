/** The check and the preparation right before the update of a Cluster or Pooler. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import type { DeclaredFields } from "../cnpg/foreign-fields";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { DeclaredImage } from "./update-check-operations";

export interface UpdateCheckArgs extends DeclaredFields {
  kubernetes?: KubernetesArgs;
  /** The object's kind, as in the API server's paths. */
  plural: "clusters" | "poolers";
  namespace: pulumi.Input<string>;
  /** Name of the Cluster or Pooler. */
  object: string;
  /** The owner in the object's annotation: see owner.ts. */
  owner: string;
  /** The declared image. Absent for a Pooler. */
  image?: DeclaredImage;
  /** Name of the backup on demand that this run takes before the update. Default: none. */
  takenBackup?: pulumi.Output<string | undefined>;
  /** The Cluster's fields with the sizes of volumes. Absent for a Pooler. */
  volumes?: Record<string, unknown>;
  /**
   * The Cluster's `spec.bootstrap`. Another database or owner than that of the existing Cluster is refused. Absent for a Pooler.
   */
  bootstrap?: Record<string, unknown>;
}

const provider = dynamicProvider("updateCheck");

/**
 * Runs before its Cluster or Pooler. Refuses an upgrade of PostgreSQL that would fail (see major-upgrade.ts), volumes that
 * cannot grow, and another database or owner (see bootstrap.ts), and prepares fields that others wrote (see
 * foreign-fields.ts). Needs the Kubernetes rights `get` and `patch` on Clusters and Poolers. For an upgrade, it also needs
 * `list` on pods and Backups, and the rights of psql.ts.
 *
 * In a preview, Pulumi's Kubernetes provider dry-runs the update of the object. That would fail, because nothing is prepared
 * yet. The provider skips the dry run if an input is unknown, so one input of the object must pass through `once`.
 */
export class UpdateCheck extends KubernetesResource {
  declare private readonly prepared: pulumi.Output<true>;

  constructor(name: string, args: UpdateCheckArgs, opts: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args, prepared: undefined }, opts, "postgres", "UpdateCheck");
  }

  /** The value. Unknown in a preview if something must be prepared. */
  once(value: string): pulumi.Output<string> {
    return this.prepared.apply(() => value);
  }
}
