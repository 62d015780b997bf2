/** The configuration of an environment, `Pulumi.<env>.yaml`: its shape, its defaults, its checks. Pure. */
import { z } from "zod";
import { PostgresClusterArgs } from "./components";
import { poolerName } from "./components/cnpg/pooler";
import { teleportNames } from "./components/names";
import { checkPostgresCluster, hasStandby, teleportClusters } from "./components/postgres-cluster-args";
import { refuse, SettingProblem } from "./components/settings";

const storage = z.strictObject({ size: z.string(), storageClass: z.string().optional() });
const quantities = z.record(z.string(), z.string());
const validity = { validity: z.string().optional(), renewBefore: z.string().optional() };
const pkiRole = z.strictObject({ mount: z.string().min(1), role: z.string().min(1) });

const issuer = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("tls"), caValidity: z.string().optional(), ...validity }),
  z.strictObject({
    type: z.literal("vault"),
    server: pkiRole,
    client: pkiRole,
    trustAnchors: z.string().optional(),
    ...validity,
  }),
]);

const users = z.array(
  z.strictObject({
    name: z.string(),
    access: z.enum(["read", "write", "none"]),
    scope: z
      .array(z.strictObject({ database: z.string().optional(), schemas: z.array(z.string()).optional() }))
      .optional(),
    memberOf: z.array(z.string()).optional(),
    connectionLimit: z.number().optional(),
    readOnly: z.boolean().optional(),
    statementTimeout: z.string().optional(),
    settings: z.record(z.string(), z.string()).optional(),
  }),
);

const teleport = z.strictObject({
  proxy: z.string(),
  credentials: z.string().optional(),
  name: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  adopt: z.boolean().optional(),
});

const resources = z.strictObject({ requests: quantities.optional(), limits: quantities.optional() });

const pooler = z.strictObject({
  type: z.enum(["rw", "ro", "r"]),
  name: z.string().optional(),
  mode: z.enum(["session", "transaction"]).optional(),
  instances: z.number().optional(),
  parameters: z.record(z.string(), z.string()).optional(),
  pgHba: z.array(z.string()).optional(),
  resources: resources.optional(),
  template: z.record(z.string(), z.unknown()).optional(),
  serviceTemplate: z.record(z.string(), z.unknown()).optional(),
  secrets: z
    .strictObject({
      clientTls: z.string().optional(),
      clientCa: z.string().optional(),
      serverTls: z.string().optional(),
      serverCa: z.string().optional(),
    })
    .optional(),
  authentication: z.enum(["integrated", "explicit"]).optional(),
});

const kubernetes = z.strictObject({
  /** Context of the kubeconfig. Default: the current one. */
  context: z.string().optional(),
});

/** One database. Meanings and defaults are those of PostgresClusterArgs. */
const database = z.strictObject({
  clusterName: z.string().optional(),
  namespace: z.string().optional(),
  /** Make the namespace. Default: only where `namespace` is left out. */
  createNamespace: z.boolean().optional(),
  environment: z.string().optional(),
  description: z.string().optional(),
  clusterDomain: z.string().optional(),
  instances: z.number().optional(),
  image: z.string().optional(),
  storage,
  walStorage: storage.optional(),
  resources: resources.optional(),
  parameters: z.record(z.string(), z.string()).optional(),
  initdb: z
    .strictObject({
      database: z.string().optional(),
      owner: z.string().optional(),
      ownerSecret: z.string().optional(),
      localeCollate: z.string().optional(),
      localeCType: z.string().optional(),
      encoding: z.string().optional(),
      dataChecksums: z.boolean().optional(),
    })
    .optional(),
  pgHba: z.array(z.string()).optional(),
  spec: z.record(z.string(), z.unknown()).optional(),
  issuer,
  serverAltNames: z.array(z.string()).optional(),
  teleport: z.union([teleport, z.array(teleport)]).optional(),
  users: users.optional(),
  poolers: z.array(pooler).optional(),
  kubernetes: kubernetes.optional(),
  readyMinutes: z.number().optional(),
});

