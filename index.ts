/**
 * The program: the PostgreSQL databases of one environment, as `Pulumi.<stack>.yaml` declares them. All environments
 * run the same program. Your own programs import from ./components instead.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { MachineIdWorkload, OperatorCheck, PostgresCluster, SettingsError } from "./components";
import { operatorNeeds } from "./components/postgres-cluster/plan";
import { combinedNeeds } from "./components/cnpg/operator-version";
import { contextResourceName } from "./components/kubernetes/names";
import { ownerOf, stackPrefix } from "./components/kubernetes/owner";
import { ClusterIdentity } from "./components/protection/deletion-protection";
import { DeclaredDatabases } from "./components/protection/declared-databases";
import { createNamespace } from "./components/protection/namespace-removal";
import type { VaultDatabaseOfCluster } from "./components/vault-database/settings";
import { UPSERT_EXISTING_OBJECTS } from "./components/protection/upsert-existing-objects";
import { appRoleMount, EnvironmentConfig, parseConfig, usesVault, VaultSettings } from "./config/config";
import { adoptingContextsOf, contextsOf, declaredDatabases } from "./config/contexts-and-namespaces";
import type { DatabasePlan } from "./config/plan";
import { makersFirst, makersOf } from "./config/vault-mounts";

const config = readConfig();
const { plan } = config;

/** Comes first, so that a configuration that would lose data is refused before anything is changed. */
const declared = new DeclaredDatabases("databases", {
  databases: declaredDatabases(plan, ownerOf),
  owner: stackPrefix(),
});

// Pulumi's SDK would write the variable into the state of each provider, and the next run would update the providers.
// The provider's plugin reads the variable itself.
delete process.env[UPSERT_EXISTING_OBJECTS];

/** A provider for each context that a database uses. Undefined is the kubeconfig's current context. */
const contexts = contextsOf(plan);
const kubernetesProviders = new Map(
  contexts.map(({ context, former }) => [context, kubernetesProvider("kubernetes", context, former)]),
);
/**
 * Another provider for databases with `adopt: true`, which takes over existing objects. When a resource changes to a provider with
 * the same kubeconfig and context, Pulumi replaces nothing (`providerChanged` of the engine, `DiffConfig` of pulumi-kubernetes).
 */
const adoptingProviders = new Map(
  adoptingContextsOf(plan).map(({ context, former }) => [
    context,
    kubernetesProvider("adopting-kubernetes", context, former, { upsertExistingObjects: true }),
  ]),
);
const vaultProviders: Record<string, pulumi.ProviderResource> =
  config.vault && Object.values(config.databases).some(usesVault) ? { vault: vaultProvider(config.vault) } : {};

/** Vault, for requests that the program sends without Pulumi's provider. */
const vaultServer = { address: config.vault?.address, namespace: config.vault?.namespace };

const formerOf = (context: string | undefined) => contexts.find((each) => each.context === context)?.former ?? [];
/** The operator is checked even before namespaces are created. */
const operators = new Map(
  [...new Set(plan.namespaces.map(({ context }) => context))].map((context) => [
    context,
    new OperatorCheck(
      context ?? "kubernetes",
      { kubernetes: { context }, needs: needsIn(context) },
      { aliases: formerOf(context).map((former) => ({ name: former ?? "kubernetes" })) },
    ),
  ]),
);
const namespaces = plan.namespaces.map(({ context, namespace, adopts, databases: own }) => ({
  context,
  namespace,
  name: createNamespace(
    contextResourceName(context, namespace, "before"),
    namespace,
    { context },
    {
      provider: (adopts ? adoptingProviders : kubernetesProviders).get(context),
      dependsOn: operators.get(context),
      formerNames: formerOf(context).map((former) => contextResourceName(former, namespace, "before")),
      // In 0.1.0, the PostgresCluster was the parent of a namespace that is not declared.
      formerUrns: own.map((name) => namespaceUrn(name)),
    },
  ),
}));

const clusters: { database: DatabasePlan; cluster: PostgresCluster }[] = [];

/**
 * Output for the stacks of applications: the outputs of each database, by its name in the configuration. Contains no
 * secret.
 */
export const databases = Object.fromEntries(
  makersFirst(plan.databases).map((database) => {
    const { name, context, settings } = database;
    const created = namespaces.find((each) => each.context === context && each.namespace === database.namespace);
    const kubernetes = (settings.adopt ? adoptingProviders : kubernetesProviders).get(context);
    const providers = { ...vaultProviders, ...(kubernetes ? { kubernetes } : {}) };
    const namespace = created?.name ?? database.namespace;
    const vaultDatabase = settings.vaultDatabase && vaultSettings(name, settings.vaultDatabase);
    const cluster = new PostgresCluster(name, { ...settings, namespace, vaultDatabase }, { providers });
    clusters.push({ database, cluster });
    return [name, cluster.outputs];
  }),
);

const workloads: MachineIdWorkload[] = [];

