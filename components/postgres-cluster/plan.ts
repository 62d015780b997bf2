/**
 * Everything that follows from the settings of a PostgresCluster: names, users, and what is written to each object. The
 * resources, the outputs and all checks read it, and derive nothing again. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import { databaseRoleManifests, DatabaseRoleManifest, DEFAULT_USERS, TeleportUser } from "../cnpg/roles";
import { databaseManifests, DatabaseManifest } from "../cnpg/databases";
import { clusterSpec, DEFAULT_INSTANCES } from "../cnpg/cluster";
import type { DeclaredCluster } from "../cnpg/dry-run";
import { databaseAndOwner } from "../cnpg/initdb";
import { clusterAnnotations, servingInstances } from "../cnpg/stopped";
import { fieldsOf, OperatorNeeds } from "../cnpg/operator-version";
import {
  PoolerAuthentication,
  poolerLogins,
  poolerName,
  poolerSecretName,
  PoolerSettings,
  poolerSpec,
} from "../cnpg/pooler";
import { mergeSpec } from "../cnpg/spec";
import { networkPolicies, NetworkPolicyManifest } from "../cnpg/network-policy";
import { EXPLICIT_LOGIN } from "../postgres/pooler-login";
import { isProtected, isRetained } from "../protection/deletion-settings";
import { autoUserHbaRules, autoUsersAdmin } from "../teleport/auto-users/settings";
import type { DatabaseAdminUser } from "../teleport/resources/database";
import { planVaultDatabase, VaultDatabasePlan, vaultHbaRules } from "../vault-database/plan";
import { VaultUserNames, vaultUserNames } from "../vault-database/settings";
import { DEFAULT_READY_MINUTES, PostgresClusterArgs, teleportClusters } from "./args";
import { Endpoint, secretNames, serviceName } from "../cnpg/names";
import { planTeleport, TeleportPlan } from "./teleport-plan";

/** What follows from the settings of a PostgresCluster. */
export interface ClusterPlan<Namespace extends pulumi.Input<string> = pulumi.Input<string>> {
  /** The settings that all of this follows from. */
  settings: PostgresClusterArgs;
  /** Name of the database, and of the component. The names of its Pulumi resources begin with it. */
  name: string;
  /** Name of CNPG's Cluster. */
  clusterName: string;
  /** The environment: the stack's name, unless `environment` is set. */
  environment: string;
  /** Namespace of all objects. */
  namespace: Namespace;
  /** The application's database. */
  database: string;
  /** Role that owns it. */
  owner: string;
  /** Secret with the owner's user name and password. */
  ownerSecret: string;
  /** Instances of PostgreSQL. */
  instances: number;
  /** How many of them must serve: fewer if some are fenced, none if the Cluster is hibernated. */
  servingInstances: number;
  /** Whether there is a standby, so that the Service `-ro` has endpoints. */
  hasStandby: boolean;
  /** No instance must serve. */
  isSuspended: boolean;
  /** PostgreSQL is stopped in at least one instance, so nothing applies a Database or a DatabaseRole. */
  isPaused: boolean;
  isProtected: boolean;
  isRetained: boolean;
  /** The Kubernetes cluster's DNS domain. */
  clusterDomain: string;
  /** Seconds that `up` waits for the Cluster, and for each Pooler. */
  readySeconds: number;
  /** PostgreSQL roles that people log in as. */
  users: readonly TeleportUser[];
  /** All roles that the Cluster or a DatabaseRole declares: `users`, and PgBouncer's own where CNPG has no rule for it. */
  certificateUsers: readonly TeleportUser[];
  /** All roles that pg_hba.conf lets log in by certificate only. */
  certificateLogins: string[];
  /** Names of CNPG's Services. */
  services: Record<Endpoint, string>;
  /** Names of the Secrets. */
  secrets: ReturnType<typeof secretNames>;
  /** What is written to the Cluster. */
  cluster: PlannedCluster;
  /** What is written to the Databases, DatabaseRoles, and NetworkPolicies. */
  databases: Planned<DatabaseManifest>[];
  databaseRoles: Planned<DatabaseRoleManifest>[];
  networkPolicies: Planned<NetworkPolicyManifest>[];
  /** What is written to the Poolers. */
  poolers: PlannedPooler[];
  /** How the Poolers log in to look up passwords. */
  poolerLogins: PoolerAuthentication[];
  /** The user that Teleport makes other users with. */
  autoUsersAdmin?: DatabaseAdminUser;
  /** The Teleport clusters through which people come. */
  teleport: TeleportPlan[];
  /** Names in PostgreSQL of the users that Vault makes. */
  vaultUsers?: VaultUserNames;
  /** What is made in Vault for short-lived users. */
  vaultDatabase?: VaultDatabasePlan;
}

/** An object of Kubernetes, with the name of its Pulumi resource. */
export type Planned<Manifest> = Manifest & { resource: string };

/** The Cluster. */
export interface PlannedCluster {
  /** The annotations that stop instances. */
  pauses: Record<string, string>;
  /** `pauses`, and the description. */
  annotations: Record<string, string>;
  /** Its `spec` as the settings declare it. */
  fromSettings: Record<string, unknown>;
  /** Its `spec` as it is written: with what stands under the setting `spec`. */
  spec: Record<string, unknown>;
}

/** A Pooler. */
export interface PlannedPooler {
  resource: string;
  /** Name of the Pooler and of its Service. */
  name: string;
  settings: PoolerSettings;
  /** Whether its server certificate is issued here. */
  isIssued: boolean;
  spec: Record<string, unknown>;
}

