/** What app stacks and people are told of a PostgresCluster. */
import * as pulumi from "@pulumi/pulumi";
import { hostOf, POSTGRES_PORT } from "../cnpg/names";
import type { ClusterPlan } from "./plan";
import type { TeleportAgentOutput } from "./registrations";
import { connectCommands } from "../teleport/names";
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
  plan: ClusterPlan,
  namespace: pulumi.Output<string>,
  serverCa: pulumi.Output<string>,
  /** Names in each Teleport cluster, in the order of the settings, and agents' configurations. */
  registered: { names: pulumi.Output<string[][]>; agents: pulumi.Output<TeleportAgentOutput[]> },
): pulumi.Output<PostgresClusterOutputs> {
  const { services, secrets, poolers, database, owner, users } = plan;
  const proxies = plan.teleport.map(({ settings }) => settings.proxy);
  return pulumi
    .all([namespace, serverCa, registered.names, registered.agents, pulumi.all(proxies)])
    .apply(([inNamespace, ca, names, teleportAgents, knownProxies]) => ({
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
      connectCommands: knownProxies.flatMap((proxy, index) =>
        connectCommands(proxy, names[index] ?? [], users, database),
      ),
    }));
}
