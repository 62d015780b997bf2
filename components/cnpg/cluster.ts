/** The settings of a Cluster, the fields of CNPG's Cluster that they become, and their checks. Pure. */
import { SettingProblem } from "../problems";
import { checkPlain, isObject, wrong } from "../value-check";
import { type BackupPlan, type BackupSettings, backupSpec, checkBackup } from "./backup";
import { checkDatabases, DatabasesSettings } from "./databases";
import { checkImage, imageCatalogRef, ImageSettings } from "./image";
import { checkInitDb, InitDb, initDbSpec } from "./initdb";
import { type At, checkSpec, mergeSpec, Spec, valueAt } from "./spec";
import { checkMovedSettings } from "./moved-settings";
import { checkNetworkPolicy, NetworkPolicySettings } from "./network-policy";
import { checkParameters, ParameterSettings } from "./parameters";
import { checkPgHba, pgHbaRules, checkPgIdent } from "./pg-hba";
import { checkRecovery, type RecoveryPlan, type RecoverySettings, recoverySpec } from "./recovery";
import { checkReplica, type ReplicaPlan, type ReplicaSettings, replicaSpec } from "./replica";
import { checkResources, Resources } from "../kubernetes/quantity";
import { managedRoles, TeleportUser, type UsersAs } from "./roles";
import { checkServices, ServiceContext } from "./services";
import { checkFencing, StopSettings } from "./stopped";
import { checkVolumes, StorageSettings, tablespaceSpecs } from "./storage";

/** The settings of a Cluster and its objects that do not depend on other resources. */
export interface ClusterSettings
  extends ImageSettings, StorageSettings, ParameterSettings, StopSettings, DatabasesSettings {
  /** Number of PostgreSQL instances: one primary, and standbys. Default: 3. */
  instances?: number;
  /**
   * Set it to true if something else scales the Cluster, e.g. an autoscaler or `kubectl scale`. `up` then creates the
   * Cluster with `instances` and does not change the number afterwards. Default: false, so every `up` sets the number.
   */
  scaledByOthers?: boolean;
  /** CPU and memory of each instance. Default: no requests and no limits. */
  resources?: Resources;
  /** How the application's database is created. Used only once. Default: a database `app`, owned by `app`. */
  initdb?: InitDb;
  /**
   * Backups in an object store, and continuous archiving of the write-ahead log. Default: none, so lost data cannot be
   * recovered.
   */
  backup?: BackupSettings;
  /**
   * The backup that a new Cluster starts from. Used only once, when the Cluster is created. Default: none, so the Cluster
   * starts with an empty database.
   */
  recovery?: RecoverySettings;
  /**
   * The distributed topology that the Cluster belongs to: a primary cluster, and replica clusters that follow it. Default:
   * none.
   */
  replica?: ReplicaSettings;
  /**
   * Rules of pg_hba.conf. They come after the rules that accept only certificates for the Teleport users. Default: none.
   */
  pgHba?: string[];
  /** Lines of pg_ident.conf: the maps that rules of `pgHba` use with `map=`. Default: none. */
  pgIdent?: string[];
  /** Clients that may connect to the instances' pods. Becomes NetworkPolicies. Default: everybody. */
  networkPolicy?: NetworkPolicySettings;
  /**
   * CloudNativePG's own fields, with the names and forms of its API reference: `affinity`, `probes`, `backup`,
   * `postgresql.synchronous`, `managed.services` and so on. You can use any field of the installed release. A preview asks
   * the operator whether it accepts a new Cluster. The fields are merged into the Cluster's `spec` last. Objects are merged;
   * all other values, lists included, are replaced. Fields that would override a setting are refused: instances, images,
   * volumes, certificates, `postgresql.pg_hba`, the database and owner of `bootstrap.initdb`, and, if there are `users`,
   * `managed.roles`. Default: none, so CloudNativePG's own defaults apply.
   */
  spec?: Record<string, unknown>;
}

/** The settings, and the other inputs of a Cluster's spec. */
export interface ClusterSpecInputs extends ClusterSettings {
  secrets: { server: string; serverCa: string; replication: string; clientCaBundle: string };
  /** What follows from `backup`, `recovery` and `replica`. */
  plans?: { backup?: BackupPlan; recovery?: RecoveryPlan; replica?: ReplicaPlan };
  /** Users that log in through Teleport. */
  users: readonly TeleportUser[];
  /** Where these users are declared. Default: `inline`, in this spec. */
  usersAs?: UsersAs;
}

export const DEFAULT_INSTANCES = 3;

/** Settings that become annotations, other objects, options of resources, or, by their plan, several fields at once. */
type Elsewhere =
  | "scaledByOthers"
  | "networkPolicy"
  | "spec"
  | "backup"
  | "recovery"
  | "majorUpgrade"
  | "replica"
  | keyof StopSettings
  | keyof DatabasesSettings;

