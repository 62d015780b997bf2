/** Resources that keep a run from deleting data. They refuse before anything is changed. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import type { KubernetesConnection } from "../kubernetes/client";

/** Settings about the deletion of a database. */
export interface ProtectionSettings {
  /**
   * Protects the Cluster, and additional databases with `reclaimPolicy: delete`, from being deleted or replaced.
   * `pulumi destroy` and a changed name are refused, already in the preview. To delete the Cluster, set this to `false`,
   * run `pulumi up`, and then delete it. Default: true.
   */
  deletionProtection?: boolean;
  /**
   * What happens to the Cluster when it is removed from the stack. `delete` deletes it with its volumes. `retain` keeps the
   * Cluster, its Secrets, databases and network policies in Kubernetes, and only removes access: registrations in
   * Teleport, poolers, Vault's connection and the users' rights. Default: `delete`.
   */
  onDelete?: "delete" | "retain";
}

/** Whether a database is protected. */
export function isProtected({ deletionProtection = true }: ProtectionSettings): boolean {
  return deletionProtection;
}

/** Whether the Cluster stays when it is removed from the stack. */
export function isRetained({ onDelete = "delete" }: ProtectionSettings): boolean {
  return onDelete === "retain";
}

/** Annotation of the Cluster with the protection that was applied last. */
export const PROTECTION_ANNOTATION = "cnpg-teleport/deletion-protection";

/** How to delete a protected database, for messages. */
export function howToDelete(database: string): string {
  return (
    `To delete it, set deletionProtection: false for ${database} ` +
    `(pulumi config set --path 'cnpg-teleport:databases.${database}.deletionProtection' false) and run \`pulumi up\`; ` +
    "then delete it, e.g. with `pulumi destroy`."
  );
}

const protectionProvider = dynamicProvider("deletionProtection");
const identityProvider = dynamicProvider("clusterIdentity");
const kubernetesProvider = dynamicProvider("kubernetesIdentity");

/**
 * Is created right after the Cluster and deleted right before it, with the same checks as a ClusterIdentity. Fails in a
 * preview if a protected database would become another Cluster. It has Pulumi's own protection too, so that the preview
 * of `pulumi destroy`, which asks no provider, refuses. Pulumi shows only its name there, so the name says what to do.
 */
export class DeletionProtection extends pulumi.dynamic.Resource {
  constructor(
    name: string,
    { kubernetes, ...args }: ClusterIdentityArgs & { protected: boolean },
    opts: pulumi.CustomResourceOptions,
  ) {
    super(
      protectionProvider,
      `${name}: set deletionProtection: false, run pulumi up, then pulumi destroy`,
      { context: kubernetes?.context, ...args },
      { ...opts, protect: args.protected },
      "postgres",
      "DeletionProtection",
    );
  }
}

export interface ClusterIdentityArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesConnection;
  /** Name of the database: of the PostgresCluster. */
  database: string;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
}

/**
 * Is created last and deleted first, because it depends on everything of a PostgresCluster. Refuses if the Cluster of
 * this name is not the one that the stack created, is in another Kubernetes cluster, or is protected. Needs the
 * Kubernetes rights `get` on Clusters and on the namespace kube-system.
 */
export class ClusterIdentity extends pulumi.dynamic.Resource {
  constructor(name: string, args: ClusterIdentityArgs, opts: pulumi.CustomResourceOptions) {
    const { kubernetes, ...inputs } = args;
    super(identityProvider, name, { context: kubernetes?.context, ...inputs }, opts, "postgres", "ClusterIdentity");
  }
}

/**
 * Refuses a delete in a Kubernetes cluster that is not the stack's, and so protects everything that it depends on. It
 * is needed because there is no ClusterIdentity yet after an `up` that failed half-way. Needs the right `get` on the
 * namespace kube-system.
 */
export class KubernetesIdentity extends pulumi.dynamic.Resource {
  constructor(
    name: string,
    { kubernetes }: { kubernetes?: KubernetesConnection },
    opts: pulumi.CustomResourceOptions & { dependsOn: pulumi.Resource[] },
  ) {
    super(kubernetesProvider, name, { context: kubernetes?.context }, opts, "kubernetes", "KubernetesIdentity");
  }
}
