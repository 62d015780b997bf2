/** A highly available PostgreSQL on Kubernetes that people reach through Teleport. */
import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DatabaseAccess } from "../postgres/grants-resource";
import { AutoUsersAdmin } from "../teleport/auto-users/admin";
import { caSources } from "../certificates/ca-sources";
import { ClusterCertificates } from "../certificates/cluster-certificates";
import { declaredMajor, upgradeBackupHours } from "../cnpg/image";
import { databaseAndOwner } from "../cnpg/initdb";
import { volumeSizes } from "../cnpg/storage";
import { additionalDnsNames } from "../cnpg/services";
import { isSupervised } from "../cnpg/spec";
import { ignoredChanges } from "../cnpg/foreign-fields";
import { alreadyChecked } from "../known-outputs";
import type { KubernetesArgs } from "../kubernetes/resource";
import { BACKGROUND_DELETION, SHORT_DELETION, ownedBy, ownerOf } from "../kubernetes/owner";
import { OperatorCheck } from "../cnpg/operator-check";
import { requireMutableSecrets, requireUpserting } from "../kubernetes/provider-settings";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { createAdoption } from "./adoption";
import { BackupsBefore, createBackupsAfter, createBackupsBefore, createLastBackup } from "./backups";
import { createPoolers } from "./poolers";
import { createReplicaRole, expectedRole, readReplicaStatus, topologyLabels } from "./topology";
import type { PostgresClusterArgs } from "./args";
import { checkPostgresCluster } from "./check";
import { checkTypes, afterChecks } from "./computed";
import { clusterOutputs, PostgresClusterOutputs } from "./outputs";
import { ClusterPlan, declaredCluster, objectNames, operatorNeeds, planCluster } from "./plan";
import { ClusterIdentity, DeletionProtection, KubernetesIdentity } from "../protection/deletion-protection";
import { PROTECTION_ANNOTATION } from "../protection/deletion-settings";
import { createNamespace } from "../protection/namespace-removal";
import { ClusterServing, DatabaseRolesServing, DatabasesServing } from "../readiness/readiness";
import { refuse } from "../problems";
import { register } from "./registrations";
import { UpdateCheck } from "../protection/update-check";
import { VaultDatabase } from "../vault-database/vault-database";

/**
 * Creates the namespace (unless `namespace` is set), the certificates, the bundle of client CAs, CNPG's Cluster with
 * the roles and rights of people, and its Poolers. Registers the primary and the standby in Teleport. `up` finishes
 * when each instance runs with the declared settings, and Teleport shows the databases.
 *
 * Requires the CNPG operator. If the operator is missing or too old, the preview reports an error. If your program
 * installs the operator, put the resource that installs it into `dependsOn`. Then `up` checks the operator after that
 * resource, and before it creates anything of this component.
 *
 * Requires a Kubernetes provider with `enableSecretMutable: true`, so that renewed certificates are updated in place.
 * The issuer `vault` also requires a Vault provider (`providers: { vault }`).
 *
 * @throws SettingsError in the constructor, with every problem, before anything is created
 */
export class PostgresCluster extends pulumi.ComponentResource {
  /** What people and the stacks of applications need, as one value without secrets. */
  readonly outputs: pulumi.Output<PostgresClusterOutputs>;
  /** CNPG's Cluster. */
  readonly cluster: k8s.apiextensions.CustomResource;
  /** The database in Vault. Undefined without the setting `vaultDatabase`. */
  readonly vaultDatabase?: VaultDatabase;