const vault = z.strictObject({
  /** URL of Vault. Default: VAULT_ADDR. */
  address: z.url().optional(),
  auth: z.discriminatedUnion("method", [
    /** role_id and secret_id come from VAULT_ROLE_ID and VAULT_SECRET_ID. */
    z.strictObject({ method: z.literal("approle"), mount: z.string().default("approle") }),
    /** VAULT_TOKEN, or the file that `vault login` leaves. */
    z.strictObject({ method: z.literal("token") }),
  ]),
});

const mapping = z.record(z.string(), z.unknown());

export type VaultSettings = z.output<typeof vault>;
export type DatabaseSettings = PostgresClusterArgs & { namespace?: string; createNamespace?: boolean };

/** A namespace of a Kubernetes cluster, which the kubeconfig's context names; undefined for the current one. */
export interface Place {
  context: string | undefined;
  namespace: string;
}

/** A checked configuration. */
export interface EnvironmentConfig {
  vault?: VaultSettings;
  databases: Record<string, DatabaseSettings>;
}

/** The keys of the configuration: `vault` is `cnpg-teleport:vault` in the file. `defaults` goes below every database. */
const KEYS = ["kubernetes", "vault", "defaults", "databases"];

/**
 * Reads and checks the whole configuration.
 *
 * @param raw the values of the configuration's keys, as Pulumi parsed them
 * @param stack name of the stack: the default of each database's `environment`
 * @param variables the process's environment, where credentials come from
 * @throws SettingsError with every mistake found
 */
export function parseConfig(
  raw: Record<string, unknown>,
  stack: string,
  variables: NodeJS.ProcessEnv,
): EnvironmentConfig {
  const problems: SettingProblem[] = Object.keys(raw)
    .filter((key) => !KEYS.includes(key))
    .map((key) => ({ setting: key, problem: "is no setting", fix: `Use one of ${KEYS.join(", ")}.` }));
  const read = <Schema extends z.ZodType>(
    schema: Schema,
    value: unknown,
    setting: string,
  ): z.output<Schema> | undefined => {
    const parsed = schema.safeParse(value, { reportInput: true });
    if (parsed.success) return parsed.data;
    problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(issue, setting)));
    return undefined;
  };
  const defaults = read(mapping, raw.defaults ?? {}, "defaults") ?? {};
  const general = read(kubernetes, raw.kubernetes ?? {}, "kubernetes") ?? {};
  const databases: Record<string, DatabaseSettings> = {};
  for (const [name, settings] of Object.entries(read(mapping, raw.databases, "databases") ?? {})) {
    const merged = overlay(defaults, settings);
    // What is left of a database with mistakes is checked as well, so that one run tells all of them.
    const checked = read(database, merged, `databases.${name}`) ?? database.safeParse(withoutMistakes(merged)).data;
    if (checked) databases[name] = { ...checked, kubernetes: checked.kubernetes ?? general };
  }
  const config: EnvironmentConfig = {
    vault: raw.vault === undefined ? undefined : read(vault, raw.vault, "vault"),
    databases,
  };
  refuse([
    ...problems,
    ...Object.entries(databases).flatMap(([name, settings]) =>
      checkPostgresCluster(`databases.${name}`, settings.clusterName ?? name, settings.environment ?? stack, settings),
    ),
    ...(raw.vault !== undefined && !config.vault ? [] : checkVault(config, variables)),
    ...checkCollisions(config, stack),
  ]);
  return config;
}

/** The namespaces to make: each once, however many databases are in it. */
export function namespacesToCreate({ databases }: Pick<EnvironmentConfig, "databases">): Place[] {
  const places = Object.values(databases).flatMap(({ namespace, createNamespace, kubernetes: { context } = {} }) =>
    namespace && createNamespace ? [{ context, namespace }] : [],
  );
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}

function checkVault({ vault: settings, databases }: EnvironmentConfig, variables: NodeJS.ProcessEnv): SettingProblem[] {
  const user = Object.entries(databases).find(
    ([
      ,
      {
        issuer: { type },
      },
    ]) => type === "vault",
  );
  if (!user) return [];
  if (!settings) {
    return [
      {
        setting: "vault",
        problem: `is missing, but databases.${user[0]}.issuer is vault`,
        fix: "Add vault.auth, e.g. {method: approle}.",
      },
    ];
  }
  const credentials = settings.auth.method === "approle" ? ["VAULT_ROLE_ID", "VAULT_SECRET_ID"] : [];
  const wanted = [...(settings.address ? [] : ["VAULT_ADDR"]), ...credentials];
  return wanted
    .filter((variable) => !variables[variable])
    .map((variable) => ({
      setting: "vault",
      problem: `needs the environment variable ${variable}, which is not set`,
      fix: `Export ${variable}.`,
    }));
}

