/** The rights of Teleport's users in the databases of a Cluster. */
import * as pulumi from "@pulumi/pulumi";
import { type UsersAs, TeleportUser } from "../cnpg/roles";
import type { PoolerAuthentication } from "../cnpg/pooler";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesArgs, KubernetesResource } from "../kubernetes/resource";

export interface DatabaseAccessArgs {
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  /** Namespace of the Cluster. */
  namespace: pulumi.Input<string>;
  /** Name of the Cluster. */
  cluster: pulumi.Input<string>;
  /** The Cluster's `metadata.uid`. */
  uid: pulumi.Input<string>;
  /** The application's database. */
  database: string;
  /** Users and their rights. `usersAs` says how they are declared to CloudNativePG. */
  users: readonly TeleportUser[];
  /** `inline`: managed roles of the Cluster. `databaseRole`: DatabaseRoles of its namespace. Default: `inline`. */
  usersAs?: UsersAs;
  /** Creates PgBouncer's roles, and the functions with which it looks up passwords. Default: none. */
  poolerLogins?: readonly PoolerAuthentication[];
  /** No instance runs, so nothing can be done. Default: false. */
  suspended?: boolean;
}

const provider = dynamicProvider("access");

/**
 * Sets the users' attributes, memberships, rights and settings as declared. Runs in every `up` if the declaration
 * changed or the database drifted. Removing a user ends its sessions, reassigns its objects to the database's owner,
 * and drops it. Needs the Kubernetes rights `get` on the Cluster, and `get` and `create` on `pods/exec`. With `usersAs:
 * databaseRole`, it also needs `get` on DatabaseRoles.
 */
export class DatabaseAccess extends KubernetesResource {
  constructor(name: string, args: DatabaseAccessArgs, opts?: pulumi.CustomResourceOptions) {
    const { usersAs, ...inputs } = args;
    // The default is left out, because older states have no `usersAs`.
    const as = usersAs === "databaseRole" ? { usersAs } : {};
    super(provider, name, { suspended: false, poolerLogins: [], ...as, ...inputs }, opts, "postgres", "Access");
  }
}
