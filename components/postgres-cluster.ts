/** A highly available PostgreSQL on Kubernetes that people reach through Teleport. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ClusterCertificates } from "./certificates/cluster-certificates";
import { clusterSpec, databaseAndOwner, DEFAULT_INSTANCES } from "./cnpg/cluster-spec";
import { POSTGRES_PORT, secretNames, serviceHost, teleportNames } from "./names";
import {
  checkPostgresCluster,
  hasStandby,
  PostgresClusterArgs,
  TeleportArgs,
  teleportUsers,
} from "./postgres-cluster-args";
import { refuse } from "./settings";
import { TeleportCertAuthority } from "./teleport/cert-authority";
import { TeleportDatabase } from "./teleport/database";
import { PROVISIONED_BY } from "./teleport/roles";
import { connectCommands } from "./teleport/tsh";

/** What app stacks and people need of a database. Flat, and nothing in it is secret. */
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
  port: number;
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
  /** `tsh` commands that connect: each user to each of the databases in Teleport. */
  connectCommands: string[];
}

/**
 * Creates the namespace (unless one is given), certificates, the bundle of client CAs, CNPG's Cluster with the
 * roles of people, and registers primary and standby in Teleport. Ends when the Cluster is ready and Teleport
 * shows its databases. Needs the CNPG operator, and for the `vault` issuer a Vault provider (`providers: { vault }`).
 * Give it a Kubernetes provider with `enableSecretMutable: true`, so that renewed certificates are updated in place.
 *
 * @throws SettingsError in the constructor, with every problem found, before anything is created
 */
export class PostgresCluster extends pulumi.ComponentResource {
  /** All that others need, as one value without secrets. */
  readonly outputs: pulumi.Output<PostgresClusterOutputs>;
  /** CNPG's Cluster. */
  readonly cluster: k8s.apiextensions.CustomResource;

  constructor(name: string, args: PostgresClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    const clusterName = args.clusterName ?? name;
    const environment = args.environment ?? pulumi.getStack();
    refuse(checkPostgresCluster("", clusterName, environment, args));
    super("cnpg-teleport:postgres:PostgresCluster", name, {}, opts);
    const child = { parent: this };

    const namespace = pulumi.output(
      args.namespace ?? new k8s.core.v1.Namespace(name, { metadata: { name: clusterName } }, child).metadata.name,
    );
    const certificates = new ClusterCertificates(
      name,
      {
        cluster: clusterName,
        namespace,
        issuer: args.issuer,
        clusterDomain: args.clusterDomain ?? "cluster.local",
        serverAltNames: args.serverAltNames,
        clientCas: args.teleport ? teleportCas(name, args.teleport, child) : [],
      },
      child,
    );
    this.cluster = this.makeCluster(name, clusterName, namespace, certificates, args);

    const databases = args.teleport
      ? registerDatabases(
          name,
          { ...args, teleport: args.teleport, clusterName, environment, namespace },
          certificates.serverCa,
          {
            ...child,
            dependsOn: this.cluster,
          },
        )
      : [];
    this.outputs = this.describe(clusterName, namespace, certificates, databases, args);
    this.registerOutputs({ outputs: this.outputs });
  }

  private makeCluster(
    name: string,
    clusterName: string,
    namespace: pulumi.Output<string>,
    certificates: ClusterCertificates,
    args: PostgresClusterArgs,
  ): k8s.apiextensions.CustomResource {
    // Without these, Pulumi takes a custom resource for done once it is written.
    const waitFor = ["condition=Ready", `jsonpath={.status.readyInstances}=${args.instances ?? DEFAULT_INSTANCES}`];
    const timeout = args.readyTimeout ?? "15m";
    return new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: {
          name: clusterName,
          namespace,
          annotations: {
            "pulumi.com/waitFor": JSON.stringify(waitFor),
            ...(args.description === undefined ? {} : { "kubernetes.io/description": args.description }),
          },
        },
        spec: certificates.secrets.apply((secrets) =>
          clusterSpec({ ...args, secrets, users: teleportUsers(args.teleport) }),
        ),
      },
      { parent: this, dependsOn: certificates, customTimeouts: { create: timeout, update: timeout } },
    );
  }

  private describe(
    clusterName: string,
    namespace: pulumi.Output<string>,
    certificates: ClusterCertificates,
    databases: TeleportDatabase[],
    args: PostgresClusterArgs,
  ): pulumi.Output<PostgresClusterOutputs> {
    const { database, owner } = databaseAndOwner(args.initdb);
    const secrets = secretNames(clusterName);
    return pulumi
      .all([
        namespace,
        certificates.serverCa,
        pulumi.all(databases.map(({ databaseName }) => databaseName)),
        this.cluster.id,
      ])
      .apply(([inNamespace, serverCa, teleportDatabases]) => ({
        namespace: inNamespace,
        cluster: clusterName,
        hostReadWrite: serviceHost(clusterName, inNamespace, "rw"),
        hostReadOnly: serviceHost(clusterName, inNamespace, "ro"),
        hostRead: serviceHost(clusterName, inNamespace, "r"),
        port: POSTGRES_PORT,
        database,
        owner,
        ownerSecret: args.initdb?.ownerSecret ?? secrets.owner,
        serverCaSecret: secrets.serverCa,
        serverCa,
        clientCaBundleSecret: secrets.clientCaBundle,
        teleportDatabases,
        connectCommands: args.teleport
          ? connectCommands(args.teleport.proxy, teleportDatabases, teleportUsers(args.teleport), database)
          : [],
      }));
  }
}

/** What Teleport's agents sign their client certificates with. */
function teleportCas(name: string, { proxy, credentials }: TeleportArgs, opts: pulumi.CustomResourceOptions) {
  const authority = new TeleportCertAuthority(name, { teleport: { proxy, credentials } }, opts);
  return pulumi
    .all([authority.certificates, authority.cluster])
    .apply(([certificates, cluster]) =>
      certificates.map((pem) => ({ name: `the database CA of the Teleport cluster ${cluster}`, pem })),
    );
}

/** Registers the primary and, where there is one, the standby. */
function registerDatabases(
  name: string,
  args: PostgresClusterArgs & {
    teleport: TeleportArgs;
    clusterName: string;
    environment: string;
    namespace: pulumi.Output<string>;
  },
  caCert: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): TeleportDatabase[] {
  const { teleport, clusterName, environment, namespace } = args;
  const names = teleportNames(clusterName, environment, teleport.name);
  const register = (sqlType: keyof typeof names, endpoint: "rw" | "ro") =>
    new TeleportDatabase(
      `${name}-${sqlType}`,
      {
        teleport: { proxy: teleport.proxy, credentials: teleport.credentials },
        name: names[sqlType],
        description: args.description,
        labels: {
          environment,
          cluster: clusterName,
          namespace,
          ...teleport.labels,
          ...PROVISIONED_BY,
          sql_type: sqlType,
        },
        uri: namespace.apply((inNamespace) => `${serviceHost(clusterName, inNamespace, endpoint)}:${POSTGRES_PORT}`),
        caCert,
        adopt: teleport.adopt,
      },
      opts,
    );
  return [register("primary", "rw"), ...(hasStandby(args) ? [register("standby", "ro")] : [])];
}