  constructor(name: string, args: PostgresClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    refuse(checkTypes(args));
    const stack = pulumi.getStack();
    const plan = planCluster(name, args, stack);
    refuse(checkPostgresCluster("", plan));
    const mutable = requireMutableSecrets(withFormerNames(opts, args.formerNames));
    const ownOpts = args.adopt ? requireUpserting(mutable) : mutable;
    super("cnpg-teleport:postgres:PostgresCluster", name, {}, ownOpts);
    const { clusterName } = plan;
    const { kubernetes } = args;
    // Comes first: without an operator, the objects in Kubernetes would stay without effect.
    const operator = new OperatorCheck(
      name,
      {
        kubernetes,
        needs: afterChecks(name, args, stack, operatorNeeds(plan)),
        objectStores: plan.backup || plan.recovery?.store !== undefined || readsArchives(plan) ? true : undefined,
        awaited: hasDependencies(opts),
        cluster: {
          ...{ namespace: plan.namespace, name: clusterName, owner: ownerOf(name) },
          ...{ adopt: args.adopt, objects: objectNames(plan) },
        },
        declared: declaredCluster(plan),
      },
      { parent: this },
    );
    const first = [operator, ...createAdoption(plan, { parent: this, dependsOn: operator })];
    const child = { parent: this, dependsOn: first };

    const namespace = pulumi.output(args.namespace ?? createNamespace(name, clusterName, kubernetes, child));
    const context: ComponentContext = { plan, namespace, first };
    const certificates = this.createCertificates(context);
    const policies = this.createNetworkPolicies(context);
    const roles = this.createDatabaseRoles(context);
    const before = createBackupsBefore(plan, namespace, child);
    const { spec, archiveName } = before;
    const role = createReplicaRole(plan, { parent: this });
    const beforeCluster = [certificates, ...policies, ...roles, ...before.resources, ...(role ? [role] : [])];
    this.guardDeletion(`${name}:secrets`, plan, beforeCluster);
    this.cluster = this.createCluster(context, before, beforeCluster);
    const uid = this.cluster.metadata.apply((metadata) => metadata.uid ?? "");
    const reference = { kubernetes, namespace, cluster: clusterName, uid };
    new DeletionProtection(
      name,
      { ...reference, database: name, cluster: clusterName, protected: plan.isProtected },
      { parent: this, dependsOn: this.cluster },
    );
    const ready = this.waitForCluster(plan, spec, reference, certificates);
    const status = readReplicaStatus(plan, reference, {
      ...{ parent: this, dependsOn: ready, deletedWith: this.cluster },
    });
    const topology = topologyLabels(role, status);
    const databases = this.createDatabases(context, reference, ready);
    const appliedRoles = this.waitForDatabaseRoles(plan, reference, [ready, ...roles]);
    const access = this.grantAccess(plan, reference, [ready, ...databases, ...appliedRoles]);
    const autoUsers = this.createAutoUsersAdmin(plan, reference, access);
    const poolers = createPoolers(
      plan,
      { namespace, certificates: certificates.ofPoolers.apply(sha256) },
      { ...child, dependsOn: [certificates, access] },
    );

    const registered = plan.teleport.map((teleport) =>
      register(
        teleport,
        plan,
        { namespace, caCert: certificates.serverCa, topology },
        { ...child, dependsOn: [ready, access, ...autoUsers] },
      ),
    );
    const backups = createBackupsAfter(plan, namespace, archiveName, role?.promotedAt, {
      ...{ parent: this, dependsOn: [ready] },
    });
    // The outputs are known only when everything is ready. So a stack that waits for them also waits for the Poolers.
    const awaited = [
      this.cluster,
      ready,
      access,
      ...poolers,
      ...[backups?.first, status].filter((one) => one !== undefined),
    ];
    const everything = pulumi.all(awaited.map(({ id }) => id));
    const names = pulumi.all([pulumi.all(registered.map((each) => each.names)), everything]).apply(([known]) => known);
    const agents = pulumi.all(registered.flatMap(({ agent }) => agent ?? []));
    const outputs = clusterOutputs(plan, namespace, certificates.serverCa, {
      ...{ names, agents, archiveName, demotionToken: status?.demotionToken },
    });
    const vault = this.createVaultDatabase(context, outputs, reference);
    this.outputs = vault.outputs;
    this.vaultDatabase = vault.resources[0];
    const all = [
      ...[...beforeCluster, ready, ...databases, ...appliedRoles, access, ...autoUsers, ...poolers],
      ...(backups ? [backups.schedule, backups.first] : []),
      ...(status ? [status] : []),
      ...registered.flatMap((each) => each.resources),
      ...vault.resources,
    ];
    const last = createLastBackup(plan, reference, { parent: this, dependsOn: all });
    new ClusterIdentity(
      name,
      { ...reference, database: name, cluster: clusterName },
      { parent: this, dependsOn: [...all, ...last] },
    );
    this.registerOutputs({ outputs: this.outputs });
  }

