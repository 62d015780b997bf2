/** Whether the operator is there that all of CloudNativePG's objects need: looked at before anything is made. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesConnection } from "../kubernetes/client";
import type { OperatorNeeds } from "./operator-version";

export interface OperatorCheckArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesConnection;
  /** Kinds and fields that are to be written. Default: Clusters. */
  needs?: OperatorNeeds;
  /**
   * What this resource depends on may install the operator: a preview then says only that it is not there yet, and `up`
   * looks again when that is done. Default: false, which makes a preview fail without it.
   */
  awaited?: boolean;
  /** The Cluster that is to be made: one of that name that is another stack's is refused. Default: none is looked for. */
  cluster?: { namespace: pulumi.Input<string>; name: string; owner: string };
}

const provider = dynamicProvider("operatorCheck");

/**
 * Fails, in a preview already, where the Kubernetes cluster does not serve CloudNativePG's kinds, or not with the fields
 * that are declared. It makes nothing, and looks at nothing during refresh and destroy. An API server that does not
 * answer is a warning in a preview, and an error of the `up` that makes it. Needs no Kubernetes right that not every
 * user has (`system:discovery`).
 *
 * Remembers which Kubernetes cluster it is, and refuses another one from then on: in preview, `up` and refresh. Needs the
 * right `get` on the namespace kube-system for that; without it a warning says so.
 */
export class OperatorCheck extends pulumi.dynamic.Resource {
  constructor(name: string, args: OperatorCheckArgs, opts?: pulumi.CustomResourceOptions) {
    const { kubernetes, needs = { clusters: {} }, awaited = false, cluster } = args;
    const inputs = { context: kubernetes?.context, needs, awaited, cluster };
    super(provider, name, inputs, opts, "kubernetes", "OperatorCheck");
  }
}
