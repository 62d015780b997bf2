/** Reads and checks the configuration of an environment, `Pulumi.<env>.yaml`. Pure. */
import { checkApplication } from "./applications";
import { isHttpUrl, isObject } from "../components/value-check";
import { teleportClusters } from "../components/postgres-cluster/args";
import { checkPostgresCluster } from "../components/postgres-cluster/check";
import { refuse, SettingProblem } from "../components/problems";
import { typeHint, validate } from "../components/settings/validation";
import { checkCollisions } from "./collisions";
import { checkFormerNames } from "./contexts-and-namespaces";
import { EnvironmentPlan, planEnvironment } from "./plan";
import type {
  AppRoleLogin,
  ApplicationSettings,
  DatabaseSettings,
  KubernetesSettings,
  VaultSettings,
} from "./settings";

export type { DatabaseSettings, VaultSettings };

const DEFAULT_APPROLE_MOUNT = "approle";

/** Path of Vault's auth method AppRole. */
export function appRoleMount({ mount = DEFAULT_APPROLE_MOUNT }: AppRoleLogin): string {
  return mount;
}

/** The types of the settings that are read from the file, by their names in the JSON Schema. */
interface SettingsTypes {
  ApplicationSettings: ApplicationSettings;
  DatabaseSettings: DatabaseSettings;
  KubernetesSettings: KubernetesSettings;
  VaultSettings: VaultSettings;
}

/** A checked configuration. */
export interface EnvironmentConfig {
  /** How to reach the Kubernetes cluster of databases without their own `kubernetes`. */
  kubernetes: KubernetesSettings;
  /** Vault's address, and the program's login. Required if a database needs Vault. */
  vault?: VaultSettings;
  /** The databases, by name. */
  databases: Record<string, DatabaseSettings>;
  /** The applications that reach databases through Teleport, by name. */
  applications: Record<string, ApplicationSettings>;
  /** Everything that follows from these settings. */
  plan: EnvironmentPlan;
}

/** The keys of the configuration. In the file, each has the project's name as prefix: `cnpg-teleport:vault`. */
const KEYS = ["kubernetes", "vault", "defaults", "databases", "applications"];

/**
 * Reads and checks the whole configuration.
 *
 * @param raw the values of the configuration's keys, as Pulumi parsed them
 * @param stack name of the stack: the default of each database's `environment`
 * @param variables the environment variables of the process, which contain the credentials
 * @throws SettingsError with every mistake found
 */
