/** What keeps a run from deleting data: resources that refuse before anything is changed. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import type { KubernetesConnection } from "../kubernetes/client";

const protectionProvider = dynamicProvider("deletionProtection");
const identityProvider = dynamicProvider("clusterIdentity");
const kubernetesProvider = dynamicProvider("kubernetesIdentity");

/**
 * Is made right after the Cluster and deleted right before it, with the same look at it as a ClusterIdentity. Fails in a
 * preview where the Cluster of a protected database would become another one. It is protected itself, so that
 * the preview of `pulumi destroy`, which asks no provider, refuses; its name is all that is shown there, and says what to do.
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
 * Is made last and deleted first, because it depends on everything of a PostgresCluster. Refuses where the Cluster of this
 * name is another one than the stack made, or is in another Kubernetes cluster, or is protected. Needs the Kubernetes
 * rights `get` on Clusters and on the namespace kube-system.
 */
export class ClusterIdentity extends pulumi.dynamic.Resource {
  constructor(name: string, args: ClusterIdentityArgs, opts: pulumi.CustomResourceOptions) {
    const { kubernetes, ...inputs } = args;
    super(identityProvider, name, { context: kubernetes?.context, ...inputs }, opts, "postgres", "ClusterIdentity");
  }
}

/**
 * Refuses to be deleted in another Kubernetes cluster than the stack's, and with it all that it depends on: after an `up`
 * that failed half-way there is no ClusterIdentity yet. Needs the right `get` on the namespace kube-system.
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