  /**
   * Refuses to delete the resources in `dependsOn` in a wrong Kubernetes cluster: it is deleted before them, and its
   * own deletion checks the cluster. The name contains colons, so it differs from the names of all objects.
   */
  private guardDeletion(name: string, { settings: { kubernetes } }: ClusterPlan, dependsOn: pulumi.Resource[]): void {
    new KubernetesIdentity(name, { kubernetes }, { parent: this, dependsOn });
  }

  private createCertificates({ plan, namespace, first }: ComponentContext): ClusterCertificates {
    const { name, clusterName, clusterDomain, poolers, settings } = plan;
    const child = { parent: this, dependsOn: first };
    const clientCas = plan.teleport.map(({ settings: { proxy, credentials, clientCas: sources } }) =>
      caSources(name, sources, { proxy, credentials, namespace }, child),
    );
    return new ClusterCertificates(
      name,
      alreadyChecked({
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
      }),
      child,
    );
  }

  private createCluster(
    { plan, namespace }: ComponentContext,
    { spec, onDemand }: BackupsBefore,
    dependsOn: pulumi.Resource[],
  ): k8s.apiextensions.CustomResource {
    const { name, clusterName, cluster, settings } = plan;
    const { kubernetes } = settings;
    const check = new UpdateCheck(
      name,
      {
        ...{ kubernetes, plural: "clusters", namespace, object: clusterName, owner: ownerOf(name) },
        instances: settings.scaledByOthers ? undefined : plan.instances,
        annotations: cluster.stopAnnotations,
        image: {
          name: imageOf(settings),
          major: declaredMajor(settings),
          backupWithin: upgradeBackupHours(settings),
          archives: plan.backup !== undefined,
        },
        takenBackup: onDemand?.taken,
        volumes: volumeSizes(settings),
        // In a topology, how a Cluster is created changes with its role.
        bootstrap: plan.replica
          ? { initdb: databaseAndOwner(settings.initdb) }
          : (cluster.spec.bootstrap as Record<string, unknown> | undefined),
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
        spec,
      },
      // ClusterServing waits until the Cluster is ready, and can report why it is not.
      {
        parent: this,
        dependsOn: [check, ...dependsOn],
        ...ignoredChanges(settings),
        protect: plan.isProtected,
        retainOnDelete: plan.isRetained,
      },
    );
  }

  /**
   * Creates databases, schemas and extensions. They must be deleted before the Cluster: the operator's finalizer keeps
   * a Database until the operator has handled the deletion.
   */
  private createDatabases(
    { plan, namespace }: ComponentContext,
    reference: ClusterArgs,
    ready: ClusterServing,
  ): DatabasesServing[] {
    if (plan.databases.length === 0) return [];
    const databases = plan.databases.map(({ resource, metadata, ...manifest }) => {
      const database = new k8s.apiextensions.CustomResource(
        resource,
        { ...manifest, metadata: { ...metadata, namespace, annotations: ownedBy(resource) } },
        {
          parent: this,
          dependsOn: ready,
          customTimeouts: SHORT_DELETION,
          ...KEEPS_FIELD_MANAGER,
          protect: plan.isProtected && manifest.spec.databaseReclaimPolicy === "delete",
          retainOnDelete: plan.isRetained,
        },
      );
      // One guard for each database: after an interrupted `up`, only some may exist, and a wrong deletion drops the
      // data.
      this.guardDeletion(`${plan.name}:database:${manifest.spec.name}`, plan, [database]);
      return database;
    });
    return [
      new DatabasesServing(
        plan.name,
        {
          ...reference,
          suspended: plan.hasStoppedInstances || plan.isReplicaCluster,
          within: plan.readySeconds,
          databases: specsByName(plan.databases),
        },
        // Deleted before the Databases, also with the Cluster: in a stopped Cluster, only this removes their
        // finalizers.
        { parent: this, dependsOn: databases },
      ),
    ];
  }

