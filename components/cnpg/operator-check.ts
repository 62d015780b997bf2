/** Whether the operator is there that all of CloudNativePG's objects need: looked at before anything is made. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { DeclaredCluster } from "./dry-run";
import type { OperatorNeeds } from "./operator-version";

export interface OperatorCheckArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  /** Kinds and fields that are to be written. Default: Clusters. */
  needs?: OperatorNeeds;
  /**
   * What this resource depends on may install the operator: a preview then says only that it is not there yet, and `up`
   * looks again when that is done. Default: false, which makes a preview fail without it.
   */
  awaited?: boolean;
  /** The Cluster that is to be made: one of that name that is another stack's is refused. Default: none is looked for. */
  cluster?: { namespace: pulumi.Input<string>; name: string; owner: string };
  /** What is to be made of `cluster`: what the operator has against a new one is told. Default: it is not asked. */
  declared?: DeclaredCluster;
}

const provider = dynamicProvider("operatorCheck");

/**
 * Fails, in a preview already, where the Kubernetes cluster does not serve CloudNativePG's kinds, or not with the fields
 * that are declared, and where the operator would refuse the Cluster that is to be made: the API server is asked for a
 * strict dry run. Where the Cluster's namespace does not exist yet, that is done in the namespace `default`; who may not
 * create Clusters there gets a warning, and `up` finds out. It makes nothing, and looks at nothing during refresh and destroy. An API server that does not
 * answer is a warning in a preview, and an error of the `up` that makes it. Needs no Kubernetes right that not every
 * user has (`system:discovery`).
 *
 * Remembers which Kubernetes cluster it is, and refuses another one from then on: in preview, `up` and refresh. Needs the
 * right `get` on the namespace kube-system for that; without it a warning says so.
 */
export class OperatorCheck extends KubernetesResource {
  constructor(name: string, args: OperatorCheckArgs, opts?: pulumi.CustomResourceOptions) {
    const { kubernetes, needs = { clusters: {} }, awaited = false, cluster } = args;
    const declared = args.declared && pulumi.jsonStringify(args.declared);
    const inputs = { kubernetes, needs, awaited, cluster, declared };
    super(provider, name, inputs, opts, "kubernetes", "OperatorCheck");
  }
}