export function parseConfig(
  raw: Record<string, unknown>,
  stack: string,
  variables: NodeJS.ProcessEnv,
): EnvironmentConfig {
  const problems: SettingProblem[] = Object.keys(raw)
    .filter((key) => !KEYS.includes(key))
    .map((key) => ({ setting: key, problem: "is not a setting", fix: `Use one of ${KEYS.join(", ")}.` }));
  const mapping = (value: unknown, setting: string): JsonObject => {
    if (isObject(value)) return value;
    const problem = value === undefined ? "is missing" : "must be a mapping";
    problems.push(
      value === undefined
        ? { setting, problem, fix: "Write a mapping." }
        : { setting, value, problem, fix: typeHint("a mapping", value) },
    );
    return {};
  };
  const read = <Type extends keyof SettingsTypes>(type: Type, value: unknown, setting: string) => {
    const checked = validate<SettingsTypes[Type]>(type, value, setting);
    problems.push(...checked.problems);
    return checked;
  };
  for (const key of ["databases", "applications"]) {
    const named = raw[key];
    if (isObject(named) && Object.hasOwn(named, "__proto__")) {
      problems.push({ setting: `${key}.__proto__`, problem: "is not a valid name", fix: "Choose another name." });
    }
  }
  const defaults = mapping(raw.defaults ?? {}, "defaults");
  const general = read("KubernetesSettings", raw.kubernetes ?? {}, "kubernetes").value ?? {};
  const databases: Record<string, DatabaseSettings> = {};
  const written = mapping(raw.databases, "databases");
  /** Databases with mistakes in their own settings. Their plans are incomplete, so nothing is compared with them. */
  const incomplete: string[] = [];
  for (const [name, settings] of Object.entries(written)) {
    const { value, rest } = read("DatabaseSettings", mergeDefaults(defaults, settings), `databases.${name}`);
    // The valid settings of such a database are checked too, so that one run reports every mistake.
    if (rest) databases[name] = { ...rest, kubernetes: rest.kubernetes ?? general };
    if (!value) incomplete.push(name);
  }
  const applications: Record<string, ApplicationSettings> = {};
  for (const [name, settings] of Object.entries(mapping(raw.applications ?? {}, "applications"))) {
    const { value } = read("ApplicationSettings", settings, `applications.${name}`);
    if (value) applications[name] = value;
  }
  const plan = planEnvironment(databases, applications, stack);
  const isCompared = (name: string) => Object.hasOwn(plan.databases, name) && !incomplete.includes(name);
  const compared = Object.fromEntries(
    Object.keys(written).map((name) => [name, isCompared(name) ? plan.databases[name] : undefined]),
  );
  const config: EnvironmentConfig = {
    plan,
    kubernetes: general,
    vault: raw.vault === undefined ? undefined : read("VaultSettings", raw.vault, "vault").value,
    databases,
    applications,
  };
  const found = [
    ...problems,
    ...Object.entries(plan.databases).flatMap(([name, each]) => checkPostgresCluster(`databases.${name}`, each)),
    ...(raw.vault !== undefined && !config.vault ? [] : checkVault(config, variables)),
    ...checkCollisions({ ...plan, databases: defined(compared) }),
    ...checkFormerNames(plan),
    ...Object.entries(plan.applications).flatMap(([name, planned]) =>
      checkApplication(`applications.${name}`, name, planned, compared, stack),
    ),
  ];
  refuse(locateProblems(found, written, defaults));
  return config;
}

/** Whether the certificates, the client CAs or the users of a database come from Vault. */
export function usesVault(database: DatabaseSettings): boolean {
  return database.issuer.type === "vault" || database.vaultDatabase !== undefined || readsCasFromVault(database);
}

/** Whether client CAs come from Vault. The program reads them with the credentials of the environment only. */
function readsCasFromVault(database: DatabaseSettings): boolean {
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
  const required = [...(settings.address ? [] : ["VAULT_ADDR"]), ...credentials];
  const { VAULT_ADDR } = variables;
  return [
    ...(settings.address === undefined && VAULT_ADDR && !isHttpUrl(VAULT_ADDR)
      ? [
          {
            setting: "the environment variable VAULT_ADDR",
            value: VAULT_ADDR,
            problem: "must be a URL that begins with https:// or http://",
            fix: "Write e.g. https://vault.example.com:8200.",
          },
        ]
      : []),
    ...required
      .filter((variable) => !variables[variable])
      .map((variable) => ({
        setting: "vault",
        problem: `needs the environment variable ${variable}, which is not set`,
        fix: `Export ${variable}.`,
      })),
    ...checkVaultVariables(users, settings, variables),
  ];
}

/**
 * Checks that the program and Pulumi's Vault provider log in to the same Vault. The program does what the provider
 * cannot do, and reads its login from environment variables.
 */
function checkVaultVariables(
  users: [string, DatabaseSettings][],
  { auth, namespace }: VaultSettings,
  { VAULT_TOKEN, VAULT_APPROLE_MOUNT, VAULT_NAMESPACE }: NodeJS.ProcessEnv,
): SettingProblem[] {
  const [direct] = users.find(([, database]) => database.vaultDatabase || readsCasFromVault(database)) ?? [];
  const [reader] = users.find(([, database]) => readsCasFromVault(database)) ?? [];
  const differs = (setting: string, value: string, variable: string, name: string) => ({
    setting,
    value,
    problem: `differs from the environment variable ${variable}, which databases.${name} uses to reach Vault`,
    fix: `Export ${variable}=${value}.`,
  });
  return [
    // A token takes precedence over a login (vault/login.ts).
    ...(direct !== undefined &&
    auth.method === "approle" &&
    !VAULT_TOKEN &&
    appRoleMount(auth) !== (VAULT_APPROLE_MOUNT || DEFAULT_APPROLE_MOUNT)
      ? [differs("vault.auth.mount", appRoleMount(auth), "VAULT_APPROLE_MOUNT", direct)]
      : []),
    ...(reader !== undefined && namespace !== undefined && namespace !== VAULT_NAMESPACE
      ? [differs("vault.namespace", namespace, "VAULT_NAMESPACE", reader)]
      : []),
  ];
}

