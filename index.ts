/**
 * The program: PostgreSQL for one environment, as `Pulumi.<stack>.yaml` declares it. Any environment runs it
 * unchanged; programs of your own import from ./components instead.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { applicationOf } from "./applications";
import { MachineIdWorkload, OperatorCheck, PostgresCluster, SettingsError } from "./components";
import { KEEPS_FIELD_MANAGER, ownedBy } from "./components/owner";
import { EnvironmentConfig, namespacesToCreate, parseConfig, usesVault, VaultSettings } from "./config";

const config = readConfig();

/** A provider for each Kubernetes cluster that a database names; undefined is the kubeconfig's current context. */
const contexts = new Set(Object.values(config.databases).map(({ kubernetes }) => kubernetes?.context));
const kubernetesProviders = new Map(
  [...contexts].map((context) => [
    context,
    new k8s.Provider(context === undefined ? "kubernetes" : `kubernetes-${context}`, {
      context,
      // Without it a Secret whose data change is deleted and made again; a Cluster whose CA Secret is missing stops.
      enableSecretMutable: true,
    }),
  ]),
);
const vaultProviders: Record<string, pulumi.ProviderResource> =
  config.vault && Object.values(config.databases).some(usesVault) ? { vault: vaultProvider(config.vault) } : {};

/** Where the program itself asks Vault. */
const vaultServer = { address: config.vault?.address, namespace: config.vault?.namespace };

const places = namespacesToCreate(config);
/** Not even a namespace is made where there is no operator. */
const operators = new Map(
  [...new Set(places.map(({ context }) => context))].map((context) => [
    context,
    new OperatorCheck(context ?? "kubernetes", { kubernetes: { context } }),
  ]),
);
const namespaces = places.map(({ context, namespace }) => ({
  context,
  namespace,
  made: new k8s.core.v1.Namespace(
    context === undefined ? namespace : `${context}-${namespace}`,
    { metadata: { name: namespace, annotations: ownedBy(namespace) } },
    { provider: kubernetesProviders.get(context), dependsOn: operators.get(context), ...KEEPS_FIELD_MANAGER },
  ).metadata.name,
}));

/** For app stacks: everything about each database, by its name in the configuration. Nothing in it is secret. */
export const databases = Object.fromEntries(
  Object.entries(config.databases).map(([name, { createNamespace: _, ...settings }]) => {
    const context = settings.kubernetes?.context;
    const made = namespaces.find((place) => place.context === context && place.namespace === settings.namespace);
    const kubernetes = kubernetesProviders.get(context);
    const providers = { ...vaultProviders, ...(kubernetes ? { kubernetes } : {}) };
    const namespace = made?.made ?? settings.namespace;
    const vaultDatabase = settings.vaultDatabase && {
      ...settings.vaultDatabase,
      vault: { ...vaultServer, ...settings.vaultDatabase.vault },
    };
    return [name, new PostgresCluster(name, { ...settings, namespace, vaultDatabase }, { providers }).outputs];
  }),
);

/** For app stacks: how an application's pods reach their databases through Teleport, by its name in the configuration. */
export const applications = Object.fromEntries(
  Object.entries(config.applications).map(([name, application]) => {
    const { teleport, settings } = applicationOf(name, application, config.databases, pulumi.getStack());
    const { adopt, databases: wanted } = application;
    // After the databases: their names in Teleport are known when they are there.
    const registered = Object.fromEntries(
      Object.entries(settings.databases).map(([alias, known]) => {
        const service = pulumi.output(databases[wanted[alias]?.database ?? ""]).apply(() => known.service);
        return [alias, { ...known, service }];
      }),
    );
    return [name, new MachineIdWorkload(name, { ...settings, teleport, adopt, databases: registered }).outputs];
  }),
);

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
      ? { authLogin: { namespace, path: `auth/${auth.mount}/login`, parameters: pulumi.secret(credentials) } }
      : {}),
  });
}
