/** What is looked at right before a Cluster or Pooler is updated. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "./dynamic-provider";
import type { KubernetesConnection } from "./kubernetes/client";

export interface UpdateCheckArgs {
  kubernetes?: KubernetesConnection;
  /** Its kind, as the API server's paths name it. */
  plural: "clusters" | "poolers";
  namespace: pulumi.Input<string>;
  /** Name of the Cluster or Pooler. */
  object: string;
  /** Changes with everything that is written to the object. */
  written: pulumi.Input<string>;
  /** The declared number of instances. Absent where others may scale it. */
  instances?: number;
  /** The annotations that are declared and that stop instances. Default: none. */
  annotations?: Record<string, string>;
  /** What decides about PostgreSQL's image; absent for a Pooler, and where no instance is to run. */
  image?: { name: string; major?: number };
}

const provider = dynamicProvider("updateCheck");

/**
 * Comes before its Cluster or Pooler, and is updated whenever that is. Takes back what would make the update fail, and refuses
 * an upgrade of PostgreSQL that would. Needs the Kubernetes rights `get` and `patch` on Clusters and Poolers.
 */
export class UpdateCheck extends pulumi.dynamic.Resource {
  constructor(name: string, { kubernetes, ...args }: UpdateCheckArgs, opts: pulumi.CustomResourceOptions) {
    super(provider, name, { context: kubernetes?.context, ...args }, opts, "postgres", "UpdateCheck");
  }
}
