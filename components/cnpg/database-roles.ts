/** Users as CNPG's DatabaseRole objects, in place of entries of the Cluster's `spec.managed.roles`. Pure. */
import { databaseObjectName } from "./databases";
import { ManagedRole, managedRoles, TeleportUser } from "./roles";

/** Where CloudNativePG is told of users: in the Cluster, or in an object for each. */
export type UsersAs = "inline" | "databaseRole";

/** A DatabaseRole object; its namespace may be known later only. */
export interface DatabaseRoleManifest<Namespace = string> {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "DatabaseRole";
  metadata: { name: string; namespace: Namespace };
  /** Never drops the role: whoever removes a user gives away what it owns first (see DatabaseAccess). */
  spec: Omit<ManagedRole, "ensure"> & { cluster: { name: string }; databaseRoleReclaimPolicy: "retain" };
}

/** The DatabaseRole of each user. CloudNativePG applies none whose role is also in `spec.managed.roles`. */
export function databaseRoleManifests<Namespace>(
  cluster: string,
  namespace: Namespace,
  users: readonly TeleportUser[],
): DatabaseRoleManifest<Namespace>[] {
  return managedRoles(users).map(({ ensure: _ensure, ...role }) => ({
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "DatabaseRole",
    metadata: { name: databaseRoleName(cluster, role.name), namespace },
    spec: { cluster: { name: cluster }, ...role, databaseRoleReclaimPolicy: "retain" },
  }));
}

/**
 * Name of the DatabaseRole: `orders.teleport-user-read`. Users' names have no hyphens, so that no two become alike. The dot
 * keeps those of Clusters apart, as in Databases' names.
 */
export function databaseRoleName(cluster: string, role: string): string {
  const readable = role.replaceAll("_", "-");
  // Kubernetes takes no hyphen at the beginning or the end.
  return databaseObjectName(cluster, /^-|-$/.test(readable) ? role : readable);
}
