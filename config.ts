/** The configuration of an environment, `Pulumi.<env>.yaml`: its shape, its defaults, its checks. Pure. */
import { z } from "zod";
import { ApplicationSettings, checkApplication } from "./applications";
import type { KubernetesConnection } from "./components";
import { checkPostgresCluster, teleportClusters } from "./components/postgres-cluster-args";
import { refuse, SettingProblem } from "./components/settings";
import { checkCollisions } from "./config-claims";
import { application, database, DatabaseSettings, DEFAULT_APPROLE_MOUNT, kubernetes, vault } from "./config-schema";

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
  /** How the program logs in to Vault. Needed where an `issuer` is `vault`, and for `vaultDatabase`. */
  vault?: VaultSettings;
  /** The databases, by name. */
  databases: Record<string, DatabaseSettings>;
  /** Applications that reach databases through Teleport with an identity of their own (Machine ID), by name. */
  applications: Record<string, ApplicationSettings>;
}

/** The keys of the configuration: `vault` is `cnpg-teleport:vault` in the file. `defaults` goes below every database. */
const KEYS = ["kubernetes", "vault", "defaults", "databases", "applications"];

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
  for (const key of ["databases", "applications"]) {
    const named = raw[key];
    if (isObject(named) && Object.hasOwn(named, "__proto__")) {
      problems.push({ setting: `${key}.__proto__`, problem: "is no name", fix: "Rename it." });
    }
  }
  const defaults = read(mapping, raw.defaults ?? {}, "defaults") ?? {};
  const general = read(kubernetes, raw.kubernetes ?? {}, "kubernetes") ?? {};
  const databases: Record<string, DatabaseSettings> = {};
  for (const [name, settings] of Object.entries(read(mapping, raw.databases, "databases") ?? {})) {
    const merged = overlay(defaults, settings);
    // What is left of a database with mistakes is checked as well, so that one run tells all of them.
    const checked = read(database, merged, `databases.${name}`) ?? database.safeParse(withoutMistakes(merged)).data;
    if (checked) databases[name] = { ...checked, kubernetes: checked.kubernetes ?? general };
  }
  const applications: Record<string, ApplicationSettings> = {};
  for (const [name, settings] of Object.entries(read(mapping, raw.applications ?? {}, "applications") ?? {})) {
    const checked = read(application, settings, `applications.${name}`);
    if (checked) applications[name] = checked;
  }
  const config: EnvironmentConfig = {
    kubernetes: general,
    vault: raw.vault === undefined ? undefined : read(vault, raw.vault, "vault"),
    databases,
    applications,
  };
  refuse([
    ...problems,
    ...Object.entries(databases).flatMap(([name, settings]) =>
      checkPostgresCluster(`databases.${name}`, settings.clusterName ?? name, settings.environment ?? stack, settings),
    ),
    ...(raw.vault !== undefined && !config.vault ? [] : checkVault(config, variables)),
    ...checkCollisions(config, stack),
    ...Object.entries(applications).flatMap(([name, settings]) =>
      checkApplication(`applications.${name}`, name, settings, databases, stack),
    ),
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

/** Whether a database's certificates, a part of its bundle, or users come from Vault. */
export function usesVault(database: DatabaseSettings): boolean {
  return database.issuer.type === "vault" || database.vaultDatabase !== undefined || readsFromVault(database);
}

/** Whether a part of its bundle does: it is read by the environment alone. */
function readsFromVault(database: DatabaseSettings): boolean {
  return teleportClusters(database).some(({ clientCas = [] }) => clientCas.some(({ from }) => from === "vault"));
}

function checkVault({ vault: settings, databases }: EnvironmentConfig, variables: NodeJS.ProcessEnv): SettingProblem[] {
  const users = Object.entries(databases).filter(([, database]) => usesVault(database));
  const [first] = users;
  if (!first) return [];
  if (!settings) {
    return [
      {
        setting: "vault",
        problem: `is missing, but databases.${first[0]} needs it`,
        fix: "Add vault.auth, e.g. {method: approle}.",
      },
    ];
  }
  const credentials = settings.auth.method === "approle" ? ["VAULT_ROLE_ID", "VAULT_SECRET_ID"] : [];
  const wanted = [...(settings.address ? [] : ["VAULT_ADDR"]), ...credentials];
  return [
    ...wanted
      .filter((variable) => !variables[variable])
      .map((variable) => ({
        setting: "vault",
        problem: `needs the environment variable ${variable}, which is not set`,
        fix: `Export ${variable}.`,
      })),
    ...checkVaultVariables(users, settings, variables),
  ];
}

/** What Vault's Pulumi provider cannot do is done by the program itself, which logs in by the environment. */
function checkVaultVariables(
  users: [string, DatabaseSettings][],
  { auth, namespace }: VaultSettings,
  { VAULT_TOKEN, VAULT_APPROLE_MOUNT, VAULT_NAMESPACE }: NodeJS.ProcessEnv,
): SettingProblem[] {
  const [asked] = users.find(([, database]) => database.vaultDatabase || readsFromVault(database)) ?? [];
  const [read] = users.find(([, database]) => readsFromVault(database)) ?? [];
  const differs = (setting: string, value: string, variable: string, name: string) => ({
    setting,
    value,
    problem: `is not what the environment variable ${variable} says, by which databases.${name} asks Vault`,
    fix: `Export ${variable}=${value}.`,
  });
  return [
    // A token comes before a login (vault/login.ts).
    ...(asked !== undefined &&
    auth.method === "approle" &&
    !VAULT_TOKEN &&
    auth.mount !== (VAULT_APPROLE_MOUNT || DEFAULT_APPROLE_MOUNT)
      ? [differs("vault.auth.mount", auth.mount, "VAULT_APPROLE_MOUNT", asked)]
      : []),
    ...(read !== undefined && namespace !== undefined && namespace !== VAULT_NAMESPACE
      ? [differs("vault.namespace", namespace, "VAULT_NAMESPACE", read)]
      : []),
  ];
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
  [/issuer\.(server|client)$/, "Write a mount and a role, or a list of them."],
  [/clientCas\[\d+\](\.from)?$/, "Use from: teleport, proxy, vault, secret, configMap or pem."],
  [/registration(\.by)?$/, "Use by: program, agent or operator."],
  [/(schemas|extensions)\[\d+\]$/, "Write a name, or a mapping with a name."],
];

function unionHint(setting: string): string {
  return KINDS.find(([pattern]) => pattern.test(setting))?.[1] ?? "docs/configuration.md lists all settings.";
}
