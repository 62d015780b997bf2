/** What is looked at, and prepared, right before a Cluster or Pooler is updated. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import type { DeclaredFields } from "../kubernetes/foreign-fields";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

export interface UpdateCheckArgs extends DeclaredFields {
  kubernetes?: KubernetesArgs;
  /** Its kind, as the API server's paths name it. */
  plural: "clusters" | "poolers";
  namespace: pulumi.Input<string>;
  /** Name of the Cluster or Pooler. */
  object: string;
  /** Whose it is, by its annotation: see owner.ts. */
  owner: string;
  /** What decides about PostgreSQL's image; absent for a Pooler, and where the operator chooses none. */
  image?: { name: string; major?: number };
}

const provider = dynamicProvider("updateCheck");

/**
 * Comes before its Cluster or Pooler. Refuses an upgrade of PostgreSQL that would fail, and prepares fields that others wrote: see
 * foreign-fields.ts. Needs the Kubernetes rights `get` and `patch` on Clusters and Poolers.
 *
 * Pulumi's Kubernetes provider tries an update out in the preview, where nothing is prepared yet, and is refused. It tries out
 * nothing whose inputs are not known: so something of the object has to pass through `once`.
 */
export class UpdateCheck extends KubernetesResource {
  declare private readonly prepared: pulumi.Output<true>;

  constructor(name: string, args: UpdateCheckArgs, opts: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args, prepared: undefined }, opts, "postgres", "UpdateCheck");
  }

  /** The value; unknown in a preview in which something is to be prepared. */
  once(value: string): pulumi.Output<string> {
    return this.prepared.apply(() => value);
  }
}
