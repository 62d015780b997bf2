/** Users as CNPG's DatabaseRole objects, instead of entries of the Cluster's `spec.managed.roles`. Pure. */
import { databaseObjectName } from "./databases";
import { ManagedRole, managedRoles, TeleportUser } from "./roles";

/** Where users are declared to CloudNativePG: in the Cluster, or in a DatabaseRole each. */
export type UsersAs = "inline" | "databaseRole";

/** A DatabaseRole object, without its namespace. */
export interface DatabaseRoleManifest {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "DatabaseRole";
  metadata: { name: string };
  /** CloudNativePG never drops the role. DatabaseAccess drops it, after it has reassigned what the user owns. */
  spec: Omit<ManagedRole, "ensure"> & { cluster: { name: string }; databaseRoleReclaimPolicy: "retain" };
}

/** A DatabaseRole for each user. While a role is also in `spec.managed.roles`, CloudNativePG does not apply its DatabaseRole. */
export function databaseRoleManifests(cluster: string, users: readonly TeleportUser[]): DatabaseRoleManifest[] {
  return managedRoles(users).map(({ ensure: _ensure, ...role }) => ({
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "DatabaseRole",
    metadata: { name: databaseRoleName(cluster, role.name) },
    spec: { cluster: { name: cluster }, ...role, databaseRoleReclaimPolicy: "retain" },
  }));
}

/**
 * Name of the DatabaseRole: `orders.teleport-user-read`. Users' names have no hyphens, so no two users get the same name. The
 * dot ends the Cluster's name, so no two Clusters get the same name either. Databases' names work alike.
 */
export function databaseRoleName(cluster: string, role: string): string {
  const readable = role.replaceAll("_", "-");
  // Kubernetes allows no hyphen at the beginning or the end.
  return databaseObjectName(cluster, /^-|-$/.test(readable) ? role : readable);
}