/** Plans a PostgresCluster of this name; `stack` is its default environment. */
export function planCluster<Namespace extends pulumi.Input<string> = string>(
  name: string,
  settings: PostgresClusterArgs & { namespace?: Namespace },
  stack: string,
): ClusterPlan<Namespace | string> {
  const { clusterName = name, environment = stack, description, poolers = [], autoUsers, vaultDatabase } = settings;
  const { instances = DEFAULT_INSTANCES, fencedInstances = [], readyMinutes = DEFAULT_READY_MINUTES } = settings;
  const namespace = settings.namespace ?? clusterName;
  const { database, owner } = databaseAndOwner(settings.initdb);
  const teleports = teleportClusters(settings);
  const users = settings.users ?? (teleports.length > 0 ? DEFAULT_USERS : []);
  const logins = poolerLogins(poolers);
  const certificateUsers = [...users, ...(logins.includes("explicit") ? [EXPLICIT_LOGIN] : [])];
  const secrets = secretNames(clusterName);
  const vault = vaultDatabase && planVaultDatabase(`${clusterName}-${environment}`, vaultDatabase);
  const admin = autoUsers && autoUsersAdmin(autoUsers);
  const serving = servingInstances(instances, settings);
  const hasStandby = instances > 1;
  // Rules for users that others make stand before the declared ones.
  const pgHba = [
    ...(autoUsers ? autoUserHbaRules(autoUsers) : []),
    ...(vaultDatabase ? vaultHbaRules(vaultDatabase, database) : []),
    ...(settings.pgHba ?? []),
  ];
  const fromSettings = clusterSpec({ ...settings, spec: undefined, pgHba, secrets, users: certificateUsers });
  const pauses = clusterAnnotations(settings);
  const manifests = settings.usersAs === "databaseRole" ? databaseRoleManifests(clusterName, certificateUsers) : [];
  return {
    settings,
    name,
    clusterName,
    environment,
    namespace,
    database,
    owner,
    ownerSecret: settings.initdb?.ownerSecret ?? secrets.owner,
    instances,
    servingInstances: serving,
    hasStandby,
    isSuspended: serving === 0,
    isPaused: serving === 0 || fencedInstances.length > 0,
    isProtected: isProtected(settings),
    isRetained: isRetained(settings),
    clusterDomain: settings.clusterDomain ?? "cluster.local",
    readySeconds: Math.round(readyMinutes * 60),
    users,
    certificateUsers,
    certificateLogins: [...certificateUsers.map((user) => user.name), ...(admin ? [admin.name] : [])],
    services: {
      rw: serviceName(clusterName, "rw"),
      ro: serviceName(clusterName, "ro"),
      r: serviceName(clusterName, "r"),
    },
    secrets,
    cluster: {
      pauses,
      annotations: { ...pauses, ...(description === undefined ? {} : { "kubernetes.io/description": description }) },
      fromSettings,
      spec: mergeSpec(fromSettings, settings.spec),
    },
    databases: databaseManifests(clusterName, settings).map((manifest) => ({
      ...manifest,
      resource: `${name}-${manifest.spec.name}`,
    })),
    databaseRoles: manifests.map((manifest) => ({ ...manifest, resource: `${name}-${manifest.spec.name}` })),
    networkPolicies: (settings.networkPolicy ? networkPolicies(clusterName, settings.networkPolicy) : []).map(
      (manifest) => ({ ...manifest, resource: `${name}-${manifest.role}` }),
    ),
    poolers: poolers.map((pooler) => planPooler(name, clusterName, pooler, secrets)),
    poolerLogins: logins,
    autoUsersAdmin: admin,
    teleport: teleports.map((teleport) =>
      planTeleport(teleport, {
        ...{ name, clusterName, environment, namespace, description, database, hasStandby, users },
        autoUsersAdmin: admin,
        autoUsersRoles: autoUsers?.roles,
      }),
    ),
    vaultDatabase: vault,
    vaultUsers: vaultDatabase && vaultUserNames(vaultDatabase, database, owner),
  };
}

function planPooler(
  name: string,
  cluster: string,
  settings: PoolerSettings,
  secrets: ReturnType<typeof secretNames>,
): PlannedPooler {
  const pooler = poolerName(cluster, settings);
  return {
    resource: `${name}-${pooler}`,
    name: pooler,
    settings,
    isIssued: settings.secrets?.clientTls === undefined,
    spec: poolerSpec(settings, {
      cluster,
      clientTls: poolerSecretName(pooler),
      authentication: secrets.poolerAuthentication,
      serverCa: secrets.serverCa,
    }),
  };
}

/** The Cluster as the operator is asked about it. */
export function declaredCluster({ cluster, settings }: ClusterPlan): DeclaredCluster {
  return { annotations: cluster.annotations, settings: cluster.fromSettings, spec: settings.spec };
}

/** The fields of all objects of CloudNativePG's kinds. */
export function operatorNeeds({ cluster, poolers, databases, databaseRoles }: ClusterPlan): OperatorNeeds {
  const needs = (kind: string, objects: readonly { spec: unknown }[]) =>
    objects.length > 0 ? { [kind]: { spec: fieldsOf(objects.map(({ spec }) => spec)) } } : {};
  return {
    clusters: { spec: fieldsOf(cluster.spec) },
    ...needs("poolers", poolers),
    ...needs("databases", databases),
    ...needs("databaseroles", databaseRoles),
  };
}
