/** What is looked at, and prepared, right before a Cluster or Pooler is updated. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import type { DeclaredFields } from "../cnpg/foreign-fields";
import type { KubernetesConnection } from "../kubernetes/client";

export interface UpdateCheckArgs extends DeclaredFields {
  kubernetes?: KubernetesConnection;
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
export class UpdateCheck extends pulumi.dynamic.Resource {
  declare private readonly prepared: pulumi.Output<true>;

  constructor(name: string, { kubernetes, ...args }: UpdateCheckArgs, opts: pulumi.CustomResourceOptions) {
    const inputs = { context: kubernetes?.context, ...args, prepared: undefined };
    super(provider, name, inputs, opts, "postgres", "UpdateCheck");
  }

  /** The value; unknown in a preview in which something is to be prepared. */
  once(value: string): pulumi.Output<string> {
    return this.prepared.apply(() => value);
  }
}
