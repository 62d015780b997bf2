/** The configuration of an environment, `Pulumi.<env>.yaml`: its shape, its defaults, its checks. Pure. */
import { checkApplication } from "./applications";
import { isHttpUrl, isObject } from "../components/value-check";
import { teleportClusters } from "../components/postgres-cluster/args";
import { checkPostgresCluster } from "../components/postgres-cluster/check";
import { refuse, SettingProblem } from "../components/problems";
import { typeHint, validate } from "../components/settings/validation";
import { checkCollisions } from "./collisions";
import { checkFormerNames } from "./places";
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

/** Path of Vault's login method AppRole. */
export function appRoleMount({ mount = DEFAULT_APPROLE_MOUNT }: AppRoleLogin): string {
  return mount;
}

/** What is read from the file, by the name of its type. */
interface Written {
  ApplicationSettings: ApplicationSettings;
  DatabaseSettings: DatabaseSettings;
  KubernetesSettings: KubernetesSettings;
  VaultSettings: VaultSettings;
}

/** A checked configuration. */
export interface EnvironmentConfig {
  /** How the Kubernetes cluster is reached, for databases that do not say. Default: the kubeconfig's current context. */
  kubernetes: KubernetesSettings;
  /** How the program logs in to Vault. Needed where an `issuer` is `vault`, and for `vaultDatabase`. */
  vault?: VaultSettings;
  /** The databases, by name. */
  databases: Record<string, DatabaseSettings>;
  /** Applications that reach databases through Teleport with an identity of their own (Machine ID), by name. */
  applications: Record<string, ApplicationSettings>;
  /** What follows from all that. */
  plan: EnvironmentPlan;
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
    .map((key) => ({ setting: key, problem: "is not a setting", fix: `Use one of ${KEYS.join(", ")}.` }));
  const mapping = (value: unknown, setting: string): JsonObject => {
    if (isObject(value)) return value;
    const problem = value === undefined ? "is missing" : "must be a mapping";
    problems.push(
      value === undefined
        ? { setting, problem, fix: "Give it a mapping." }
        : { setting, value, problem, fix: typeHint("a mapping", value) },
    );
    return {};
  };
  const read = <Type extends keyof Written>(type: Type, value: unknown, setting: string) => {
    const checked = validate<Written[Type]>(type, value, setting);
    problems.push(...checked.problems);
    return checked;
  };
  for (const key of ["databases", "applications"]) {
    const named = raw[key];
    if (isObject(named) && Object.hasOwn(named, "__proto__")) {
      problems.push({ setting: `${key}.__proto__`, problem: "cannot be a name", fix: "Rename it." });
    }
  }
  const defaults = mapping(raw.defaults ?? {}, "defaults");
  const general = read("KubernetesSettings", raw.kubernetes ?? {}, "kubernetes").value ?? {};
  const databases: Record<string, DatabaseSettings> = {};
  const written = mapping(raw.databases, "databases");
  /** Databases whose shape is wrong: what is missing is not known, so nothing is compared with them. */
  const incomplete: string[] = [];
  for (const [name, settings] of Object.entries(written)) {
    const { value, rest } = read("DatabaseSettings", overlay(defaults, settings), `databases.${name}`);
    // What is left of a database with mistakes is checked as well, so that one run reports all of them.
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
  refuse(whereWritten(found, written, defaults));
  return config;
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
    appRoleMount(auth) !== (VAULT_APPROLE_MOUNT || DEFAULT_APPROLE_MOUNT)
      ? [differs("vault.auth.mount", appRoleMount(auth), "VAULT_APPROLE_MOUNT", asked)]
      : []),
    ...(read !== undefined && namespace !== undefined && namespace !== VAULT_NAMESPACE
      ? [differs("vault.namespace", namespace, "VAULT_NAMESPACE", read)]
      : []),
  ];
}

type JsonObject = Record<string, unknown>;

function defined<Value>(entries: Record<string, Value | undefined>): Record<string, Value> {
  return Object.fromEntries(Object.entries(entries).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}

/** Settings of a database over the defaults: objects merge, except where another `type` of issuer is chosen. */
function overlay(below: JsonObject, above: unknown): unknown {
  if (!isObject(above) || choosesAnother(above, below)) return above;
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const base = merged[key];
    merged[key] = isObject(base) && isObject(value) ? overlay(base, value) : value;
  }
  return merged;
}

const choosesAnother = (above: JsonObject, below: JsonObject) => above.type !== undefined && above.type !== below.type;

/** Problems of the databases, each where it was written and once: what comes from `defaults` is reported there. */
function whereWritten(
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

/** Whether what is at a path of a database is not the database's own. */
function isInherited(rest: string, own: unknown, defaults: unknown): boolean {
  if (!isObject(own) || !isObject(defaults) || choosesAnother(own, defaults)) return false;
  const keys = [...new Set([...Object.keys(own), ...Object.keys(defaults)])];
  const [key] = keys
    .filter((candidate) => isBelow(rest, `.${candidate}`))
    .sort((one, other) => other.length - one.length);
  if (key === undefined) return false;
  if (!Object.hasOwn(own, key)) return true;
  return Object.hasOwn(defaults, key) && isInherited(rest.slice(key.length + 1), own[key], defaults[key]);
}

function listedSome(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}