  /**
   * Creates the users' DatabaseRoles before the Cluster stops declaring these users, so that every user is always
   * declared. While both declare a user, CloudNativePG follows the Cluster (CNPG 1.30).
   */
  private createDatabaseRoles({ plan, namespace, first }: ComponentContext): k8s.apiextensions.CustomResource[] {
    return plan.databaseRoles.map(
      ({ resource, metadata, ...manifest }) =>
        new k8s.apiextensions.CustomResource(
          resource,
          { ...manifest, metadata: { ...metadata, namespace, annotations: ownedBy(resource) } },
          {
            parent: this,
            dependsOn: first,
            customTimeouts: SHORT_DELETION,
            ...KEEPS_FIELD_MANAGER,
            retainOnDelete: plan.isRetained,
          },
        ),
    );
  }

  /** Waits until the primary has applied the DatabaseRoles, if there are any. */
  private waitForDatabaseRoles(
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
          suspended: plan.hasStoppedInstances || plan.isReplicaCluster,
          within: plan.readySeconds,
          roles: specsByName(plan.databaseRoles),
          retained: plan.isRetained,
        },
        { parent: this, dependsOn },
      ),
    ];
  }

  private createNetworkPolicies({ plan, namespace, first }: ComponentContext) {
    return plan.networkPolicies.map(
      ({ resource, metadata, spec }) =>
        new k8s.networking.v1.NetworkPolicy(
          resource,
          {
            metadata: { ...metadata, namespace, annotations: { ...ownedBy(plan.name), ...BACKGROUND_DELETION } },
            spec,
          },
          { parent: this, dependsOn: first, ...KEEPS_FIELD_MANAGER, retainOnDelete: plan.isRetained },
        ),
    );
  }

  /**
   * Waits until every instance runs with the declared settings. Pulumi skips its deletion when it deletes the Cluster.
   */
  private waitForCluster(
    plan: ClusterPlan,
    clusterSpec: Record<string, unknown>,
    reference: ClusterArgs,
    certificates: ClusterCertificates,
  ): ClusterServing {
    const { cluster, settings } = plan;
    return new ClusterServing(
      plan.name,
      {
        ...reference,
        suspended: plan.isSuspended && !settings.hibernation,
        hibernated: settings.hibernation ?? false,
        within: plan.readySeconds,
        written: pulumi.output(clusterSpec).apply((spec) => sha256(JSON.stringify([spec, cluster.stopAnnotations]))),
        instances: plan.expectedReadyInstances,
        image: settings.image,
        serverCertificate: certificates.serverCertificate.apply(sha256),
        clientCaBundle: certificates.clientCaBundle.apply(sha256),
        parameters: settings.parameters ?? {},
        certificateUsers: plan.certificateLogins,
        fenced: settings.fencedInstances ?? [],
        supervised: isSupervised(settings.spec),
        role: plan.replica && expectedRole(plan.replica),
      },
      { parent: this, dependsOn: this.cluster, deletedWith: this.cluster },
    );
  }

  /** Grants the users' rights. If the Cluster is deleted, the rights are not revoked first. */
  private grantAccess(plan: ClusterPlan, reference: ClusterArgs, dependsOn: pulumi.Resource[]): DatabaseAccess {
    const { database, users, poolerLogins, settings } = plan;
    return new DatabaseAccess(
      plan.name,
      { ...reference, suspended: plan.isReadOnly, database, users, usersAs: settings.usersAs, poolerLogins },
      { parent: this, dependsOn, deletedWith: this.deletedCluster(plan) },
    );
  }

  /** Creates Teleport's admin user. If the Cluster is deleted, its users are not dropped first. */
  private createAutoUsersAdmin(
    plan: ClusterPlan,
    reference: ClusterArgs,
    dependsOn: pulumi.Resource,
  ): AutoUsersAdmin[] {
    const { database, settings } = plan;
    if (!settings.autoUsers) return [];
    return [
      new AutoUsersAdmin(
        plan.name,
        { ...reference, suspended: plan.isReadOnly, database, settings: settings.autoUsers },
        { parent: this, dependsOn, deletedWith: this.deletedCluster(plan) },
      ),
    ];
  }

  /** The Cluster, if the deletion of the Cluster also removes its users. */
  private deletedCluster({ isRetained }: ClusterPlan): pulumi.Resource | undefined {
    return isRetained ? undefined : this.cluster;
  }

  /** Creates Vault's users if they are declared, and adds them to the outputs. */
  private createVaultDatabase(
    { plan, first }: ComponentContext,
    outputs: pulumi.Output<PostgresClusterOutputs>,
    { uid, kubernetes }: ClusterArgs,
  ): { outputs: pulumi.Output<PostgresClusterOutputs>; resources: VaultDatabase[] } {
    const { vaultDatabase } = plan.settings;
    if (!vaultDatabase || !plan.vaultDatabase) return { outputs, resources: [] };
    const { host, port, ...settings } = vaultDatabase;
    const { connection, mount } = plan.vaultDatabase;
    const database = outputs.apply(({ hostReadWrite, port: ours, ...known }) => ({
      ...known,
      hostReadWrite: host ?? hostReadWrite,
      port: port ?? ours,
    }));
    const created = new VaultDatabase(
      plan.name,
      alreadyChecked({
        ...{ ...settings, connection, mount, database, uid, kubernetes },
        replicated: plan.replica !== undefined,
      }),
      { parent: this, dependsOn: first },
    );
    const withVault = pulumi
      .all([outputs, created.outputs])
      .apply(([known, vaultOutputs]) => ({ ...known, vaultDatabase: vaultOutputs }));
    return { outputs: withVault, resources: [created] };
  }
}

