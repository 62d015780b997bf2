/** What a PostgresCluster is called in a Teleport cluster: its databases, roles and agent. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { TeleportUser } from "../cnpg/roles";
import type { DatabaseAdminUser, DynamicLabel } from "../teleport/resources/database";
import { PROVISIONED_BY } from "../teleport/program-roles";
import type { TeleportArgs, TeleportRegistration } from "./args";
import { agentConfigMap, PRIMARY_LABEL, teleportNames } from "../teleport/names";

/** A PostgresCluster in one Teleport cluster. */
export interface TeleportPlan {
  /** The settings that all of this follows from. */
  settings: TeleportArgs;
  /** How Teleport gets to know the databases. */
  registration: TeleportRegistration;
  /** Name of the primary in Teleport. */
  primary: string;
  /** Name of the standby, if there is one. */
  standby: string;
  databases: PlannedDatabase[];
  /** Roles in Teleport; none unless `accessRoles` is set. */
  accessRoles: PlannedAccessRole[];
  /** The ConfigMap with the server's CA that an agent mounts. It is made here if its namespace is set. */
  agentConfigMap: { resource: string; name: string; namespace?: string };
}

/** The primary or the standby in Teleport. */
export interface PlannedDatabase {
  resource: string;
  name: string;
  sqlType: SqlType;
  /** The Service that it leads to. */
  endpoint: "rw" | "ro";
  description?: string;
  labels: Record<string, pulumi.Input<string>>;
  dynamicLabels?: Record<string, DynamicLabel>;
  adminUser?: DatabaseAdminUser;
  trustSystemPool?: boolean;
}

export type SqlType = "primary" | "standby";

/** A role in Teleport that opens this database. */
export interface PlannedAccessRole {
  resource: string;
  name: string;
  description: string;
  databaseLabels: Record<string, string>;
  databaseNames: string[];
  /** Users that it never opens the database as. */
  deniedUsers: string[];
  databaseUsers?: string[];
  databaseRoles?: string[];
  createDatabaseUser?: "keep";
}

/** What the plan of the Cluster knows. */
export interface PlannedForTeleport {
  name: string;
  clusterName: string;
  environment: string;
  namespace: pulumi.Input<string>;
  description?: string;
  database: string;
  hasStandby: boolean;
  users: readonly TeleportUser[];
  autoUsersAdmin?: DatabaseAdminUser;
  autoUsersRoles?: readonly string[];
}

/** Labels that one database in Teleport has, and no other. */
export function labelsOf({ primary }: Pick<TeleportPlan, "primary">, sqlType: SqlType): Record<string, string> {
  return { ...PROVISIONED_BY, [PRIMARY_LABEL]: primary, sql_type: sqlType };
}

/** Plans a PostgresCluster in a Teleport cluster. */
export function planTeleport(settings: TeleportArgs, cluster: PlannedForTeleport): TeleportPlan {
  const { credentials, registration = { by: "program" } } = settings;
  // "@" is in no name of a database, so the names of several Teleport clusters differ.
  const prefix = credentials === undefined ? cluster.name : `${cluster.name}@${credentials}`;
  const agentNamespace = registration.by === "agent" ? registration.namespace : undefined;
  const { primary, standby } = teleportNames(cluster.clusterName, cluster.environment, settings.name);
  const database = (sqlType: SqlType, name: string, endpoint: "rw" | "ro"): PlannedDatabase => ({
    resource: `${prefix}-${sqlType}`,
    name,
    sqlType,
    endpoint,
    description: cluster.description,
    labels: {
      ...settings.labels,
      environment: cluster.environment,
      cluster: cluster.clusterName,
      namespace: cluster.namespace,
      [PRIMARY_LABEL]: primary,
      ...PROVISIONED_BY,
      sql_type: sqlType,
    },
    dynamicLabels: settings.dynamicLabels,
    // No user can be made in a standby.
    adminUser: cluster.autoUsersAdmin
      ? sqlType === "primary"
        ? cluster.autoUsersAdmin
        : undefined
      : settings.adminUser,
    trustSystemPool: settings.trustSystemPool,
  });
  return {
    settings,
    registration,
    primary,
    standby,
    databases: [
      database("primary", primary, "rw"),
      ...(cluster.hasStandby ? [database("standby", standby, "ro")] : []),
    ],
    accessRoles: settings.accessRoles ? planAccessRoles(prefix, primary, settings, cluster) : [],
    agentConfigMap: {
      resource: `${prefix}-agent-server-ca`,
      name: agentConfigMap(primary),
      namespace: agentNamespace,
    },
  };
}

/**
 * A role for each user: exactly this Cluster, the databases of the user's scope, and that user. And one for each role that
 * Teleport's own users may get.
 */
function planAccessRoles(
  prefix: string,
  primary: string,
  { adminUser }: TeleportArgs,
  { users, database, autoUsersAdmin = adminUser, autoUsersRoles = [] }: PlannedForTeleport,
): PlannedAccessRole[] {
  const databaseLabels = { ...PROVISIONED_BY, [PRIMARY_LABEL]: primary };
  const deniedUsers = autoUsersAdmin === undefined ? [] : [autoUsersAdmin.name];
  const ofUsers = users.map((user): PlannedAccessRole => ({
    resource: `${prefix}-${user.name}`,
    name: `${primary}-${user.name}`,
    description: `Opens ${primary} as ${user.name}`,
    databaseLabels,
    deniedUsers,
    databaseNames: user.scope ? [...new Set(user.scope.map((scope) => scope.database ?? database))] : ["*"],
    databaseUsers: [user.name],
  }));
  const ofAutoUsers = autoUsersRoles.map((role): PlannedAccessRole => ({
    resource: `${prefix}-auto-${role}`,
    name: `${primary}-auto-${role}`,
    description: `Opens ${primary} with a user of one's own that has the role ${role}`,
    databaseLabels: { ...databaseLabels, sql_type: "primary" },
    deniedUsers,
    databaseNames: ["*"],
    databaseRoles: [role],
    createDatabaseUser: "keep",
  }));
  return [...ofUsers, ...ofAutoUsers];
}
