/** Takes an existing Cluster into the stack. */
import * as pulumi from "@pulumi/pulumi";
import type { DeclaredCluster } from "../cnpg/dry-run";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

/** An object that this program creates for the Cluster, and its owner. */
export interface AdoptableObject {
  apiVersion: string;
  kind: string;
  plural: string;
  name: string;
  owner: string;
  /** The field manager under which Pulumi's Kubernetes provider applies it. */
  manager: string;
}

export interface AdoptionArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** The owner annotation of the Cluster. */
  owner: string;
  /** The field manager under which Pulumi's Kubernetes provider applies the Cluster. */
  manager: string;
  declared: DeclaredCluster;
  /** The other objects of this program for the Cluster. */
  objects: AdoptableObject[];
}

const provider = dynamicProvider("adoption");

/**
 * Comes before all objects of its Cluster. A preview refuses a Cluster that cannot be taken over, and lists what `up` changes.
 * `up` writes the stack as the owner into the Cluster, and clears who owned the fields of the Cluster and its objects, so that the
 * Kubernetes provider can apply them. Without effect if the Cluster is the stack's already. It deletes nothing when it is removed.
 * Needs the rights `get` and `patch` on these objects. With `list` on Secrets, it notices a release of Helm.
 */
export class Adoption extends KubernetesResource {
  constructor(name: string, { declared, ...args }: AdoptionArgs, opts: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args, declared: pulumi.jsonStringify(declared) }, opts, "postgres", "Adoption");
  }
}
