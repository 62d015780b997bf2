/** Readiness: resources that are created only when what was written really runs. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";
import type { ExpectedCluster } from "./cluster";

interface ServingArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Input<string>;
  /** Name of the Cluster. */
  cluster: pulumi.Input<string>;
  /** Seconds to wait. */
  within: number;
  /** No instance must run, so there is nothing to wait for. Default: false. */
  suspended?: boolean;
}

export type ClusterServingArgs = ServingArgs & {
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
} & { [Field in keyof ExpectedCluster]: pulumi.Input<ExpectedCluster[Field]> };

export interface DatabasesServingArgs extends ServingArgs {
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** What was written to each Database, by the object's name. In any form that changes with the content. */
  databases: Record<string, string>;
}

export interface DatabaseRolesServingArgs extends ServingArgs {
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** What was written to each DatabaseRole, by the object's name. In any form that changes with the content. */
  roles: Record<string, string>;
  /** Whether the objects stay in Kubernetes when Pulumi removes them from its state (`retainOnDelete`). */
  retained: boolean;
}

export interface PoolerServingArgs extends ServingArgs {
  /** Name of the Pooler and its Deployment. */
  pooler: pulumi.Input<string>;
  /** The Pooler's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** What was written, in any form that changes with it. */
  written: pulumi.Input<string>;
}

const clusterProvider = dynamicProvider("clusterServing");
const databasesProvider = dynamicProvider("databasesServing");
const databaseRolesProvider = dynamicProvider("databaseRolesServing");
const poolerProvider = dynamicProvider("poolerServing");

/**
 * Its creation or update ends when every instance uses the certificate, bundle, settings and rules that were written,
 * and every volume has its size. It fails after `within` seconds, or as soon as a problem is permanent, and names what
 * is missing in each instance. Needs the Kubernetes rights `get` on the Cluster, `list` on pods and
 * PersistentVolumeClaims, and `get` and `create` on `pods/exec`. With `list` on Events, and `get` on `pods/log` and
 * StorageClasses, it reports more reasons. With `get` and `delete` on Jobs, it restarts a failed initdb.
 */
export class ClusterServing extends KubernetesResource {
  constructor(name: string, args: ClusterServingArgs, opts?: pulumi.CustomResourceOptions) {
    super(clusterProvider, name, { ...args }, opts, "postgres", "ClusterServing");
  }
}

/**
 * Its creation or update ends when databases, schemas and extensions exist as written. Fails after `within` seconds with the
 * operator's reasons. Needs the Kubernetes right `get` on Databases.
 */
export class DatabasesServing extends KubernetesResource {
  constructor(name: string, args: DatabasesServingArgs, opts?: pulumi.CustomResourceOptions) {
    super(databasesProvider, name, { ...args }, opts, "postgres", "DatabasesServing");
  }
}

/**
 * Its creation or update ends when the primary has applied the DatabaseRoles as written. Fails after `within` seconds
 * with the operator's reasons. Needs the Kubernetes rights `get`, `patch` and `delete` on DatabaseRoles, and `get` on
 * the Cluster.
 */
export class DatabaseRolesServing extends KubernetesResource {
  constructor(name: string, args: DatabaseRolesServingArgs, opts?: pulumi.CustomResourceOptions) {
    super(databaseRolesProvider, name, { ...args }, opts, "postgres", "DatabaseRolesServing");
  }
}

/**
 * Its creation or update ends when all instances of a Pooler are ready. Fails after `within` seconds with the operator's
 * reasons. Needs the Kubernetes rights `get` on Pooler, Cluster and Deployment, and `list` on pods.
 */
export class PoolerServing extends KubernetesResource {
  constructor(name: string, args: PoolerServingArgs, opts?: pulumi.CustomResourceOptions) {
    super(poolerProvider, name, { ...args }, opts, "postgres", "PoolerServing");
  }
}
