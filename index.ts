/**
 * The program: PostgreSQL for one environment, as `Pulumi.<stack>.yaml` declares it. Any environment runs it
 * unchanged; programs of your own import from ./components instead.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { MachineIdWorkload, OperatorCheck, PostgresCluster, SettingsError } from "./components";
import { operatorNeeds } from "./components/postgres-cluster/plan";
import { needsOfAll } from "./components/cnpg/operator-version";
import { ownerOf, stackPrefix } from "./components/kubernetes/owner";
import { ClusterIdentity } from "./components/protection/deletion-protection";
import { DeclaredDatabases, inContext } from "./components/protection/declared-databases";
import { makeNamespace } from "./components/protection/namespace-removal";
import { TAKE_UP } from "./components/kubernetes/identity";
import { appRoleMount, EnvironmentConfig, parseConfig, usesVault, VaultSettings } from "./config/config";
import { contextsOf, declaredDatabases, namespacesToMake } from "./config/places";
import type { DatabasePlan } from "./config/plan";

const config = readConfig();
const { plan } = config;

/** Before everything else: a configuration that would lose data is refused before anything is changed. */
const declared = new DeclaredDatabases("databases", {
  databases: declaredDatabases(plan, ownerOf),
  owner: stackPrefix(),
});

// Pulumi's SDK would write it into the state of each provider, and the next run would update them. The plugin reads it itself.
delete process.env[TAKE_UP];

/** A provider for each Kubernetes cluster that a database names; undefined is the kubeconfig's current context. */
const contexts = contextsOf(plan);
const kubernetesProviders = new Map(
  contexts.map(({ context, former }) => [
    context,
    new k8s.Provider(
      inContext(context, "kubernetes", "after"),
      {
        context,
        // How the cluster is reached is the environment's. Left out, the SDK writes the path in KUBECONFIG into the state,
        // where the next machine does not have it.
        kubeconfig: "",
        // Without it a Secret whose data change is deleted and made again; a Cluster whose CA Secret is missing stops.
        enableSecretMutable: true,
      },
      { dependsOn: declared, aliases: former.map((each) => ({ name: inContext(each, "kubernetes", "after") })) },
    ),
  ]),
);
const vaultProviders: Record<string, pulumi.ProviderResource> =
  config.vault && Object.values(config.databases).some(usesVault) ? { vault: vaultProvider(config.vault) } : {};

/** Where the program itself asks Vault. */
const vaultServer = { address: config.vault?.address, namespace: config.vault?.namespace };

const places = namespacesToMake(plan);
const formerOf = (context: string | undefined) => contexts.find((each) => each.context === context)?.former ?? [];
/** Not even a namespace is made where there is no operator. */
const operators = new Map(
  [...new Set(places.map(({ context }) => context))].map((context) => [
    context,
    new OperatorCheck(
      context ?? "kubernetes",
      { kubernetes: { context }, needs: needsIn(context) },
      { aliases: formerOf(context).map((former) => ({ name: former ?? "kubernetes" })) },
    ),
  ]),
);
const namespaces = places.map(({ context, namespace, databases: own }) => ({
  context,
  namespace,
  made: makeNamespace(
    inContext(context, namespace, "before"),
    namespace,
    { context },
    {
      provider: kubernetesProviders.get(context),
      dependsOn: operators.get(context),
      formerNames: formerOf(context).map((former) => inContext(former, namespace, "before")),
      // In 0.1.0 a namespace that is not declared belonged to its PostgresCluster.
      formerUrns: own.map((name) => namespaceUrn(name)),
    },
  ),
}));

const clusters: { database: DatabasePlan; cluster: PostgresCluster }[] = [];

/** For app stacks: everything about each database, by its name in the configuration. Nothing in it is secret. */
export const databases = Object.fromEntries(
  Object.values(plan.databases).map((database) => {
    const { name, context, settings } = database;
    const made = namespaces.find((place) => place.context === context && place.namespace === database.namespace);
    const kubernetes = kubernetesProviders.get(context);
    const providers = { ...vaultProviders, ...(kubernetes ? { kubernetes } : {}) };
    const namespace = made?.made ?? database.namespace;
    const vaultDatabase = settings.vaultDatabase && {
      ...settings.vaultDatabase,
      vault: { ...vaultServer, ...settings.vaultDatabase.vault },
    };
    const cluster = new PostgresCluster(name, { ...settings, namespace, vaultDatabase }, { providers });
    clusters.push({ database, cluster });
    return [name, cluster.outputs];
  }),
);

const workloads: MachineIdWorkload[] = [];

/** For app stacks: how an application's pods reach their databases through Teleport, by its name in the configuration. */
export const applications = Object.fromEntries(
  Object.entries(plan.applications).map(([name, { application, teleport, settings }]) => {
    const { adopt, databases: wanted } = application;
    // After the databases: their names in Teleport are known when they are there.
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

// Deleted before all else: what is refused for a database must not have taken its applications' access down by then.
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

/** What the databases of a context need of the operator. */
function needsIn(context: string | undefined) {
  return needsOfAll(
    Object.values(plan.databases)
      .filter((database) => database.context === context)
      .map(operatorNeeds),
  );
}

/** URN of the Namespace that a PostgresCluster of this name makes for itself. */
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
    // A RunError is shown without a stack trace.
    throw error instanceof SettingsError ? new pulumi.RunError(error.message) : error;
  }
}

/** Structured values come as JSON, plain ones as they are. */
function configValue(key: string): unknown {
  const text = new pulumi.Config().require(key);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** AppRole's credentials come from the environment and are secrets in the state; with a token nothing is in it. */
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
