/** Resources that keep a run from deleting data. They refuse before anything is changed. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

const protectionProvider = dynamicProvider("deletionProtection");
const identityProvider = dynamicProvider("clusterIdentity");
const kubernetesProvider = dynamicProvider("kubernetesIdentity");

/**
 * Is created right after the Cluster and deleted right before it, with the same checks as a ClusterIdentity. Fails in a
 * preview if a protected database would become another Cluster. It has Pulumi's own protection too, so that the preview
 * of `pulumi destroy`, which asks no provider, refuses. Pulumi shows only its name there, so the name says what to do.
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
 * Is created last and deleted first, because it depends on everything of a PostgresCluster. Refuses if the Cluster of
 * this name is not the one that the stack created, is in another Kubernetes cluster, or is protected. Needs the
 * Kubernetes rights `get` on Clusters and on the namespace kube-system.
 */
export class ClusterIdentity extends KubernetesResource {
  constructor(name: string, args: ClusterIdentityArgs, opts: pulumi.CustomResourceOptions) {
    super(identityProvider, name, { ...args }, opts, "postgres", "ClusterIdentity");
  }
}

/**
 * Refuses a delete in a Kubernetes cluster that is not the stack's, and so protects everything that it depends on. It
 * is needed because there is no ClusterIdentity yet after an `up` that failed half-way. Needs the right `get` on the
 * namespace kube-system.
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