/** A field of the Cluster's spec that a setting becomes. */
interface ClusterField {
  /** Path of the field in the Cluster's `spec`. */
  field: string;
  /** What is written to the field. Default: the setting's value. */
  value?: (inputs: ClusterSpecInputs) => unknown;
  /**
   * What the user may write to the field under `spec`. `merged`: further keys of the mapping. `ifUnset`: anything, if the
   * setting is not used. Default: nothing.
   */
  inSpec?: "merged" | "ifUnset";
  /** What to do instead of writing the field under `spec`. Default: `Use <setting>.`, or `Use only <setting>.` */
  fix?: string;
}

/**
 * The fields of the Cluster's spec, by their setting. The spec is written from this table, in this order, and the checks and
 * messages about fields are derived from it. Keep the order: `up` compares a hash of the written spec with the state's
 * (`written` of ClusterServing), and waits for the Cluster again if the order changes. Add new fields at the end.
 */
export const FIELDS: Record<Exclude<keyof ClusterSettings, Elsewhere> | "issuer" | "users", ClusterField> = {
  instances: { field: "instances", value: ({ instances = DEFAULT_INSTANCES }) => instances },
  image: { field: "imageName" },
  imageCatalog: { field: "imageCatalogRef", value: ({ imageCatalog }) => imageCatalogRef(imageCatalog) },
  issuer: { field: "certificates", value: ({ secrets }) => certificates(secrets), inSpec: "merged" },
  initdb: {
    field: "bootstrap.initdb",
    value: ({ initdb, plans }) =>
      plans?.recovery || plans?.replica?.follows !== undefined ? undefined : initDbSpec(initdb),
    inSpec: "merged",
  },
  storage: { field: "storage" },
  walStorage: { field: "walStorage" },
  tablespaces: { field: "tablespaces", value: ({ tablespaces }) => tablespaceSpecs(tablespaces) },
  resources: { field: "resources", inSpec: "merged" },
  parameters: { field: "postgresql.parameters", value: ({ parameters = {} }) => parameters, inSpec: "merged" },
  sharedPreloadLibraries: { field: "postgresql.shared_preload_libraries", inSpec: "ifUnset" },
  pgHba: {
    field: "postgresql.pg_hba",
    value: ({ users, pgHba }) => pgHbaRules(users, pgHba),
    fix: "Use pgHba. Its rules come after the rules for Teleport's users.",
  },
  pgIdent: { field: "postgresql.pg_ident", inSpec: "ifUnset" },
  users: {
    field: "managed.roles",
    value: ({ users, usersAs = "inline" }) => (usersAs === "inline" ? managedRoles(users) : []),
    inSpec: "ifUnset",
    fix: "Use users; create other roles with SQL.",
  },
};

/** Fields below `merged` ones that a setting decides about, and what to do instead of writing them under `spec`. */
const FIELDS_BELOW: readonly [field: string, fix: string][] = [
  ["certificates.serverAltDNSNames", "Use serverAltNames."],
  ["certificates.serverTLSSecret", "Use issuer, which issues the certificates."],
  ["certificates.serverCASecret", "Use issuer, which issues the certificates."],
  ["certificates.replicationTLSSecret", "Use issuer, which issues the certificates."],
  ["certificates.clientCASecret", "Use issuer, and teleport.clientCas for further CAs."],
  ["bootstrap.initdb.database", "Use initdb.database."],
  ["bootstrap.initdb.owner", "Use initdb.owner."],
  ["bootstrap.initdb.secret", "Use initdb.ownerSecret."],
];

/** Mappings that the program always writes. */
const MAPPINGS = ["certificates", "bootstrap", "bootstrap.initdb", "postgresql", "postgresql.parameters", "managed"];

/** The Cluster's `spec`. */
export function clusterSpec(inputs: ClusterSpecInputs): Record<string, unknown> {
  const spec: Record<string, unknown> = {};
  for (const [setting, { field, value }] of Object.entries(FIELDS)) {
    write(spec, field.split("."), value ? value(inputs) : inputs[setting as keyof ClusterSettings]);
  }
  const { backup, recovery, replica } = inputs.plans ?? {};
  const ofRecovery = recovery && recoverySpec(recovery, inputs.initdb);
  const ofReplica = replica && replicaSpec(replica, inputs.initdb);
  const planned = { ...ofRecovery, ...(backup && backupSpec(backup)), ...ofReplica };
  if (ofReplica) planned.externalClusters = [ofRecovery, ofReplica].flatMap((each) => each?.externalClusters ?? []);
  return mergeSpec(mergeSpec(defined(spec), planned), inputs.spec);
}

function certificates(secrets: ClusterSpecInputs["secrets"]): Record<string, string> {
  return {
    serverTLSSecret: secrets.server,
    serverCASecret: secrets.serverCa,
    replicationTLSSecret: secrets.replication,
    clientCASecret: secrets.clientCaBundle,
  };
}