/** Identifies the Cluster for resources that do not use Pulumi's Kubernetes provider. */
interface ClusterArgs {
  kubernetes?: KubernetesArgs;
  namespace: pulumi.Output<string>;
  cluster: string;
  uid: pulumi.Output<string>;
}

/** Whether the Cluster restores the archives of other Clusters of its topology. */
function readsArchives({ replica }: ClusterPlan): boolean {
  return replica?.externalClusters.some(({ plugin }) => plugin !== undefined) ?? false;
}

/** The settings of the image as one string. */
function imageOf({ image, imageCatalog }: PostgresClusterArgs): string {
  return image ?? (imageCatalog === undefined ? "" : JSON.stringify(imageCatalog));
}

/** The values that all parts of the component use. */
interface ComponentContext {
  plan: ClusterPlan;
  namespace: pulumi.Output<string>;
  /** What comes before everything else: the checks, and the takeover of an existing Cluster. */
  first: pulumi.Resource[];
}

/** Adds an alias for each former name, so that Pulumi keeps the resources of a renamed database. */
function withFormerNames(opts: pulumi.ComponentResourceOptions = {}, formerNames: readonly string[] = []) {
  return { ...opts, aliases: [...(opts.aliases ?? []), ...formerNames.map((name) => ({ name }))] };
}

/** Whether the component depends on other resources, which may install the operator. */
function hasDependencies({ dependsOn }: pulumi.ComponentResourceOptions = {}): boolean {
  return Array.isArray(dependsOn) ? dependsOn.length > 0 : dependsOn !== undefined;
}

/** The `spec` of each object as JSON, by the object's name. */
function specsByName(manifests: readonly { metadata: { name: string }; spec: object }[]): Record<string, string> {
  return Object.fromEntries(manifests.map(({ metadata, spec }) => [metadata.name, JSON.stringify(spec)]));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
