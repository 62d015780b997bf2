/** A highly available PostgreSQL on Kubernetes that people reach through Teleport. */
import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DatabaseAccess } from "../postgres/grants-resource";
import { AutoUsersAdmin } from "../teleport/auto-users/admin";
import { caSources } from "../certificates/ca-sources";
import { ClusterCertificates } from "../certificates/cluster-certificates";
import { declaredMajor } from "../cnpg/image";
import { additionalDnsNames } from "../cnpg/services";
import { isSupervised } from "../cnpg/spec";
import { keepsInstances } from "../cnpg/foreign-fields";
import type { KubernetesArgs } from "../kubernetes/resource";
import { BACKGROUND_DELETION, SHORT_DELETION, ownedBy, ownerOf } from "../kubernetes/owner";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { OperatorCheck } from "../cnpg/operator-check";
import { requireMutableSecrets } from "../kubernetes/mutable-secrets";
import { makePoolers } from "./poolers";
import type { PostgresClusterArgs } from "./args";
import { checkPostgresCluster } from "./check";
import { checkTypes, onceChecked } from "./computed";
import { describeCluster, PostgresClusterOutputs } from "./outputs";
import { ClusterPlan, declaredCluster, operatorNeeds, planCluster } from "./plan";
import { ClusterIdentity, DeletionProtection, KubernetesIdentity } from "../protection/deletion-protection";
import { PROTECTION_ANNOTATION } from "../protection/deletion-settings";
import { makeNamespace } from "../protection/namespace-removal";
import { ClusterServing, DatabaseRolesServing, DatabasesServing } from "../readiness/readiness";
import { refuse } from "../problems";
import { register } from "./registrations";
import { UpdateCheck } from "../protection/update-check";
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
    refuse(checkTypes(args));
    const stack = pulumi.getStack();
    const plan = planCluster(name, args, stack);
    refuse(checkPostgresCluster("", plan));
    const ownOpts = requireMutableSecrets(withFormerNames(opts, args.formerNames));
    super("cnpg-teleport:postgres:PostgresCluster", name, {}, ownOpts);
    const { clusterName } = plan;
    const { kubernetes } = args;
    // Before everything else, so that nothing is half made where nobody would go on with it.
    const operator = new OperatorCheck(
      name,
      {
        kubernetes,
        needs: onceChecked(name, args, stack, operatorNeeds(plan)),
        awaited: hasDependencies(opts),
        cluster: { namespace: plan.namespace, name: clusterName, owner: ownerOf(name) },
        declared: declaredCluster(plan),
      },
      { parent: this },
    );
    const child = { parent: this, dependsOn: operator };

    const namespace = pulumi.output(args.namespace ?? makeNamespace(name, clusterName, kubernetes, child));
    const made: Made = { plan, namespace, operator };
    const certificates = this.makeCertificates(made);
    const policies = this.makeNetworkPolicies(made);
    const roles = this.makeDatabaseRoles(made);
    const beforehand = [certificates, ...policies, ...roles];
    this.guard(`${name}:secrets`, plan, beforehand);
    this.cluster = this.makeCluster(made, beforehand);
    const uid = this.cluster.metadata.apply((metadata) => metadata.uid ?? "");
    const reference = { kubernetes, namespace, cluster: clusterName, uid };
    new DeletionProtection(
      name,
      { ...reference, database: name, cluster: clusterName, protected: plan.isProtected },
      { parent: this, dependsOn: this.cluster },
    );
    const serving = this.makeServing(plan, reference, certificates);
    const databases = this.makeDatabases(made, reference, serving);
    const applied = this.makeRolesServing(plan, reference, [serving, ...roles]);
    const access = this.makeAccess(plan, reference, [serving, ...databases, ...applied]);
    const autoUsers = this.makeAutoUsers(plan, reference, access);
    const poolers = makePoolers(
      plan,
      { namespace, certificates: certificates.ofPoolers.apply(sha256) },
      { ...child, dependsOn: [certificates, access] },
    );

    const registered = plan.teleport.map((teleport) =>
      register(
        teleport,
        plan,
        { namespace, caCert: certificates.serverCa },
        { ...child, dependsOn: [serving, access, ...autoUsers] },
      ),
    );
    // Outputs are known when all is there, so that who waits for them waits for the Poolers, too.
    const ready = pulumi.all([this.cluster.id, serving.id, access.id, ...poolers.map(({ id }) => id)]);
    const names = pulumi.all([pulumi.all(registered.map((each) => each.names)), ready]).apply(([known]) => known);
    const agents = pulumi.all(registered.flatMap(({ agent }) => agent ?? []));
    const described = describeCluster(plan, namespace, certificates.serverCa, { names, agents });
    const vault = this.makeVaultDatabase(made, described, reference);
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
  private guard(name: string, { settings: { kubernetes } }: ClusterPlan, dependsOn: pulumi.Resource[]): void {
    new KubernetesIdentity(name, { kubernetes }, { parent: this, dependsOn });
  }

  private makeCertificates({ plan, namespace, operator }: Made): ClusterCertificates {
    const { name, clusterName, clusterDomain, poolers, settings } = plan;
    const child = { parent: this, dependsOn: operator };
    const clientCas = plan.teleport.map(({ settings: { proxy, credentials, clientCas: sources } }) =>
      caSources(name, sources, { proxy, credentials, namespace }, child),
    );
    return new ClusterCertificates(
      name,
      {
        cluster: clusterName,
        namespace,
        issuer: settings.issuer,
        clusterDomain,
        serverAltNames: namespace.apply((inNamespace) => [
          ...(settings.serverAltNames ?? []),
          ...additionalDnsNames(settings.spec, inNamespace, clusterDomain),
        ]),
        explicitPoolers: plan.poolerLogins.includes("explicit"),
        poolers: poolers.filter(({ isIssued }) => isIssued).map((pooler) => pooler.name),
        clientCas: pulumi.all(clientCas).apply((sources) => sources.flat()),
        retained: plan.isRetained,
      },
      child,
    );
  }

  private makeCluster({ plan, namespace }: Made, dependsOn: pulumi.Resource[]): k8s.apiextensions.CustomResource {
    const { name, clusterName, cluster, settings } = plan;
    const { kubernetes } = settings;
    const check = new UpdateCheck(
      name,
      {
        ...{ kubernetes, plural: "clusters", namespace, object: clusterName, owner: ownerOf(name) },
        instances: settings.scaledByOthers ? undefined : plan.instances,
        annotations: cluster.pauses,
        image: { name: imageOf(settings), major: declaredMajor(settings) },
      },
      { parent: this, dependsOn },
    );
    const annotations = {
      ...ownedBy(name),
      ...cluster.annotations,
      [PROTECTION_ANNOTATION]: check.once(String(plan.isProtected)),
    };
    return new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: { name: clusterName, namespace, annotations },
        spec: cluster.spec,
      },
      // That it serves is awaited by ClusterServing, which can say why it does not.
      {
        parent: this,
        dependsOn: [check, ...dependsOn],
        ...keepsInstances(settings),
        protect: plan.isProtected,
        retainOnDelete: plan.isRetained,
      },
    );
  }

  /** Databases, schemas and extensions. The operator holds their deletion until it is done: before the Cluster's. */
  private makeDatabases(
    { plan, namespace }: Made,
    reference: ClusterArgs,
    serving: ClusterServing,
  ): DatabasesServing[] {
    if (plan.databases.length === 0) return [];
    const databases = plan.databases.map(({ resource, metadata, ...manifest }) => {
      const database = new k8s.apiextensions.CustomResource(
        resource,
        { ...manifest, metadata: { ...metadata, namespace, annotations: ownedBy(resource) } },
        {
          parent: this,
          dependsOn: serving,
          customTimeouts: SHORT_DELETION,
          ...KEEPS_FIELD_MANAGER,
          protect: plan.isProtected && manifest.spec.databaseReclaimPolicy === "delete",
          retainOnDelete: plan.isRetained,
        },
      );
      // For each, since one may be there and another not: it would be dropped with its data.
      this.guard(`${plan.name}:database:${manifest.spec.name}`, plan, [database]);
      return database;
    });
    return [
      new DatabasesServing(
        plan.name,
        {
          ...reference,
          suspended: plan.isPaused,
          within: plan.readySeconds,
          databases: writtenTo(plan.databases),
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
  private makeDatabaseRoles({ plan, namespace, operator }: Made): k8s.apiextensions.CustomResource[] {
    return plan.databaseRoles.map(
      ({ resource, metadata, ...manifest }) =>
        new k8s.apiextensions.CustomResource(
          resource,
          { ...manifest, metadata: { ...metadata, namespace, annotations: ownedBy(resource) } },
          {
            parent: this,
            dependsOn: operator,
            customTimeouts: SHORT_DELETION,
            ...KEEPS_FIELD_MANAGER,
            retainOnDelete: plan.isRetained,
          },
        ),
    );
  }

  /** Waits until the primary has applied the DatabaseRoles, if there are any. */
  private makeRolesServing(
    plan: ClusterPlan,
    reference: ClusterArgs,
    dependsOn: pulumi.Resource[],
  ): DatabaseRolesServing[] {
    if (plan.databaseRoles.length === 0) return [];
    return [
      new DatabaseRolesServing(
        plan.name,
        {
          ...reference,
          suspended: plan.isPaused,
          within: plan.readySeconds,
          roles: writtenTo(plan.databaseRoles),
          retained: plan.isRetained,
        },
        { parent: this, dependsOn },
      ),
    ];
  }

  private makeNetworkPolicies({ plan, namespace, operator }: Made) {
    return plan.networkPolicies.map(
      ({ resource, metadata, spec }) =>
        new k8s.networking.v1.NetworkPolicy(
          resource,
          {
            metadata: { ...metadata, namespace, annotations: { ...ownedBy(plan.name), ...BACKGROUND_DELETION } },
            spec,
          },
          { parent: this, dependsOn: operator, ...KEEPS_FIELD_MANAGER, retainOnDelete: plan.isRetained },
        ),
    );
  }

  /** Waits until every instance serves what was written. Nothing is waited for in a Cluster that goes. */
  private makeServing(plan: ClusterPlan, reference: ClusterArgs, certificates: ClusterCertificates): ClusterServing {
    const { cluster, settings } = plan;
    return new ClusterServing(
      plan.name,
      {
        ...reference,
        suspended: plan.isSuspended && !settings.hibernation,
        hibernated: settings.hibernation ?? false,
        within: plan.readySeconds,
        written: pulumi.output(cluster.spec).apply((spec) => sha256(JSON.stringify([spec, cluster.pauses]))),
        instances: plan.servingInstances,
        image: settings.image,
        serverCertificate: certificates.serverCertificate.apply(sha256),
        clientCaBundle: certificates.clientCaBundle.apply(sha256),
        parameters: settings.parameters ?? {},
        certificateUsers: plan.certificateLogins,
        fenced: settings.fencedInstances ?? [],
        supervised: isSupervised(settings.spec),
      },
      { parent: this, dependsOn: this.cluster, deletedWith: this.cluster },
    );
  }

  /** Grants the users' rights. Nothing is taken from users of a Cluster that goes. */
  private makeAccess(plan: ClusterPlan, reference: ClusterArgs, dependsOn: pulumi.Resource[]): DatabaseAccess {
    const { database, users, poolerLogins, settings } = plan;
    return new DatabaseAccess(
      plan.name,
      { ...reference, suspended: plan.isSuspended, database, users, usersAs: settings.usersAs, poolerLogins },
      { parent: this, dependsOn, deletedWith: this.deletedCluster(plan) },
    );
  }

  /** Teleport's admin user. Nothing is taken from users of a Cluster that goes. */
  private makeAutoUsers(plan: ClusterPlan, reference: ClusterArgs, dependsOn: pulumi.Resource): AutoUsersAdmin[] {
    const { database, settings } = plan;
    if (!settings.autoUsers) return [];
    return [
      new AutoUsersAdmin(
        plan.name,
        { ...reference, suspended: plan.isSuspended, database, settings: settings.autoUsers },
        { parent: this, dependsOn, deletedWith: this.deletedCluster(plan) },
      ),
    ];
  }

  /** The Cluster, where it takes users with it when it is deleted. */
  private deletedCluster({ isRetained }: ClusterPlan): pulumi.Resource | undefined {
    return isRetained ? undefined : this.cluster;
  }

  /** Users by Vault, where they are declared; and all outputs. */
  private makeVaultDatabase(
    { plan, operator }: Made,
    described: pulumi.Output<PostgresClusterOutputs>,
    { uid, kubernetes }: ClusterArgs,
  ): { outputs: pulumi.Output<PostgresClusterOutputs>; resources: pulumi.Resource[] } {
    const { vaultDatabase } = plan.settings;
    if (!vaultDatabase || !plan.vaultDatabase) return { outputs: described, resources: [] };
    const { host, port, ...settings } = vaultDatabase;
    const { connection, mount } = plan.vaultDatabase;
    const database = described.apply(({ hostReadWrite, port: ours, ...known }) => ({
      ...known,
      hostReadWrite: host ?? hostReadWrite,
      port: port ?? ours,
    }));
    const made = new VaultDatabase(
      plan.name,
      { ...settings, connection, mount, database, uid, kubernetes },
      { parent: this, dependsOn: operator },
    );
    const outputs = pulumi
      .all([described, made.outputs])
      .apply(([known, vaultOutputs]) => ({ ...known, vaultDatabase: vaultOutputs }));
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

/** What decides about the image, as one text. */
function imageOf({ image, imageCatalog }: PostgresClusterArgs): string {
  return image ?? (imageCatalog === undefined ? "" : JSON.stringify(imageCatalog));
}

/** What every part of the component is told. */
interface Made {
  plan: ClusterPlan;
  namespace: pulumi.Output<string>;
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

/** What is written to each object, by the object's name. */
function writtenTo(manifests: readonly { metadata: { name: string }; spec: object }[]): Record<string, string> {
  return Object.fromEntries(manifests.map(({ metadata, spec }) => [metadata.name, JSON.stringify(spec)]));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
