/** The PostgreSQL user with which Teleport creates users, in all databases of a Cluster. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../../kubernetes/resource";
import type { AutoUsers } from "./settings";

export interface AutoUsersAdminArgs {
  /** How the program reaches the Kubernetes cluster. Must be the cluster of the Kubernetes provider. */
  kubernetes?: KubernetesArgs;
  /** Namespace of the Cluster. */
  namespace: pulumi.Input<string>;
  /** Name of the Cluster. */
  cluster: pulumi.Input<string>;
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** The application's database. When this resource is deleted, objects of users are reassigned to its owner. */
  database: string;
  settings: AutoUsers;
  /** No instance runs, so nothing is changed in PostgreSQL. Default: false. */
  suspended?: boolean;
}

const provider = dynamicProvider("autoUsers");

/**
 * Creates the admin user and the objects that it needs, and checks at every `up` that they are unchanged. Deleting
 * this resource drops the admin user and all users that Teleport created; their objects are reassigned to the owner
 * of the database. Needs the Kubernetes rights `get` on the Cluster and `get` and `create` on `pods/exec`. The rules
 * of `autoUserHbaRules` must be in pg_hba.conf.
 */
export class AutoUsersAdmin extends KubernetesResource {
  constructor(name: string, args: AutoUsersAdminArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { suspended: false, ...args }, opts, "postgres", "AutoUsersAdmin");
  }
}
