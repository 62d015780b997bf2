/** A highly available PostgreSQL on Kubernetes that people reach through Teleport. */
import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DatabaseAccess } from "../postgres/grants-resource";
import { AutoUsersAdmin } from "../teleport/auto-users/admin";
import { autoUsersAdmin } from "../teleport/auto-users/settings";
import { caSources } from "../certificates/ca-sources";
import { ClusterCertificates } from "../certificates/cluster-certificates";
import { clusterSpec, databaseAndOwner, DEFAULT_INSTANCES } from "../cnpg/cluster-spec";
import { databaseManifests } from "../cnpg/databases";
import { declaredMajor } from "../cnpg/image";
import { clusterAnnotations, servingInstances } from "../cnpg/metadata";
import { networkPolicies } from "../kubernetes/network-policy";
import { isExplicit, poolerLogins, poolerName } from "../cnpg/pooler";
import { additionalDnsNames } from "../cnpg/services";
import { isSupervised } from "../cnpg/spec-fields";
import { keepsInstances } from "../kubernetes/foreign-fields";
import type { KubernetesArgs } from "../kubernetes/resource";
import { BACKGROUND_DELETION, SHORT_DELETION } from "../kubernetes/deletion";
import { OperatorCheck } from "../cnpg/operator-check";
import { declaredCluster, operatorNeeds } from "./operator-needs";
import { requireMutableSecrets } from "../kubernetes/mutable-secrets";
import { KEEPS_FIELD_MANAGER, ownedBy, ownerOf } from "../kubernetes/owner";
import { makePoolers } from "./poolers";
import {
  certificateUsers,
  checkPostgresCluster,
  databaseRolesOf,
  DEFAULT_READY_MINUTES,
  hasStandby,
  pgHbaOf,
  PostgresClusterArgs,
  teleportClusters,
  teleportUsers,
} from "./args";
import { describeCluster, PostgresClusterOutputs } from "./outputs";
import {
  ClusterIdentity,
  DeletionProtection,
  isProtected,
  isRetained,
  KubernetesIdentity,
  PROTECTION_ANNOTATION,
} from "../protection/deletion-protection";
import { makeNamespace } from "../protection/namespace-removal";
import { ClusterServing, DatabaseRolesServing, DatabasesServing } from "../readiness/readiness";
import { refuse } from "../problems";
import { register } from "./registrations";
import { UpdateCheck } from "../cnpg/update-check";
import { vaultPlace } from "../vault-database/of-cluster";
import { VaultDatabase } from "../vault-database/vault-database";

