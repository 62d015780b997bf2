/** The plan of a PostgresCluster in a Teleport cluster: its databases, roles and agent. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { ReplicaPlan } from "../cnpg/replica";
import type { TeleportUser } from "../cnpg/roles";
import type { DatabaseAdminUser, DynamicLabel } from "../teleport/resources/database";
import { PROVISIONED_BY } from "../teleport/program-roles";
import type { Endpoint } from "../cnpg/names";
import type { TeleportArgs, TeleportRegistration } from "./args";
import { agentConfigMap, PRIMARY_LABEL, teleportNames } from "../teleport/names";

/** Everything that follows from the settings of one Teleport cluster. */
export interface TeleportPlan {
  /** The settings that the plan is made from. */
  settings: TeleportArgs;
  /** How the databases are registered. */
  registration: TeleportRegistration;
  /** Name of the primary in Teleport. */
  primary: string;
  /** The resource that registers the primary. */
  primaryResource: string;
  /** Name of the standby. It is not registered if there is no standby. */
  standby: string;
  databases: PlannedDatabase[];
  /** Roles in Teleport. None unless the setting `accessRoles` is true. */
  accessRoles: PlannedAccessRole[];
  /** The names belong to the primary cluster of the topology, so this Cluster does not write its roles. */
  isReplicaCluster: boolean;
  /** The ConfigMap with the server's CA that an agent mounts. The program creates it if its namespace is set. */
  agentConfigMap: { resource: string; name: string; namespace?: string };
}

/** The primary, the standby, or a replica cluster with a name of its own in Teleport. */
export interface PlannedDatabase {
  resource: string;
  name: string;
  sqlType: SqlType;
  /** The Cluster's Service that Teleport connects to. */
  endpoint: Endpoint;
  description?: string;
  labels: Record<string, pulumi.Input<string>>;
  dynamicLabels?: Record<string, DynamicLabel>;
  adminUser?: DatabaseAdminUser;
  trustSystemPool?: boolean;
}

export type SqlType = "primary" | "standby" | "replica";

/** A role in Teleport that gives access to this database. */
export interface PlannedAccessRole {
  resource: string;
  name: string;
  description: string;
  databaseLabels: Record<string, string>;
  databaseNames: string[];
  /** PostgreSQL users that the role denies. */
  deniedUsers: string[];
  databaseUsers?: string[];
  databaseRoles?: string[];
  createDatabaseUser?: "keep";
}

/** The parts of the ClusterPlan that the plan for Teleport needs. */
export interface TeleportPlanInputs {
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
  replica?: ReplicaPlan;
}

/** Labels that the databases of one Cluster in Teleport have, and no others. */
function clusterLabels({ primary }: Pick<TeleportPlan, "primary">): Record<string, string> {
  return { [PRIMARY_LABEL]: primary, ...PROVISIONED_BY };
}

/** Labels that exactly one database in Teleport has. */
export function identifyingLabels(plan: Pick<TeleportPlan, "primary">, sqlType: SqlType): Record<string, string> {
  return { ...clusterLabels(plan), sql_type: sqlType };
}

/** Plans a PostgresCluster in a Teleport cluster. */
export function planTeleport(settings: TeleportArgs, cluster: TeleportPlanInputs): TeleportPlan {
  const { credentials, registration = { by: "program" } } = settings;
  // Names of databases cannot contain "@", so the names of resources for several Teleport clusters differ.
  const prefix = credentials === undefined ? cluster.name : `${cluster.name}@${credentials}`;
  const agentNamespace = registration.by === "agent" ? registration.namespace : undefined;
  const { primary, standby } = teleportNames(cluster.clusterName, cluster.environment, settings.name);
  const database = (sqlType: SqlType, name: string, endpoint: Endpoint): PlannedDatabase => ({
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
      ...identifyingLabels({ primary }, sqlType),
    },
    dynamicLabels: settings.dynamicLabels,
    // Users cannot be created on a standby.
    adminUser: cluster.autoUsersAdmin
      ? sqlType === "primary"
        ? cluster.autoUsersAdmin
        : undefined
      : settings.adminUser,
    trustSystemPool: settings.trustSystemPool,
  });
  const { replica } = cluster;
  const isReplicaCluster = replica?.follows !== undefined;
  const ownName = replica?.settings.teleportName;
  const databases = isReplicaCluster
    ? // All instances are read-only. There may be no other than the designated primary.
      ownName === undefined
      ? []
      : [database("replica", ownName, "r")]
    : [database("primary", primary, "rw"), ...(cluster.hasStandby ? [database("standby", standby, "ro")] : [])];
  return {
    settings,
    registration,
    primary,
    primaryResource: `${prefix}-primary`,
    standby,
    databases,
    isReplicaCluster,
    accessRoles: settings.accessRoles ? planAccessRoles(prefix, primary, settings, cluster) : [],
    agentConfigMap: {
      resource: `${prefix}-agent-server-ca`,
      name: agentConfigMap(primary),
      namespace: agentNamespace,
    },
  };
}

/**
 * Plans a role for each user. It gives access to this Cluster only, to the databases of the user's scope, and as this
 * user. Plans another role for each role that users which Teleport creates may have.
 */
function planAccessRoles(
  prefix: string,
  primary: string,
  { adminUser }: TeleportArgs,
  { users, database, autoUsersAdmin = adminUser, autoUsersRoles = [] }: TeleportPlanInputs,
): PlannedAccessRole[] {
  const databaseLabels = clusterLabels({ primary });
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
    databaseLabels: identifyingLabels({ primary }, "primary"),
    deniedUsers,
    databaseNames: ["*"],
    databaseRoles: [role],
    createDatabaseUser: "keep",
  }));
  return [...ofUsers, ...ofAutoUsers];
}
