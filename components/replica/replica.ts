/** The role of a Cluster in a distributed topology, as Pulumi resources. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { PrimaryName } from "./role-operations";

const roleProvider = dynamicProvider("replicaRole");
const statusProvider = dynamicProvider("replicaStatus");

export interface ReplicaRoleArgs {
  /** The Cluster's name in the topology. */
  self: string;
  /** Name of the primary cluster. */
  primary: string;
  /** The names in Teleport that this program registers for the primary cluster. */
  names: pulumi.Input<PrimaryName>[];
}

/**
 * Records when the Cluster is promoted. Refuses, before anything is changed, a primary cluster whose name in Teleport another
 * Cluster of the topology took over.
 */
export class ReplicaRole extends pulumi.dynamic.Resource {
  /** When the Cluster was promoted from a replica cluster. Empty if it was not. */
  declare readonly promotedAt: pulumi.Output<string>;

  constructor(name: string, args: ReplicaRoleArgs, opts: pulumi.CustomResourceOptions) {
    super(roleProvider, name, { ...args, promotedAt: undefined }, opts, "teleport", "ReplicaRole");
  }
}

export interface ReplicaStatusArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** The Cluster that it follows. Absent for the primary cluster. */
  follows?: string;
}

/** Reads the status of a Cluster that has its role. Needs the Kubernetes right `get` on Clusters. */
export class ReplicaStatus extends KubernetesResource {
  /** PostgreSQL's system identifier, which all Clusters of a topology have in common. */
  declare readonly systemId: pulumi.Output<string>;
  /** The token with which another Cluster can be promoted. Empty if this Cluster was not demoted. */
  declare readonly demotionToken: pulumi.Output<string>;

  constructor(name: string, args: ReplicaStatusArgs, opts: pulumi.CustomResourceOptions) {
    const outputs = { systemId: undefined, demotionToken: undefined };
    super(statusProvider, name, { ...args, ...outputs }, opts, "postgres", "ReplicaStatus");
  }
}
