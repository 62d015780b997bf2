/** The configuration of an environment, `Pulumi.<env>.yaml`: its shape, its defaults, its checks. Pure. */
import { z } from "zod";
import type { KubernetesConnection } from "./components";
import { poolerName } from "./components/cnpg/pooler";
import { agentConfigMap, teleportNames } from "./components/names";
import { checkPostgresCluster, hasStandby, teleportClusters } from "./components/postgres-cluster-args";
import { refuse, SettingProblem } from "./components/settings";
import { database, DatabaseSettings, kubernetes, vault } from "./config-schema";

const mapping = z.record(z.string(), z.unknown());

export type { DatabaseSettings };
export type VaultSettings = z.output<typeof vault>;

/** A namespace of a Kubernetes cluster, which the kubeconfig's context names; undefined for the current one. */
export interface Place {
  context: string | undefined;
  namespace: string;
}

/** A checked configuration. */
export interface EnvironmentConfig {
  /** How the Kubernetes cluster is reached, for databases that do not say. Default: the kubeconfig's current context. */
  kubernetes: KubernetesConnection;
  /** How the program logs in to Vault. Needed where an `issuer` is `vault`. */
  vault?: VaultSettings;
  /** The databases, by name. */
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
    problems.push(...parsed.error.issues.flatMap(told).flatMap((issue) => problemsOf(issue, setting)));
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
    kubernetes: general,
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

/** Whether a database's certificates, or a part of its bundle, come from Vault. */
export function usesVault(database: DatabaseSettings): boolean {
  const sources = teleportClusters(database).flatMap(({ clientCas = [] }) => clientCas);
  return database.issuer.type === "vault" || sources.some(({ from }) => from === "vault");
}

function checkVault({ vault: settings, databases }: EnvironmentConfig, variables: NodeJS.ProcessEnv): SettingProblem[] {
  const user = Object.entries(databases).find(([, database]) => usesVault(database));
  if (!user) return [];
  if (!settings) {
    return [
      {
        setting: "vault",
        problem: `is missing, but databases.${user[0]} needs it`,
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
    const { registration } = teleport;
    const agent = registration?.by === "agent" ? registration.namespace : undefined;
    const inAgent = `the ConfigMap ${agentConfigMap(names.primary)} in namespace ${agent}`;
    return [
      ...registered.map((registered) => `the Teleport name ${registered} at ${teleport.proxy}`),
      ...(agent === undefined ? [] : [inAgent]),
    ];
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
  for (const { path, ...issue } of (database.safeParse(settings).error?.issues ?? []).flatMap(told)) {
    for (const key of issue.code === "unrecognized_keys" ? issue.keys : [undefined]) {
      const [last, ...above] = [...path, ...(key === undefined ? [] : [key])].reverse();
      const parent = above.reduceRight<unknown>(
        (value, step) =>
          value !== null && typeof value === "object" ? (value as JsonObject)[String(step)] : undefined,
        rest,
      );
      if (isObject(parent)) delete parent[String(last)];
    }
  }
  return rest;
}

/** Where a value may be one or a list: what is wrong with it as what it is, and not that it is neither. */
function told(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const ofItsKind = issue.errors.find(
    (found) => !found.some(({ code, path }) => code === "invalid_type" && !path.length),
  );
  if (!ofItsKind?.length) return [issue];
  return ofItsKind.flatMap((nested) => told({ ...nested, path: [...issue.path, ...nested.path] }));
}

/** What the schema found, in our words. */
function problemsOf(issue: z.core.$ZodIssue, root: string): SettingProblem[] {
  const setting = issue.path.reduce<string>(
    (path, step) => (typeof step === "number" ? `${path}[${step}]` : `${path}.${String(step)}`),
    root,
  );
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        setting: `${setting}.${key}`,
        problem: "is no setting",
        fix: "Check the spelling; docs/configuration.md lists all settings.",
      }));
    case "invalid_type": {
      const expected = NAMES_OF_TYPES[issue.expected] ?? issue.expected;
      return issue.input === undefined
        ? [{ setting, problem: "is missing", fix: `Give it a ${expected}.` }]
        : [{ setting, value: issue.input, problem: `is no ${expected}`, fix: typeHint(expected) }];
    }
    case "invalid_union":
      return [{ setting, value: issue.input, problem: "is none of the kinds there are", fix: unionHint(setting) }];
    case "invalid_value": {
      const fix = `Use one of ${issue.values.map(String).join(", ")}.`;
      return [{ setting, value: issue.input, problem: "is none of the values there are", fix }];
    }
    default:
      return [
        {
          setting,
          value: issue.input,
          problem: issue.message,
          fix: "docs/configuration.md lists all settings and their values.",
        },
      ];
  }
}

/** The schema's names of types, as YAML calls them. */
const NAMES_OF_TYPES: Record<string, string> = { object: "mapping", record: "mapping", array: "list", string: "text" };

function typeHint(expected: string): string {
  return expected === "text"
    ? "Put the value in quotes."
    : `Write a ${expected}; docs/configuration.md lists all settings.`;
}

/** What chooses between kinds, by the last words of the setting. */
const KINDS: [RegExp, string][] = [
  [/vault\.auth(\.method)?$/, "Use method: approle or token."],
  [/join(\.method)?$/, "Use method: kubernetes, iam, gcp, azure or token."],
  [/issuer(\.type)?$/, "Use type: vault or tls."],
  [/clientCas\[\d+\](\.from)?$/, "Use from: teleport, proxy, vault, secret, configMap or pem."],
  [/registration(\.by)?$/, "Use by: program, agent or operator."],
  [/(schemas|extensions)\[\d+\]$/, "Write a name, or a mapping with a name."],
];

function unionHint(setting: string): string {
  return KINDS.find(([pattern]) => pattern.test(setting))?.[1] ?? "docs/configuration.md lists all settings.";
}