/**
 * Creates the namespace (unless one is given), certificates, the bundle of client CAs, CNPG's Cluster with the
 * roles and rights of people, its Poolers, and registers primary and standby in Teleport. Ends when each instance
 * serves what was written and Teleport shows the databases. Needs the CNPG operator, and for the `vault` issuer a Vault provider (`providers: { vault }`).
 * Where the operator is missing or too old, a preview says so; a program that installs it itself names what installs it
 * in `dependsOn`, and `up` looks after that, before it makes anything of this component.
 * Needs a Kubernetes provider with `enableSecretMutable: true`, so that renewed certificates are updated in place.
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
    const ownOpts = requireMutableSecrets(withFormerNames(opts, args.formerNames));
    super("cnpg-teleport:postgres:PostgresCluster", name, {}, ownOpts);
    // Before everything else, so that nothing is half made where nobody would go on with it.
    const operator = new OperatorCheck(
      name,
      {
        kubernetes: args.kubernetes,
        needs: operatorNeeds(clusterName, args),
        awaited: hasDependencies(opts),
        cluster: { namespace: args.namespace ?? clusterName, name: clusterName, owner: ownerOf(name) },
        declared: declaredCluster(clusterName, args),
      },
      { parent: this },
    );
    const child = { parent: this, dependsOn: operator };
    const made = { name, clusterName, args, operator };

    const namespace = pulumi.output(args.namespace ?? makeNamespace(name, clusterName, args.kubernetes, child));
    const certificates = this.makeCertificates(made, namespace);
    const policies = this.makeNetworkPolicies(made, namespace);
    const roles = this.makeDatabaseRoles(made, namespace);
    const beforehand = [certificates, ...policies, ...roles];
    this.guard(`${name}:secrets`, args, beforehand);
    this.cluster = this.makeCluster(made, namespace, beforehand, certificates);
    const uid = this.cluster.metadata.apply((metadata) => metadata.uid ?? "");
    const reference = { kubernetes: args.kubernetes, namespace, cluster: clusterName, uid };
    new DeletionProtection(
      name,
      { ...reference, database: name, cluster: clusterName, protected: isProtected(args) },
      { parent: this, dependsOn: this.cluster },
    );
    const serving = this.makeServing(made, reference, certificates);
    const databases = this.makeDatabases(made, namespace, reference, serving);
    const applied = this.makeRolesServing(made, reference, [serving, ...roles]);
    const access = this.makeAccess(made, reference, [serving, ...databases, ...applied]);
    const autoUsers = this.makeAutoUsers(made, reference, access);
    const poolers = makePoolers(
      name,
      {
        cluster: clusterName,
        namespace,
        poolers: args.poolers ?? [],
        certificates: certificates.ofPoolers.apply(sha256),
        kubernetes: args.kubernetes,
        within: readySeconds(args),
        suspended: isSuspended(args),
      },
      { ...child, dependsOn: [certificates, access] },
    );

    const registered = teleportClusters(args).map((teleport) =>
      register(
        name,
        teleport,
        {
          clusterName,
          environment,
          namespace,
          description: args.description,
          standby: hasStandby(args),
          caCert: certificates.serverCa,
          database: databaseAndOwner(args.initdb).database,
          users: teleportUsers(args),
          autoUsers: args.autoUsers,
        },
        { ...child, dependsOn: [serving, access, ...autoUsers] },
      ),
    );
    // Outputs are known when all is there, so that who waits for them waits for the Poolers, too.
    const ready = pulumi.all([this.cluster.id, serving.id, access.id, ...poolers.map(({ id }) => id)]);
    const names = pulumi.all([pulumi.all(registered.map((each) => each.names)), ready]).apply(([known]) => known);
    const agents = pulumi.all(registered.flatMap(({ agent }) => agent ?? []));
    const described = describeCluster(clusterName, namespace, certificates.serverCa, { names, agents }, args);
    const vault = this.makeVaultDatabase(made, environment, described, reference);
    this.outputs = vault.outputs;
    new ClusterIdentity(
      name,
      { ...reference, database: name, cluster: clusterName },
      {
        parent: this,
        dependsOn: [
          ...[...beforehand, serving, ...databases, ...applied, access, ...autoUsers, ...poolers],
          ...registered.flatMap(({ resources }) => resources),
          ...vault.resources,
        ],
      },
    );
    this.registerOutputs({ outputs: this.outputs });
  }

  /** Is deleted before what it depends on, and not in another Kubernetes cluster. Colons: no object has them in its name. */
  private guard(name: string, { kubernetes }: PostgresClusterArgs, dependsOn: pulumi.Resource[]): void {
    new KubernetesIdentity(name, { kubernetes }, { parent: this, dependsOn });
  }

  private makeCertificates(made: Made, namespace: pulumi.Output<string>): ClusterCertificates {
    const { name, clusterName, args, operator } = made;
    const { issuer, poolers = [], clusterDomain = "cluster.local" } = args;
    const child = { parent: this, dependsOn: operator };
    const clientCas = teleportClusters(args).map(({ proxy, credentials, clientCas: sources }) =>
      caSources(name, sources, { proxy, credentials, namespace }, child),
    );
    return new ClusterCertificates(
      name,
      {
        cluster: clusterName,
        namespace,
        issuer,
        clusterDomain,
        serverAltNames: namespace.apply((inNamespace) => [
          ...(args.serverAltNames ?? []),
          ...additionalDnsNames(args.spec, inNamespace, clusterDomain),
        ]),
        explicitPoolers: poolers.some(isExplicit),
        poolers: poolers
          .filter(({ secrets }) => secrets?.clientTls === undefined)
          .map((pooler) => poolerName(clusterName, pooler)),
        clientCas: pulumi.all(clientCas).apply((sources) => sources.flat()),
        retained: isRetained(args),
      },
      child,
    );
  }

  private makeCluster(
    { name, clusterName, args }: Made,
    namespace: pulumi.Output<string>,
    dependsOn: pulumi.Resource[],
    certificates: ClusterCertificates,
  ): k8s.apiextensions.CustomResource {
    const check = new UpdateCheck(
      name,
      {
        ...{ kubernetes: args.kubernetes, plural: "clusters", namespace, object: clusterName, owner: ownerOf(name) },
        instances: args.scaledByOthers ? undefined : (args.instances ?? DEFAULT_INSTANCES),
        annotations: clusterAnnotations(args),
        image: { name: imageOf(args), major: declaredMajor(args) },
      },
      { parent: this, dependsOn },
    );
    const annotations = {
      ...ownedBy(name),
      ...clusterAnnotations(args),
      [PROTECTION_ANNOTATION]: check.once(String(isProtected(args))),
      ...(args.description === undefined ? {} : { "kubernetes.io/description": args.description }),
    };
    return new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: {
          name: clusterName,
          namespace,
          annotations,
        },
        spec: clusterSpecOf(args, certificates),
      },
      // That it serves is awaited by ClusterServing, which can say why it does not.
      {
        parent: this,
        dependsOn: [check, ...dependsOn],
        ...keepsInstances(args),
        protect: isProtected(args),
        retainOnDelete: isRetained(args),
      },
    );
  }

  /** Databases, schemas and extensions. The operator holds their deletion until it is done: before the Cluster's. */
  private makeDatabases(
    { name, clusterName, args }: Made,
    namespace: pulumi.Output<string>,
    reference: ClusterArgs,
    serving: ClusterServing,
  ): DatabasesServing[] {
    const manifests = databaseManifests(clusterName, namespace, args);
    if (manifests.length === 0) return [];
    const databases = manifests.map(({ resourceName, metadata, ...manifest }) => {
      const database = new k8s.apiextensions.CustomResource(
        `${name}-${resourceName}`,
        { ...manifest, metadata: { ...metadata, annotations: ownedBy(`${name}-${resourceName}`) } },
        {
          parent: this,
          dependsOn: serving,
          customTimeouts: SHORT_DELETION,
          ...KEEPS_FIELD_MANAGER,
          protect: isProtected(args) && manifest.spec.databaseReclaimPolicy === "delete",
          retainOnDelete: isRetained(args),
        },
      );
      // For each, since one may be there and another not: it would be dropped with its data.
      this.guard(`${name}:database:${resourceName}`, args, [database]);
      return database;
    });
    return [
      new DatabasesServing(
        name,
        {
          ...reference,
          suspended: isPaused(args),
          within: readySeconds(args),
          databases: writtenTo(manifests),
        },
        // Deleted before them, also with the Cluster: where it sleeps, nobody else lets them go.
        { parent: this, dependsOn: databases },
      ),
    ];
  }

  /**
   * Users' DatabaseRoles. They are made before the Cluster stops declaring these users. While both declare a user, CloudNativePG
   * follows the Cluster (CNPG 1.30). So every user is declared at any time. They are also made before a new Cluster.
   */
  private makeDatabaseRoles(
    { name, clusterName, args, operator }: Made,
    namespace: pulumi.Output<string>,
  ): k8s.apiextensions.CustomResource[] {
    return databaseRolesOf(clusterName, namespace, args).map(
      ({ metadata, ...manifest }) =>
        new k8s.apiextensions.CustomResource(
          `${name}-${manifest.spec.name}`,
          { ...manifest, metadata: { ...metadata, annotations: ownedBy(`${name}-${manifest.spec.name}`) } },
          {
            parent: this,
            dependsOn: operator,
            customTimeouts: SHORT_DELETION,
            ...KEEPS_FIELD_MANAGER,
            retainOnDelete: isRetained(args),
          },
        ),
    );
  }

  /** Waits until the primary has applied the DatabaseRoles, if there are any. */
  private makeRolesServing(
    { name, clusterName, args }: Made,
    reference: ClusterArgs,
    dependsOn: pulumi.Resource[],
  ): DatabaseRolesServing[] {
    const manifests = databaseRolesOf(clusterName, "", args);
    if (manifests.length === 0) return [];
    return [
      new DatabaseRolesServing(
        name,
        {
          ...reference,
          suspended: isPaused(args),
          within: readySeconds(args),
          roles: writtenTo(manifests),
          retained: isRetained(args),
        },
        { parent: this, dependsOn },
      ),
    ];
  }

  private makeNetworkPolicies({ name, clusterName, args, operator }: Made, namespace: pulumi.Output<string>) {
    if (!args.networkPolicy) return [];
    return networkPolicies(clusterName, namespace, args.networkPolicy).map(
      ({ resourceName, metadata, spec }) =>
        new k8s.networking.v1.NetworkPolicy(
          `${name}-${resourceName}`,
          { metadata: { ...metadata, annotations: { ...ownedBy(name), ...BACKGROUND_DELETION } }, spec },
          { parent: this, dependsOn: operator, ...KEEPS_FIELD_MANAGER, retainOnDelete: isRetained(args) },
        ),
    );
  }

  /** Waits until every instance serves what was written. Nothing is waited for in a Cluster that goes. */
  private makeServing({ name, args }: Made, reference: ClusterArgs, certificates: ClusterCertificates): ClusterServing {
    return new ClusterServing(
      name,
      {
        ...reference,
        suspended: isSuspended(args) && !args.hibernation,
        hibernated: args.hibernation ?? false,
        within: readySeconds(args),
        written: clusterSpecOf(args, certificates).apply((spec) =>
          sha256(JSON.stringify([spec, clusterAnnotations(args)])),
        ),
        instances: servingInstances(args.instances ?? DEFAULT_INSTANCES, args),
        image: args.image,
        serverCertificate: certificates.serverCertificate.apply(sha256),
        clientCaBundle: certificates.clientCaBundle.apply(sha256),
        parameters: args.parameters ?? {},
        certificateUsers: [
          ...certificateUsers(args).map((user) => user.name),
          ...(args.autoUsers ? [autoUsersAdmin(args.autoUsers).name] : []),
        ],
        fenced: args.fencedInstances ?? [],
        supervised: isSupervised(args.spec),
      },
      { parent: this, dependsOn: this.cluster, deletedWith: this.cluster },
    );
  }

  /** Grants the users' rights. Nothing is taken from users of a Cluster that goes. */
  private makeAccess({ name, args }: Made, reference: ClusterArgs, dependsOn: pulumi.Resource[]): DatabaseAccess {
    return new DatabaseAccess(
      name,
      {
        ...reference,
        suspended: isSuspended(args),
        database: databaseAndOwner(args.initdb).database,
        users: teleportUsers(args),
        usersAs: args.usersAs,
        poolerLogins: poolerLogins(args.poolers),
      },
      { parent: this, dependsOn, deletedWith: this.deletedCluster(args) },
    );
  }

  /** Teleport's admin user. Nothing is taken from users of a Cluster that goes. */
  private makeAutoUsers({ name, args }: Made, reference: ClusterArgs, dependsOn: pulumi.Resource): AutoUsersAdmin[] {
    if (!args.autoUsers) return [];
    return [
      new AutoUsersAdmin(
        name,
        {
          ...reference,
          suspended: isSuspended(args),
          database: databaseAndOwner(args.initdb).database,
          settings: args.autoUsers,
        },
        { parent: this, dependsOn, deletedWith: this.deletedCluster(args) },
      ),
    ];
  }

  /** The Cluster, where it takes users with it when it is deleted. */
  private deletedCluster(args: PostgresClusterArgs): pulumi.Resource | undefined {
    return isRetained(args) ? undefined : this.cluster;
  }

  /** Users by Vault, where they are declared; and all outputs. */
  private makeVaultDatabase(
    { name, clusterName, args, operator }: Made,
    environment: string,
    described: pulumi.Output<PostgresClusterOutputs>,
    { uid }: ClusterArgs,
  ): { outputs: pulumi.Output<PostgresClusterOutputs>; resources: pulumi.Resource[] } {
    if (!args.vaultDatabase) return { outputs: described, resources: [] };
    const { host, port, ...settings } = args.vaultDatabase;
    const database = described.apply(({ hostReadWrite, port: ours, ...known }) => ({
      ...known,
      hostReadWrite: host ?? hostReadWrite,
      port: port ?? ours,
    }));
    const made = new VaultDatabase(
      name,
      { ...settings, ...vaultPlace(clusterName, environment, settings), database, uid, kubernetes: args.kubernetes },
      { parent: this, dependsOn: operator },
    );
    const outputs = pulumi
      .all([described, made.outputs])
      .apply(([known, vaultDatabase]) => ({ ...known, vaultDatabase }));
    return { outputs, resources: [made] };
  }
}

