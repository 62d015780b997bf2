/** What keeps a run from deleting data: resources that refuse before anything is changed. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

/** Settings by which a database decides what may be deleted, and when. */
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

/** Whether its Cluster stays when the stack lets go of it. */
export function isRetained({ onDelete = "delete" }: ProtectionSettings): boolean {
  return onDelete === "retain";
}

/** Annotation of the Cluster that tells what was applied last. */
export const PROTECTION_ANNOTATION = "cnpg-teleport/deletion-protection";

/** The two commands that go on, for messages. */
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
 * Is made right after the Cluster and deleted right before it, with the same look at it as a ClusterIdentity. Fails in a
 * preview where the Cluster of a protected database would become another one. It is protected itself, so that
 * the preview of `pulumi destroy`, which asks no provider, refuses; its name is all that is shown there, and says what to do.
 */
export class DeletionProtection extends KubernetesResource {
  constructor(name: string, args: ClusterIdentityArgs & { protected: boolean }, opts: pulumi.CustomResourceOptions) {
    super(
      protectionProvider,
      `${name}: set deletionProtection: false, run pulumi up, then pulumi destroy`,
      { ...args },
      { ...opts, protect: args.protected },
      "postgres",
      "DeletionProtection",
    );
  }
}

export interface ClusterIdentityArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  /** Name of the database: of the PostgresCluster. */
  database: string;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
}

/**
 * Is made last and deleted first, because it depends on everything of a PostgresCluster. Refuses where the Cluster of this
 * name is another one than the stack made, or is in another Kubernetes cluster, or is protected. Needs the Kubernetes
 * rights `get` on Clusters and on the namespace kube-system.
 */
export class ClusterIdentity extends KubernetesResource {
  constructor(name: string, args: ClusterIdentityArgs, opts: pulumi.CustomResourceOptions) {
    super(identityProvider, name, { ...args }, opts, "postgres", "ClusterIdentity");
  }
}

/**
 * Refuses to be deleted in another Kubernetes cluster than the stack's, and with it all that it depends on: after an `up`
 * that failed half-way there is no ClusterIdentity yet. Needs the right `get` on the namespace kube-system.
 */
export class KubernetesIdentity extends KubernetesResource {
  constructor(
    name: string,
    { kubernetes }: { kubernetes?: KubernetesArgs },
    opts: pulumi.CustomResourceOptions & { dependsOn: pulumi.Resource[] },
  ) {
    super(kubernetesProvider, name, { kubernetes }, opts, "kubernetes", "KubernetesIdentity");
  }
}
