/** The name of a Cluster's archive, as a Pulumi resource. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

export interface ArchiveNameArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Input<string>;
  cluster: string;
  /** The name in the settings. Default: a generated one. */
  declaredName?: string;
  /** The archive that a new Cluster is recovered from. Default: none. */
  recoversFrom?: string;
  /** The declared major version of PostgreSQL. Default: the operator chooses the image. */
  major?: number;
  /** The Cluster of its topology that it follows, and that a new Cluster gets its data from. Default: none. */
  follows?: string;
  /** The archives of other Clusters of its topology in the same object store. Default: none. */
  others?: string[];
  /** Where the archive is. */
  place: {
    destinationPath: pulumi.Input<string>;
    endpointURL?: pulumi.Input<string>;
    /** The environment of the plugin's container is set, and may name another endpoint. */
    hasEnvironment: boolean;
  };
}

const provider = dynamicProvider("archiveName");

/**
 * The name of the archive that a Cluster writes to. It is created before the Cluster. An existing Cluster keeps its archive. A
 * Cluster that is created again, or upgraded to another major version, gets a new one. Needs the Kubernetes right `get` on Clusters
 * and ObjectStores.
 */
export class ArchiveName extends KubernetesResource {
  declare readonly archiveName: pulumi.Output<string>;

  constructor(name: string, args: ArchiveNameArgs, opts: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args, archiveName: undefined }, opts, "postgres", "ArchiveName");
  }
}
