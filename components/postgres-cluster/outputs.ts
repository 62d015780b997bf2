/** What app stacks and people are told of a PostgresCluster. */
import * as pulumi from "@pulumi/pulumi";
import { databaseAndOwner } from "../cnpg/cluster-spec";
import { poolerName } from "../cnpg/pooler";
import { POSTGRES_PORT, secretNames, serviceHost } from "../cnpg/names";
import { PostgresClusterArgs, teleportClusters, teleportUsers } from "./args";
import type { TeleportAgentOutput } from "./registrations";
import { connectCommands } from "../teleport/tsh";
import type { VaultDatabaseOutputs } from "../vault-database/vault-database";

/** What app stacks and people need of a database. Nothing in it is secret. */
export interface PostgresClusterOutputs {
  /** Namespace of the Cluster, its Services and its Secrets. */
  namespace: string;
  /** Name of CNPG's Cluster. */
  cluster: string;
  /** Host of the primary, for reading and writing. */
  hostReadWrite: string;
  /** Host of the standbys. Leads nowhere while there is one instance. */
  hostReadOnly: string;
  /** Host of any instance. */
  hostRead: string;
  /** Hosts of the Poolers, by their names, e.g. `pooler-orders-rw`. */
  poolerHosts: Record<string, string>;
  /** Port of each host. */
  port: number;
  /** Name of the application's database. */
  database: string;
  /** Role that owns the database. */
  owner: string;
  /** Secret with the owner's user name, password and URIs. */
  ownerSecret: string;
  /** Secret with the CA that clients verify the server with, in `ca.crt`. */
  serverCaSecret: string;
  /** That CA in PEM, up to its root. */
  serverCa: string;
  /** Secret with the bundle of CAs whose client certificates are accepted. */
  clientCaBundleSecret: string;
  /** Names in Teleport: the primary's, and the standby's where there is one. */
  teleportDatabases: string[];
  /** Configurations of agents, for registration `by: agent`. */
  teleportAgents: TeleportAgentOutput[];
  /** Where applications get short-lived users from Vault, with `vaultDatabase`. */
  vaultDatabase?: VaultDatabaseOutputs;
  /** `tsh` commands that connect: each user to each of the databases in Teleport. */
  connectCommands: string[];
}

/** The outputs, once what they name is there. */
export function describeCluster(
  clusterName: string,
  namespace: pulumi.Output<string>,
  serverCa: pulumi.Output<string>,
  /** Names in each Teleport cluster, in the order of the settings, and agents' configurations. */
  registered: { names: pulumi.Output<string[][]>; agents: pulumi.Output<TeleportAgentOutput[]> },
  args: PostgresClusterArgs,
): pulumi.Output<PostgresClusterOutputs> {
  const { database, owner } = databaseAndOwner(args.initdb);
  const secrets = secretNames(clusterName);
  const poolers = (args.poolers ?? []).map((pooler) => poolerName(clusterName, pooler));
  return pulumi
    .all([namespace, serverCa, registered.names, registered.agents])
    .apply(([inNamespace, ca, names, teleportAgents]) => ({
      namespace: inNamespace,
      cluster: clusterName,
      hostReadWrite: serviceHost(clusterName, inNamespace, "rw"),
      hostReadOnly: serviceHost(clusterName, inNamespace, "ro"),
      hostRead: serviceHost(clusterName, inNamespace, "r"),
      poolerHosts: Object.fromEntries(poolers.map((pooler) => [pooler, `${pooler}.${inNamespace}.svc`])),
      port: POSTGRES_PORT,
      database,
      owner,
      ownerSecret: args.initdb?.ownerSecret ?? secrets.owner,
      serverCaSecret: secrets.serverCa,
      serverCa: ca,
      clientCaBundleSecret: secrets.clientCaBundle,
      teleportDatabases: [...new Set(names.flat())],
      teleportAgents,
      connectCommands: teleportClusters(args).flatMap(({ proxy }, index) =>
        connectCommands(proxy, names[index] ?? [], teleportUsers(args), database),
      ),
    }));
}
