/**
 * Everything that follows from the settings of a PostgresCluster: names, users, and the manifests of all objects. The
 * resources, the outputs and the checks read the plan, and derive nothing again. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import { BackupPlan, planBackup } from "../cnpg/backup";
import { planRecovery, RecoveryPlan } from "../cnpg/recovery";
import { planReplica, ReplicaPlan } from "../cnpg/replica";
import { databaseRoleManifests, DatabaseRoleManifest, DEFAULT_USERS, TeleportUser } from "../cnpg/roles";
import { databaseManifests, DatabaseManifest } from "../cnpg/databases";
import { clusterSpec, DEFAULT_INSTANCES } from "../cnpg/cluster";
import { mergeSpec } from "../cnpg/spec";
import type { ObjectNames } from "../kubernetes/existing-objects";
import type { DeclaredCluster } from "../cnpg/dry-run";
import { databaseAndOwner } from "../cnpg/initdb";
import { clusterAnnotations, expectedReadyInstances } from "../cnpg/stopped";
import { fieldsOf, OperatorNeeds } from "../cnpg/operator-version";
import {
  PoolerAuthentication,
  poolerLogins,
  poolerName,
  poolerSecretName,
  PoolerSettings,
  poolerSpec,
} from "../cnpg/pooler";
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

/** Everything that follows from the settings of a PostgresCluster. */
export interface ClusterPlan<Namespace extends pulumi.Input<string> = pulumi.Input<string>> {
  /** The settings that the plan is made from. */
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
  /** Number of instances of PostgreSQL. */
  instances: number;
  /** Number of instances that must be ready. Fenced instances do not count. 0 if the Cluster is hibernated. */
  expectedReadyInstances: number;
  /** Whether the Cluster has a standby. Without one, the Service `-ro` has no endpoints. */
  hasStandby: boolean;
  /** No instance must be ready: the Cluster is hibernated, or all its instances are fenced. */
  isSuspended: boolean;
  /** At least one instance is stopped. It may be the primary, and then nothing applies Databases and DatabaseRoles. */
  hasStoppedInstances: boolean;
  /**
   * Whether the Cluster follows another one. Then nothing can be written to it: its objects and rights come with the data, and
   * what the settings declare is applied when it is promoted.
   */
  isReplicaCluster: boolean;
  /** Whether nothing can be written to the Cluster: it is suspended, or a replica cluster. */
  isReadOnly: boolean;
  isProtected: boolean;
  isRetained: boolean;
  /** DNS domain of the Kubernetes cluster. */
  clusterDomain: string;
  /** Seconds that `up` waits for the Cluster, and for each Pooler. */
  readySeconds: number;
  /** PostgreSQL users for people. */
  users: readonly TeleportUser[];
  /**
   * All roles that the Cluster or DatabaseRoles declare: `users`, and PgBouncer's role if CNPG has no pg_hba.conf rule
   * for it.
   */
  certificateUsers: readonly TeleportUser[];
  /** All roles that pg_hba.conf allows to log in only by certificate. */
  certificateLogins: string[];
  /** Names of CNPG's Services. */
  services: Record<Endpoint, string>;
  /** Names of the Secrets. */
  secrets: ReturnType<typeof secretNames>;
  /** The Cluster. */
  cluster: PlannedCluster;
  backup?: BackupPlan;
  recovery?: RecoveryPlan;
  replica?: ReplicaPlan;
  databases: Planned<DatabaseManifest>[];
  databaseRoles: Planned<DatabaseRoleManifest>[];
  networkPolicies: Planned<NetworkPolicyManifest>[];
  poolers: PlannedPooler[];
  /** The ways in which the Poolers log in to look up passwords. */
  poolerLogins: PoolerAuthentication[];
  /** The user with which Teleport creates users. */
  autoUsersAdmin?: DatabaseAdminUser;
  /** The Teleport clusters through which people reach the database. */
  teleport: TeleportPlan[];
  /** Names in PostgreSQL that Vault uses: its own user, the groups of its users, and its schema. */
  vaultUsers?: VaultUserNames;
  /** The objects in Vault for short-lived users. */
  vaultDatabase?: VaultDatabasePlan;
}

/** A Kubernetes manifest, with the name of its Pulumi resource. */
export type Planned<Manifest> = Manifest & { resource: string };