type JsonObject = Record<string, unknown>;

function defined<Value>(entries: Record<string, Value | undefined>): Record<string, Value> {
  return Object.fromEntries(Object.entries(entries).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}

/** The keys that distinguish the kinds of a mapping, by the mapping's path in the settings of a database. */
export const KINDS: Record<string, string> = {
  issuer: "type",
  "teleport.registration": "by",
  "teleport.registration.join": "method",
};

/**
 * The settings of a database, merged with the defaults. A mapping of another kind replaces the default mapping, e.g. an
 * issuer of another `type`.
 */
function mergeDefaults(defaults: JsonObject, own: unknown, path = ""): unknown {
  if (!isObject(own) || isOtherKind(own, defaults, path)) return own;
  const merged = { ...defaults };
  for (const [key, value] of Object.entries(own)) {
    const base = merged[key];
    merged[key] = isObject(base) && isObject(value) ? mergeDefaults(base, value, below(path, key)) : value;
  }
  return merged;
}

/** Many mappings of CloudNativePG, below `spec`, have kinds too: by their `type`. */
function isOtherKind(own: JsonObject, defaults: JsonObject, path: string): boolean {
  const key = KINDS[path] ?? "type";
  return own[key] !== undefined && own[key] !== defaults[key];
}

const below = (path: string, key: string) => (path === "" ? key : `${path}.${key}`);

/** Reports each problem once, at the place where its setting is written: in the database or in `defaults`. */
function locateProblems(
  problems: readonly SettingProblem[],
  databases: Readonly<Record<string, unknown>>,
  defaults: JsonObject,
): SettingProblem[] {
  const all = Object.keys(databases);
  const names = [...all].sort((one, other) => other.length - one.length);
  const found = new Map<string, { problem: SettingProblem; of: Set<string> }>();
  for (const problem of problems) {
    const name = names.find((candidate) => isBelow(problem.setting, `databases.${candidate}`));
    const rest = name === undefined ? "" : problem.setting.slice(`databases.${name}`.length);
    const inherited = name !== undefined && rest !== "" && isInherited(rest, databases[name], defaults);
    const reported = inherited ? { ...problem, setting: `defaults${rest}` } : problem;
    const key = JSON.stringify([reported.setting, reported.value, reported.problem, reported.fix]);
    const known = found.get(key) ?? { problem: reported, of: new Set<string>() };
    found.set(key, known);
    if (inherited) known.of.add(name);
  }
  return [...found.values()].map(({ problem, of }) =>
    of.size === 0 || of.size === all.length
      ? problem
      : { ...problem, problem: `${problem.problem} (in ${listedSome([...of].map((name) => `databases.${name}`))})` },
  );
}

const isBelow = (setting: string, path: string) =>
  setting.startsWith(path) && /^([.[]|$)/.test(setting.slice(path.length));

/** Whether the setting at a path of a database comes from `defaults`. */
function isInherited(rest: string, own: unknown, defaults: unknown, path = ""): boolean {
  if (!isObject(own) || !isObject(defaults) || isOtherKind(own, defaults, path)) return false;
  const keys = [...new Set([...Object.keys(own), ...Object.keys(defaults)])];
  const [key] = keys
    .filter((candidate) => isBelow(rest, `.${candidate}`))
    .sort((one, other) => other.length - one.length);
  if (key === undefined) return false;
  if (!Object.hasOwn(own, key)) return true;
  if (!Object.hasOwn(defaults, key)) return false;
  return isInherited(rest.slice(key.length + 1), own[key], defaults[key], below(path, key));
}

function listedSome(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}
