/** A highly available PostgreSQL on Kubernetes that people reach through Teleport. */
import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DatabaseAccess } from "./access/database-access";
import { ClusterCertificates } from "./certificates/cluster-certificates";
import { suitsPoolers } from "./certificates/issuer";
import { clusterSpec, databaseAndOwner, DEFAULT_INSTANCES } from "./cnpg/cluster-spec";
import { isExplicit, POOLER_AUTHENTICATION, poolerName } from "./cnpg/pooler";
import { makePoolers } from "./poolers";
import {
  certificateUsers,
  checkPostgresCluster,
  DEFAULT_READY_MINUTES,
  hasStandby,
  PostgresClusterArgs,
  teleportClusters,
  teleportUsers,
} from "./postgres-cluster-args";
import { describeCluster, PostgresClusterOutputs } from "./postgres-cluster-outputs";
import { ClusterServing } from "./serving/serving";
import { refuse } from "./settings";
import { registerDatabases, teleportCas } from "./teleport-registrations";

/**
 * Creates the namespace (unless one is given), certificates, the bundle of client CAs, CNPG's Cluster with the
 * roles and rights of people, its Poolers, and registers primary and standby in Teleport. Ends when each instance
 * serves what was written and Teleport shows the databases. Needs the CNPG operator, and for the `vault` issuer a Vault provider (`providers: { vault }`).
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
    const made = { name, clusterName, args };

    const namespace = pulumi.output(
      args.namespace ?? new k8s.core.v1.Namespace(name, { metadata: { name: clusterName } }, child).metadata.name,
    );
    const certificates = this.makeCertificates(made, namespace);
    this.cluster = this.makeCluster(made, namespace, certificates);
    const { serving, access } = this.makeServing(made, namespace, certificates);
    const poolers = makePoolers(
      name,
      {
        cluster: clusterName,
        namespace,
        poolers: args.poolers ?? [],
        kubernetes: args.kubernetes,
        within: readySeconds(args),
        suspended: false,
      },
      { ...child, dependsOn: [certificates, access] },
    );

    const registered = teleportClusters(args).map((teleport) =>
      registerDatabases(
        name,
        teleport,
        {
          clusterName,
          environment,
          namespace,
          description: args.description,
          standby: hasStandby(args),
          caCert: certificates.serverCa,
        },
        { ...child, dependsOn: [serving, access] },
      ),
    );
    const names = registered.map((databases) => pulumi.all(databases.map(({ databaseName }) => databaseName)));
    // Outputs are known when all is there, so that who waits for them waits for the Poolers, too.
    const ready = pulumi.all([this.cluster.id, access.id, ...poolers.map(({ id }) => id)]);
    const teleportNames = pulumi.all([pulumi.all(names), ready]).apply(([known]) => known);
    this.outputs = describeCluster(clusterName, namespace, certificates.serverCa, teleportNames, args);
    this.registerOutputs({ outputs: this.outputs });
  }

  private makeCertificates({ name, clusterName, args }: Made, namespace: pulumi.Output<string>): ClusterCertificates {
    const { issuer, poolers = [] } = args;
    const child = { parent: this };
    const clientCas = teleportClusters(args).map((teleport) => teleportCas(name, teleport, child));
    return new ClusterCertificates(
      name,
      {
        cluster: clusterName,
        namespace,
        issuer,
        clusterDomain: args.clusterDomain ?? "cluster.local",
        serverAltNames: args.serverAltNames,
        // Even where no Pooler is declared: one that somebody makes by hand would stop the whole Cluster without it.
        pooler: suitsPoolers(issuer),
        poolerAuthenticationRole: poolers.some(isExplicit) ? POOLER_AUTHENTICATION.role : undefined,
        poolers: poolers
          .filter(({ secrets }) => secrets?.clientTls === undefined)
          .map((pooler) => poolerName(clusterName, pooler)),
        clientCas: pulumi.all(clientCas).apply((sources) => sources.flat()),
      },
      child,
    );
  }

  private makeCluster(
    { name, clusterName, args }: Made,
    namespace: pulumi.Output<string>,
    certificates: ClusterCertificates,
  ): k8s.apiextensions.CustomResource {
    // Without these, Pulumi takes a custom resource for done once it is written.
    const waitFor = ["condition=Ready", `jsonpath={.status.readyInstances}=${args.instances ?? DEFAULT_INSTANCES}`];
    const timeout = `${readySeconds(args)}s`;
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
        spec: certificates.secrets.apply((secrets) => clusterSpec({ ...args, secrets, users: certificateUsers(args) })),
      },
      { parent: this, dependsOn: certificates, customTimeouts: { create: timeout, update: timeout } },
    );
  }

  /** Waits until every instance serves what was written, and grants the users' rights. */
  private makeServing(
    { name, clusterName, args }: Made,
    namespace: pulumi.Output<string>,
    certificates: ClusterCertificates,
  ): { serving: ClusterServing; access: DatabaseAccess } {
    const uid = this.cluster.metadata.apply((metadata) => metadata.uid ?? "");
    const reference = { kubernetes: args.kubernetes, namespace, cluster: clusterName, uid };
    const serving = new ClusterServing(
      name,
      {
        ...reference,
        within: readySeconds(args),
        instances: args.instances ?? DEFAULT_INSTANCES,
        serverCertificate: certificates.serverCertificate.apply(sha256),
        clientCaBundle: certificates.clientCaBundle.apply(sha256),
        parameters: args.parameters ?? {},
        certificateUsers: certificateUsers(args).map((user) => user.name),
      },
      // Nothing is waited for, or taken from users, in a Cluster that goes.
      { parent: this, dependsOn: this.cluster, deletedWith: this.cluster },
    );
    const access = new DatabaseAccess(
      name,
      {
        ...reference,
        database: databaseAndOwner(args.initdb).database,
        users: teleportUsers(args),
        poolerAuthentication: (args.poolers ?? []).some(isExplicit),
      },
      { parent: this, dependsOn: serving, deletedWith: this.cluster },
    );
    return { serving, access };
  }
}

/** What every part of the component is told. */
interface Made {
  name: string;
  clusterName: string;
  args: PostgresClusterArgs;
}

function readySeconds({ readyMinutes = DEFAULT_READY_MINUTES }: PostgresClusterArgs): number {
  return Math.round(readyMinutes * 60);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