/** Writes a value to a field, below new mappings if there are none. */
function write(object: Record<string, unknown>, [key = "", ...below]: string[], value: unknown): void {
  if (below.length === 0) object[key] = value;
  else write((object[key] ??= {}) as Record<string, unknown>, below, value);
}

/** Removes undefined keys at any depth. */
function defined(object: Record<string, unknown>): Record<string, unknown> {
  const clean = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(clean) : isObject(value) ? defined(value) : value;
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, clean(value)]));
}

/** What else the checks depend on. */
export interface ClusterContext extends ServiceContext {
  /** Name of the Cluster. */
  cluster?: string;
  /** Users that log in through Teleport. */
  users?: readonly { name: string }[];
  /** The database is registered in Teleport, so Teleport's agents must reach the instances. */
  registered?: boolean;
}

/** Returns every problem with the settings of a Cluster. `path` is put before the name of each setting. */
export function checkClusterSettings(
  path: string,
  settings: ClusterSettings,
  context: ClusterContext = {},
): SettingProblem[] {
  const at = (setting: string) => (path ? `${path}.${setting}` : setting);
  const inSpec = (field: string) => at(`spec.${field}`);
  const { instances = DEFAULT_INSTANCES, walStorage, resources, spec = {} } = settings;
  const parameterContext = {
    instances,
    walSize: walStorage?.size,
    memoryRequest: resources?.requests?.memory,
  };
  return [
    ...checkMovedSettings(settings)
      .filter(({ setting }) => !Object.hasOwn(FIELDS, setting))
      .map((moved) => ({ ...moved, setting: at(moved.setting) })),
    ...checkInstances(at("instances"), instances),
    ...checkImage(at, settings),
    ...checkVolumes(at, settings),
    ...checkResources(at("resources"), resources),
    ...checkInitDb(at("initdb"), settings.initdb),
    ...checkParameters(at, settings, parameterContext),
    ...checkPgHba(at, settings.pgHba, context.users),
    ...checkPgIdent(at, settings.pgIdent, settings.pgHba),
    ...checkFencing(at, settings, context.cluster),
    ...checkDatabases(at, settings, context.users),
    ...(settings.networkPolicy
      ? checkNetworkPolicy(at("networkPolicy"), settings.networkPolicy, context.registered)
      : []),
    ...(settings.backup ? checkBackup(at, settings.backup, spec) : []),
    ...(settings.recovery ? checkRecovery(at, settings.recovery, settings) : []),
    ...(settings.replica ? checkReplica(at, settings.replica, { cluster: context.cluster, ...settings }) : []),
    ...checkPlain(at("spec"), settings.spec, "the program merges it into the Cluster's spec"),
    ...checkOverrides(inSpec, settings, context.users),
    ...checkSpec(inSpec, spec),
    ...checkServices(inSpec, spec, context),
  ];
}

function checkInstances(setting: string, instances: number): SettingProblem[] {
  if (Number.isInteger(instances) && instances >= 1) return [];
  const fix = "Write a whole number of at least 1. With 3, the database survives the loss of one instance.";
  return wrong(setting, instances, "is not a valid number of instances", fix);
}

/** Checks `spec` for fields that would override settings. */
function checkOverrides(at: At, settings: ClusterSettings, users: readonly unknown[] = []): SettingProblem[] {
  const { spec = {} } = settings;
  const has = (field: string) => valueAt(spec, field) !== undefined;
  const isUsed = (setting: string) =>
    setting === "users" ? users.length > 0 : settings[setting as keyof ClusterSettings] !== undefined;
  const fields = Object.entries(FIELDS).map(([setting, field]) => ({ setting, ...field }));
  const refused = fields.filter(({ inSpec }) => inSpec === undefined);
  return [
    ...MAPPINGS.filter(
      (field) => has(field) && !isObject(valueAt(spec, field)) && !isOtherBootstrap(spec, field),
    ).flatMap((field) =>
      wrong(
        at(field),
        valueAt(spec, field),
        "must be a mapping; another value would replace what the program writes here",
        "Write a mapping, or remove it.",
      ),
    ),
    ...[...refused.map(({ field, setting, fix }) => [field, fix ?? `Use ${setting}.`] as const), ...FIELDS_BELOW]
      .filter(([field]) => has(field))
      .flatMap(([field, fix]) => wrong(at(field), undefined, "would replace what the program writes here", fix)),
    ...fields
      .filter(({ field, setting, inSpec }) => inSpec === "ifUnset" && has(field) && isUsed(setting))
      .flatMap(({ field, setting, fix = `Use only ${setting}.` }) =>
        wrong(at(field), undefined, `would replace the list of ${setting}`, fix),
      ),
  ];
}

/** Whether initdb is removed because another bootstrap method is used. */
function isOtherBootstrap(spec: Spec, field: string): boolean {
  const others = ["bootstrap.recovery", "bootstrap.pg_basebackup"];
  return (
    field === "bootstrap.initdb" &&
    valueAt(spec, field) === null &&
    others.some((other) => valueAt(spec, other) !== undefined)
  );
}