/** The Cluster, for those who look at it past Pulumi's Kubernetes provider. */
interface ClusterArgs {
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Output<string>;
  cluster: string;
  uid: pulumi.Output<string>;
}

function clusterSpecOf(args: PostgresClusterArgs, certificates: ClusterCertificates) {
  return certificates.secrets.apply((secrets) =>
    clusterSpec({ ...args, pgHba: pgHbaOf(args), secrets, users: certificateUsers(args) }),
  );
}

/** What decides about the image, as one text. */
function imageOf({ image, imageCatalog }: PostgresClusterArgs): string {
  return image ?? (imageCatalog === undefined ? "" : JSON.stringify(imageCatalog));
}

/** What every part of the component is told. */
interface Made {
  name: string;
  clusterName: string;
  args: PostgresClusterArgs;
  operator: OperatorCheck;
}

/** A database that was renamed is the same: all that is named after it is renamed with it. */
function withFormerNames(opts: pulumi.ComponentResourceOptions = {}, formerNames: readonly string[] = []) {
  return { ...opts, aliases: [...(opts.aliases ?? []), ...formerNames.map((name) => ({ name }))] };
}

/** Whether something is to be there before the component: the operator, perhaps. */
function hasDependencies({ dependsOn }: pulumi.ComponentResourceOptions = {}): boolean {
  return Array.isArray(dependsOn) ? dependsOn.length > 0 : dependsOn !== undefined;
}

/** Whether no instance is to serve. */
function isSuspended(args: PostgresClusterArgs): boolean {
  return servingInstances(args.instances ?? DEFAULT_INSTANCES, args) === 0;
}

/** Whether PostgreSQL is kept stopped. Then nothing applies a Database or a DatabaseRole. */
function isPaused(args: PostgresClusterArgs): boolean {
  return isSuspended(args) || (args.fencedInstances ?? []).length > 0;
}

/** What is written to each object, by the object's name. */
function writtenTo(manifests: readonly { metadata: { name: string }; spec: object }[]): Record<string, string> {
  return Object.fromEntries(manifests.map(({ metadata, spec }) => [metadata.name, JSON.stringify(spec)]));
}

function readySeconds({ readyMinutes = DEFAULT_READY_MINUTES }: PostgresClusterArgs): number {
  return Math.round(readyMinutes * 60);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