/** Databases that would get in each other's way. */
function checkCollisions({ databases }: EnvironmentConfig, stack: string): SettingProblem[] {
  const taken = new Map<string, string>();
  return Object.entries(databases).flatMap(([name, settings]) =>
    claims(name, settings, stack).flatMap((claim) => {
      const other = taken.get(claim);
      taken.set(claim, name);
      if (other === undefined) return [];
      const problem = `would take ${claim}, as databases.${other} does`;
      return [{ setting: `databases.${name}`, problem, fix: "Rename one of the two." }];
    }),
  );
}

/** What only one database can have. */
function claims(name: string, settings: DatabaseSettings, stack: string): string[] {
  const cluster = settings.clusterName ?? name;
  const context = settings.kubernetes?.context;
  const where = `namespace ${settings.namespace ?? cluster}${context === undefined ? "" : ` of ${context}`}`;
  const inTeleport = teleportClusters(settings).flatMap((teleport) => {
    const names = teleportNames(cluster, settings.environment ?? stack, teleport.name);
    const registered = [names.primary, ...(hasStandby(settings) ? [names.standby] : [])];
    return registered.map((registration) => `the Teleport name ${registration} at ${teleport.proxy}`);
  });
  const poolers = (settings.poolers ?? []).map((pooler) => `the Pooler ${poolerName(cluster, pooler)} in ${where}`);
  return [`the Cluster ${cluster} in ${where}`, ...poolers, ...inTeleport];
}

type JsonObject = Record<string, unknown>;
const isObject = (value: unknown): value is JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** Settings of a database over the defaults: objects merge, except where another `type` of issuer is chosen. */
function overlay(below: JsonObject, above: unknown): unknown {
  if (!isObject(above)) return above;
  if (above.type !== undefined && above.type !== below.type) return above;
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const base = merged[key];
    merged[key] = isObject(base) && isObject(value) ? overlay(base, value) : value;
  }
  return merged;
}

/** A database's settings without those that the schema refuses. */
function withoutMistakes(settings: unknown): unknown {
  const rest = structuredClone(settings);
  for (const { path, ...issue } of database.safeParse(settings).error?.issues ?? []) {
    for (const key of issue.code === "unrecognized_keys" ? issue.keys : [undefined]) {
      const [last, ...above] = [...path, ...(key === undefined ? [] : [key])].reverse();
      const parent = above.reduceRight<unknown>(
        (value, step) => (isObject(value) ? value[String(step)] : undefined),
        rest,
      );
      if (isObject(parent)) delete parent[String(last)];
    }
  }
  return rest;
}

/** What the schema found, in our words. */
function problemsOf(issue: z.core.$ZodIssue, root: string): SettingProblem[] {
  const setting = [root, ...issue.path.map(String)].join(".");
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        setting: `${setting}.${key}`,
        problem: "is no setting",
        fix: "Check the spelling; README lists all settings.",
      }));
    case "invalid_type": {
      const expected = NAMES_OF_TYPES[issue.expected] ?? issue.expected;
      return issue.input === undefined
        ? [{ setting, problem: "is missing", fix: `Give it a ${expected}.` }]
        : [{ setting, value: issue.input, problem: `is no ${expected}`, fix: typeHint(expected) }];
    }
    case "invalid_union":
      return [{ setting, value: issue.input, problem: "is none of the kinds there are", fix: unionHint(setting) }];
    default:
      return [
        { setting, value: issue.input, problem: issue.message, fix: "README lists all settings and their values." },
      ];
  }
}

/** The schema's names of types, as YAML calls them. */
const NAMES_OF_TYPES: Record<string, string> = { object: "mapping", record: "mapping", array: "list", string: "text" };

function typeHint(expected: string): string {
  return expected === "text" ? "Put the value in quotes." : `Write a ${expected}; README lists all settings.`;
}

function unionHint(setting: string): string {
  return setting.endsWith("method") || setting.endsWith("auth")
    ? "Use method: approle or token."
    : "Use type: vault or tls.";
}
