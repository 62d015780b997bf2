/** Checks, before anything is created, that the operator for CloudNativePG's objects is installed. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { DeclaredCluster } from "./dry-run";
import type { ObjectNames } from "../kubernetes/existing-objects";
import type { OperatorNeeds } from "./operator-version";

export interface OperatorCheckArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  /** Kinds and fields that will be written. Default: Clusters. */
  needs?: pulumi.Input<OperatorNeeds>;
  /** Also requires CloudNativePG's barman-cloud plugin. Default: false. */
  objectStores?: true;
  /**
   * True if a dependency of this resource may install the operator. A preview without the operator then only prints a
   * warning, and `up` checks again after the dependency. Default: false, so a preview fails without the operator.
   */
  awaited?: boolean;
  /**
   * The Cluster to create, and the names of the objects that are created with it. A Cluster or an object of such a name that
   * belongs to another stack is refused. Default: not checked.
   */
  cluster?: { namespace: pulumi.Input<string>; name: string; owner: string; adopt?: boolean; objects?: ObjectNames };
  /** The declaration of `cluster`. The operator is asked whether it accepts it as a new Cluster. Default: it is not asked. */
  declared?: DeclaredCluster;
}

const provider = dynamicProvider("operatorCheck");

/**
 * Fails, already in a preview, if the Kubernetes cluster does not serve the kinds and fields of CloudNativePG that are
 * declared, or if the operator would refuse the new Cluster. For the latter, it asks the API server for a strict dry run. If
 * the Cluster's namespace does not exist yet, the dry run uses the namespace `default`. A user who may not create Clusters
 * there gets a warning, and `up` checks it. This resource creates nothing. It does not check the operator during refresh and
 * destroy. If the API server does not answer, a preview prints a warning, and the `up` that creates this resource fails.
 * Needs only the Kubernetes rights that every user has (`system:discovery`).
 *
 * Stores which Kubernetes cluster it is in, and from then on refuses another one in preview, `up` and refresh. For this, it
 * needs the right `get` on the namespace kube-system. Without this right, it prints a warning.
 */
export class OperatorCheck extends KubernetesResource {
  constructor(name: string, args: OperatorCheckArgs, opts?: pulumi.CustomResourceOptions) {
    const { kubernetes, needs = { clusters: {} }, objectStores, awaited = false, cluster } = args;
    const declared = args.declared && pulumi.jsonStringify(args.declared);
    const inputs = { kubernetes, needs, objectStores, awaited, cluster, declared };
    super(provider, name, inputs, opts, "kubernetes", "OperatorCheck");
  }
}
