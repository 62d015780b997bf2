/** The PostgreSQL user as whom Teleport makes users, in all databases of a Cluster. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../../kubernetes/resource";
import type { AutoUsers } from "./settings";

export interface AutoUsersAdminArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  /** Namespace of the Cluster. */
  namespace: pulumi.Input<string>;
  /** Name of the Cluster. */
  cluster: pulumi.Input<string>;
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** The application's database; its owner inherits what users leave when all goes. */
  database: string;
  settings: AutoUsers;
  /** No instance runs, so that nothing can be done. Default: false. */
  suspended?: boolean;
}

const provider = dynamicProvider("autoUsers");

/**
 * Makes the admin user and what it needs, and looks at every `up` whether all of it is there. Deleting it drops the admin
 * user and all users that Teleport made; what they own goes to the database's owner. Needs the Kubernetes rights `get` on
 * the Cluster and `get` and `create` on `pods/exec`. The rules of `autoUserHbaRules` must be in pg_hba.conf.
 */
export class AutoUsersAdmin extends KubernetesResource {
  constructor(name: string, args: AutoUsersAdminArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { suspended: false, ...args }, opts, "postgres", "AutoUsersAdmin");
  }
}
