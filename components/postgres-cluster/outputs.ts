/** The outputs of a PostgresCluster, for the stacks of applications and for people. */
import * as pulumi from "@pulumi/pulumi";
import { hostOf, POSTGRES_PORT } from "../cnpg/names";
import type { ReplicaPlan } from "../cnpg/replica";
import type { ClusterPlan } from "./plan";
import type { TeleportAgentOutput } from "./registrations";
import { connectCommands } from "../teleport/names";
import type { VaultDatabaseOutputs } from "../vault-database/settings";

/** What people and the stacks of applications need to use a database. Contains no secret. */
export interface PostgresClusterOutputs {
  /** Namespace of the Cluster, its Services and its Secrets. */
  namespace: string;
  /** Name of CNPG's Cluster. */
  cluster: string;
  /** Host of the primary, for reading and writing. */
  hostReadWrite: string;
  /** Host of the standbys. It has no endpoint while there is only one instance. */
  hostReadOnly: string;
  /** Host of any instance. */
  hostRead: string;
  /** Hosts of the Poolers, by the Poolers' names, e.g. `pooler-orders-rw`. */
  poolerHosts: Record<string, string>;
  /** Port of all hosts. */
  port: number;
  /** Name of the application's database. */
  database: string;
  /** Role that owns the database. */
  owner: string;
  /** Secret with the owner's user name, password and URIs. */
  ownerSecret: string;
  /** Secret with the CA with which clients verify the server, in `ca.crt`. */
  serverCaSecret: string;
  /** The CA with which clients verify the server, in PEM, up to its root. */
  serverCa: string;
  /** Secret with the bundle of CAs whose client certificates the database accepts. */
  clientCaBundleSecret: string;
  /** Names in Teleport: of the primary, and of the standby if there is one. */
  teleportDatabases: string[];
  /** Configurations of agents. Empty unless `registration` is `by: agent`. */
  teleportAgents: TeleportAgentOutput[];
  /** Where applications get short-lived users from Vault. Absent without `vaultDatabase`. */
  vaultDatabase?: VaultDatabaseOutputs;
  /** Where the backups are: a new Cluster can recover from there. Absent without `backup`. */
  backup?: BackupOutput;
  /** The role of the Cluster in its distributed topology. Absent without `replica`. */
  replica?: ReplicaOutput;
  /** The `tsh` commands that connect each user to each database in Teleport. */
  connectCommands: string[];
}

/** The archive of a Cluster. */
export interface BackupOutput {
  /** The bucket or folder with all archives. */
  destinationPath: string;
  /** Name of the Cluster's archive: a folder in it. */
  archiveName: string;
}

/** The role of a Cluster in its distributed topology. */
export interface ReplicaOutput {
  /** The Cluster's name in the topology. */
  self: string;
  /** Name of the primary cluster. */
  primary: string;
  /** The value of `promotionToken` for the Cluster that is promoted next. Present after this Cluster was demoted. */
  demotionToken?: string;
}

/** The outputs of a PostgresCluster. They are known once the resources that they name exist. */
export function clusterOutputs(
  plan: ClusterPlan,
  namespace: pulumi.Output<string>,
  serverCa: pulumi.Output<string>,
  created: {
    /** The names in each Teleport cluster, in the order of the settings. */
    names: pulumi.Output<string[][]>;
    /** The configurations of agents. */
    agents: pulumi.Output<TeleportAgentOutput[]>;
    archiveName: pulumi.Output<string> | undefined;
    demotionToken: pulumi.Output<string> | undefined;
  },
): pulumi.Output<PostgresClusterOutputs> {
  const { services, secrets, poolers, database, owner, users } = plan;
  const proxies = plan.teleport.map(({ settings }) => settings.proxy);
  return pulumi
    .all([
      namespace,
      serverCa,
      created.names,
      created.agents,
      pulumi.all(proxies),
      backupOutput(plan, created.archiveName),
      created.demotionToken,
    ])
    .apply(([inNamespace, ca, names, teleportAgents, knownProxies, backup, demotionToken]) => ({
      namespace: inNamespace,
      cluster: plan.clusterName,
      hostReadWrite: hostOf(services.rw, inNamespace),
      hostReadOnly: hostOf(services.ro, inNamespace),
      hostRead: hostOf(services.r, inNamespace),
      poolerHosts: Object.fromEntries(poolers.map(({ name }) => [name, hostOf(name, inNamespace)])),
      port: POSTGRES_PORT,
      database,
      owner,
      ownerSecret: plan.ownerSecret,
      serverCaSecret: secrets.serverCa,
      serverCa: ca,
      clientCaBundleSecret: secrets.clientCaBundle,
      teleportDatabases: [...new Set(names.flat())],
      teleportAgents,
      ...(backup === undefined ? {} : { backup }),
      ...(plan.replica === undefined ? {} : { replica: replicaOutput(plan.replica, demotionToken) }),
      connectCommands: knownProxies.flatMap((proxy, index) =>
        connectCommands(proxy, names[index] ?? [], users, database),
      ),
    }));
}

function replicaOutput({ self, settings: { primary } }: ReplicaPlan, demotionToken: string | undefined): ReplicaOutput {
  return { self, primary, ...(demotionToken ? { demotionToken } : {}) };
}

function backupOutput(
  { backup }: ClusterPlan,
  archiveName: pulumi.Output<string> | undefined,
): pulumi.Output<BackupOutput> | undefined {
  if (!backup || !archiveName) return undefined;
  return pulumi.output({ destinationPath: backup.settings.objectStore.destinationPath, archiveName });
}