/** Output for the stacks of applications: how the pods of each application reach their databases through Teleport. */
export const applications = Object.fromEntries(
  Object.entries(plan.applications).map(([name, { application, teleport, settings }]) => {
    const { adopt, databases: wanted } = application;
    // Depends on the databases, because applications use their names in Teleport.
    const registered = Object.fromEntries(
      Object.entries(settings.databases).map(([alias, known]) => {
        const service = pulumi.output(databases[wanted[alias]?.database ?? ""]).apply(() => known.service);
        return [alias, { ...known, service }];
      }),
    );
    const workload = new MachineIdWorkload(name, { ...settings, teleport, adopt, databases: registered });
    workloads.push(workload);
    return [name, workload.outputs];
  }),
);

// Deleted first: if the deletion of a database is refused, its applications must still have access.
for (const { database, cluster } of clusters) {
  const { name, settings } = database;
  const { metadata } = cluster.cluster;
  new ClusterIdentity(
    `${name}-and-applications`,
    {
      kubernetes: settings.kubernetes,
      database: name,
      cluster: database.clusterName,
      namespace: metadata.apply(({ namespace }) => namespace ?? ""),
      uid: metadata.apply(({ uid }) => uid ?? ""),
    },
    {
      dependsOn: [cluster, ...workloads],
      aliases: settings.formerNames?.map((former) => ({ name: `${former}-and-applications` })),
    },
  );
}

/** The settings, in which mounts of other databases are outputs: Pulumi creates those mounts first, and deletes them last. */
function vaultSettings(name: string, { mount, kubernetesAuth, ...settings }: VaultDatabaseOfCluster) {
  const makers = makersOf(plan.databases, name);
  const made = (maker: string | undefined) =>
    clusters.find(({ database }) => database.name === maker)?.cluster.vaultDatabase;
  return {
    ...settings,
    vault: { ...vaultServer, ...settings.vault },
    mount: mount && { ...mount, path: made(makers.mount)?.mount ?? mount.path },
    kubernetesAuth: kubernetesAuth && {
      ...kubernetesAuth,
      path: made(makers.kubernetesAuth)?.kubernetesAuth ?? kubernetesAuth.path,
    },
  };
}

function kubernetesProvider(
  name: string,
  context: string | undefined,
  former: readonly (string | undefined)[],
  more: k8s.ProviderArgs = {},
): k8s.Provider {
  return new k8s.Provider(
    contextResourceName(context, name, "after"),
    {
      context,
      // The environment says how to reach the cluster. Without this empty value, the SDK writes the path in
      // KUBECONFIG into the state, and other machines do not have that path.
      kubeconfig: "",
      // Without it, a change of a Secret's data deletes and recreates the Secret. A Cluster stops if its CA Secret is
      // missing.
      enableSecretMutable: true,
      ...more,
    },
    {
      dependsOn: declared,
      aliases: former.map((each) => ({ name: contextResourceName(each, name, "after") })),
    },
  );
}

/** What the databases of a context require of the operator. */
function needsIn(context: string | undefined) {
  return combinedNeeds(
    Object.values(plan.databases)
      .filter((database) => database.context === context)
      .map(operatorNeeds),
  );
}

/** URN of the Namespace that a PostgresCluster of this name creates for itself. */
function namespaceUrn(name: string): pulumi.Output<string> {
  const cluster = pulumi.createUrn(name, "cnpg-teleport:postgres:PostgresCluster");
  return pulumi.createUrn(name, "kubernetes:core/v1:Namespace", cluster);
}

function readConfig(): EnvironmentConfig {
  const prefix = `${pulumi.getProject()}:`;
  const keys = Object.keys(pulumi.runtime.allConfig()).filter((key) => key.startsWith(prefix));
  const raw = Object.fromEntries(keys.map((key) => [key.slice(prefix.length), configValue(key.slice(prefix.length))]));
  try {
    return parseConfig(raw, pulumi.getStack(), process.env);
  } catch (error) {
    // Pulumi shows a RunError without a stack trace.
    throw error instanceof SettingsError ? new pulumi.RunError(error.message) : error;
  }
}

/** The value of a key. Pulumi passes structured values as JSON, and other values as plain strings. */
function configValue(key: string): unknown {
  const text = new pulumi.Config().require(key);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The AppRole's credentials come from environment variables, and are secrets in the state. A token is not in the state.
 */
function vaultProvider({
  address,
  namespace = process.env.VAULT_NAMESPACE || undefined,
  auth,
}: VaultSettings): vault.Provider {
  const credentials = { role_id: process.env.VAULT_ROLE_ID ?? "", secret_id: process.env.VAULT_SECRET_ID ?? "" };
  return new vault.Provider("vault", {
    address: address ?? process.env.VAULT_ADDR ?? "",
    namespace,
    skipChildToken: true,
    ...(auth.method === "approle"
      ? { authLogin: { namespace, path: `auth/${appRoleMount(auth)}/login`, parameters: pulumi.secret(credentials) } }
      : {}),
  });
}