/** The parts of the Cluster's manifest. */
export interface PlannedCluster {
  /** The annotations that stop instances: hibernation and fencing. */
  stopAnnotations: Record<string, string>;
  /** `stopAnnotations`, and the description. */
  annotations: Record<string, string>;
  /** `spec` from the settings alone, without the setting `spec`. */
  fromSettings: Record<string, unknown>;
  /** `spec` of the manifest: `fromSettings` merged with the setting `spec`. */
  spec: Record<string, unknown>;
}

/** A Pooler. */
export interface PlannedPooler {
  resource: string;
  /** Name of the Pooler and of its Service. */
  name: string;
  settings: PoolerSettings;
  /** Whether the program issues its server certificate. */
  isIssued: boolean;
  spec: Record<string, unknown>;
}

/** Plans a PostgresCluster. `stack` is the default environment. */
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
  const expectedReady = expectedReadyInstances(instances, settings);
  const hasStandby = instances > 1;
  // The rules for users that Teleport and Vault create come before the declared rules.
  const pgHba = [
    ...(autoUsers ? autoUserHbaRules(autoUsers) : []),
    ...(vaultDatabase ? vaultHbaRules(vaultDatabase, database) : []),
    ...(settings.pgHba ?? []),
  ];
  const backup = settings.backup && planBackup(clusterName, settings.backup, expectedReady === 0);
  const recovery = settings.recovery && planRecovery(clusterName, settings.recovery);
  const replica = settings.replica && planReplica(clusterName, settings.replica, secrets);
  const isReplicaCluster = replica?.follows !== undefined;
  const fromSettings = clusterSpec({
    ...{ ...settings, spec: undefined, pgHba, secrets, users: certificateUsers },
    plans: { backup, recovery, replica },
  });
  const stopAnnotations = clusterAnnotations(settings);
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
    expectedReadyInstances: expectedReady,
    hasStandby,
    isSuspended: expectedReady === 0,
    hasStoppedInstances: expectedReady === 0 || fencedInstances.length > 0,
    isReplicaCluster,
    isReadOnly: expectedReady === 0 || isReplicaCluster,
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
      stopAnnotations,
      annotations: {
        ...stopAnnotations,
        ...(description === undefined ? {} : { "kubernetes.io/description": description }),
      },
      fromSettings,
      spec: mergeSpec(fromSettings, settings.spec),
    },
    backup,
    recovery,
    ...(replica ? { replica } : {}),
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
        replica,
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

/** The Cluster for a dry run by the operator. */
export function declaredCluster({ cluster, settings }: ClusterPlan): DeclaredCluster {
  return { annotations: cluster.annotations, settings: cluster.fromSettings, spec: settings.spec };
}

/** The names of the objects that are created in the Cluster's namespace, except those that CNPG and Teleport's operator create. */
export function objectNames(plan: ClusterPlan): ObjectNames {
  const { secrets, poolers, backup, recovery } = plan;
  const { server, serverCa, replication, clientCaBundle, pooler, poolerAuthentication } = secrets;
  const named = (kind: string, objects: readonly ({ metadata: { name: string } } | undefined)[]) => {
    const names = objects.flatMap((each) => each?.metadata.name ?? []);
    return names.length > 0 ? { [kind]: names } : {};
  };
  return {
    "api/v1/secrets": [
      ...[server, serverCa, replication, clientCaBundle, pooler],
      ...(plan.poolerLogins.includes("explicit") ? [poolerAuthentication] : []),
      ...poolers.filter(({ isIssued }) => isIssued).map(({ name }) => poolerSecretName(name)),
    ],
    ...named("apis/networking.k8s.io/v1/networkpolicies", plan.networkPolicies),
    ...named(
      "apis/postgresql.cnpg.io/v1/poolers",
      poolers.map(({ name }) => ({ metadata: { name } })),
    ),
    ...named("apis/postgresql.cnpg.io/v1/databases", plan.databases),
    ...named("apis/postgresql.cnpg.io/v1/databaseroles", plan.databaseRoles),
    ...named("apis/postgresql.cnpg.io/v1/scheduledbackups", [backup?.scheduledBackup]),
    ...named("apis/barmancloud.cnpg.io/v1/objectstores", [backup?.objectStore, recovery?.objectStore]),
  };
}

/** The kinds and fields that the operator must know: those of all planned CloudNativePG objects. */
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
