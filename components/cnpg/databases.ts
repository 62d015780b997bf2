/**
 * Databases, schemas and extensions, as CNPG's Database objects, their checks, and whether the primary has applied them
 * or a DatabaseRole. Pure.
 */
import { databaseAndOwner, InitDb, checkDatabaseName, checkIdentifier, checkOwner } from "./initdb";
import { SettingProblem } from "../problems";
import { databaseObjectName } from "./names";
import { ParameterSettings } from "./parameters";
import { StorageSettings } from "./storage";
import { checkUnique, checkWholeNumber, wrong } from "../value-check";
import type { KubernetesObject, ObjectReference } from "../kubernetes/client";

/** A schema of a database. It is created, and stays if you remove it from the settings. */
export interface Schema {
  /** Name of the schema. */
  name: string;
  /** Role that owns it. Default: the owner of the database. */
  owner?: string;
  /** `absent` drops the schema if it is empty. Default: `present`. */
  ensure?: "present" | "absent";
}

/** An extension of a database. It is created, and stays if you remove it from the settings. */
export interface Extension {
  /** Name of the extension. The image must contain it. */
  name: string;
  /** Version of the extension. Default: the image's default version. */
  version?: string;
  /** Schema for its objects. Default: `public`, unless the extension has another default. */
  schema?: string;
  /** `absent` drops the extension if nothing depends on it. Default: `present`. */
  ensure?: "present" | "absent";
}

/** An additional database. Becomes `kind: Database`. You cannot change its locale and encoding later. */
export interface AdditionalDatabase {
  /** Name of the database in PostgreSQL. */
  name: string;
  /** Role that owns it. The role must exist. Default: the owner of the application's database. */
  owner?: string;
  /** Schemas, by name or with an owner. Default: `public` alone. */
  schemas?: (string | Schema)[];
  /** Extensions, by name or with a version. Default: none. */
  extensions?: (string | Extension)[];
  /** Character encoding, e.g. `UTF8`. Default: that of the template. */
  encoding?: string;
  /** Locale for collation and character classes. Default: the template's. */
  locale?: string;
  /** Locale for collation. Default: `locale`. */
  localeCollate?: string;
  /** Locale for character classes. Default: `locale`. */
  localeCType?: string;
  /** Which library provides the locale; `builtin` needs PostgreSQL 17 or later. Default: that of the template. */
  localeProvider?: "libc" | "icu" | "builtin";
  /** Locale of ICU, e.g. `de-DE`. Only with `localeProvider: icu`. Default: `locale`, else that of the template. */
  icuLocale?: string;
  /** Further rules of collation. Only with `localeProvider: icu`. Default: those of the template. */
  icuRules?: string;
  /**
   * Locale of PostgreSQL's own provider, e.g. `C.UTF-8`. Only with `localeProvider: builtin`. Default: `locale`, else that
   * of the template.
   */
  builtinLocale?: string;
  /**
   * Database to copy. Default: `template0` if you set a locale or encoding, which other templates refuse; else
   * `template1`.
   */
  template?: string;
  /** Maximum number of connections; -1 for no limit. Default: PostgreSQL's, -1. */
  connectionLimit?: number;
  /** Tablespace for its tables; one of `tablespaces`. Default: the template's. */
  tablespace?: string;
  /**
   * What happens to the database when you remove it from the settings, or run `destroy`. `delete` drops it. Default:
   * `retain`.
   */
  reclaimPolicy?: "retain" | "delete";
}

export interface DatabasesSettings {
  /** Schemas of the application's database, by name or with an owner. Default: `public` alone. */
  schemas?: (string | Schema)[];
  /** Extensions of the application's database, by name or with a version. Default: none. */
  extensions?: (string | Extension)[];
  /** Additional databases. Default: none. */
  databases?: AdditionalDatabase[];
}

/** A Database object, without its namespace. */
export interface DatabaseManifest {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "Database";
  metadata: { name: string };
  spec: Record<string, unknown> & { name: string };
}

/** All Database objects of a Cluster; the application's database has one if it has schemas or extensions. */
export function databaseManifests(
  cluster: string,
  settings: DatabasesSettings & { initdb?: InitDb },
): DatabaseManifest[] {
  const { schemas, extensions, databases = [] } = settings;
  const { database, owner } = databaseAndOwner(settings.initdb);
  const own = schemas?.length || extensions?.length ? [{ name: database, schemas, extensions }] : [];
  return [...own, ...databases].map((each): DatabaseManifest => ({
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Database",
    metadata: { name: databaseObjectName(cluster, each.name) },
    spec: { cluster: { name: cluster }, ...databaseSpec(each, owner) },
  }));
}

/** The Database's `spec`, without its Cluster. */
export function databaseSpec(
  database: AdditionalDatabase,
  defaultOwner: string,
): Record<string, unknown> & { name: string } {
  const { reclaimPolicy, schemas, extensions, template, owner = defaultOwner, ...rest } = database;
  // A schema without an owner would belong to the superuser, and the application could not use it.
  const owned = schemas?.map((schema) => ({ owner, ...(typeof schema === "string" ? { name: schema } : schema) }));
  const spec = {
    ...rest,
    owner,
    template: template ?? (hasLocale(database) ? "template0" : undefined),
    schemas: owned,
    extensions: extensions?.map((extension) => (typeof extension === "string" ? { name: extension } : extension)),
    databaseReclaimPolicy: reclaimPolicy ?? "retain",
  };
  const present = Object.entries(spec).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as ReturnType<typeof databaseSpec>;
}

function hasLocale(database: AdditionalDatabase): boolean {
  const { encoding, locale, localeCollate, localeCType, localeProvider, icuLocale, builtinLocale } = database;
  return [encoding, locale, localeCollate, localeCType, localeProvider, icuLocale, builtinLocale].some(Boolean);
}

type At = (setting: string) => string;
type Settings = DatabasesSettings & ParameterSettings & Pick<StorageSettings, "tablespaces"> & { initdb?: InitDb };
type Users = readonly { name: string }[];

const EXTENSION = /^[A-Za-z0-9_-]{1,63}$/;
const VERSION = /^[A-Za-z0-9._-]+$/;
/** Extensions that have no effect, or cannot be created, without their preloaded library. */
const PRELOADED = ["pg_stat_statements", "pgaudit"];

/** Returns every problem with the databases. `users` are the Teleport users, which may own nothing. */
export function checkDatabases(at: At, settings: Settings, users: Users = []): SettingProblem[] {
  const { schemas, extensions, databases = [] } = settings;
  const application = databaseAndOwner(settings.initdb).database;
  const names = databases.map(({ name }) => name);
  return [
    ...checkSchemas(at("schemas"), schemas, users),
    ...checkExtensions(at("extensions"), extensions, settings),
    ...databases.flatMap((database, index) => {
      const setting = at(`databases[${index}]`);
      return [
        ...(database.name === application
          ? wrong(
              `${setting}.name`,
              database.name,
              "is the application's database, which initdb creates",
              "For this database, use the settings schemas and extensions next to databases.",
            )
          : checkDatabaseName(`${setting}.name`, database.name)),
        ...checkOwnerOf(setting, database.owner, users),
        ...checkSchemas(`${setting}.schemas`, database.schemas, users),
        ...checkExtensions(`${setting}.extensions`, database.extensions, settings),
        ...checkLocale(setting, database),
        ...checkWholeNumber(`${setting}.connectionLimit`, database.connectionLimit, "connections", -1),
        ...checkTablespace(`${setting}.tablespace`, database.tablespace, settings),
      ];
    }),
    ...checkUnique((index) => at(`databases[${index}].name`), names),
  ];
}

function checkOwnerOf(setting: string, owner: string | undefined, users: Users): SettingProblem[] {
  if (owner === undefined) return [];
  if (!users.some(({ name }) => name === owner)) return checkOwner(`${setting}.owner`, owner);
  return wrong(
    `${setting}.owner`,
    owner,
    "is a role that people use through Teleport, and an owner has every right",
    "Write a role of the application, or leave it out.",
  );
}

function checkSchemas(path: string, schemas: (string | Schema)[] = [], users: Users): SettingProblem[] {
  const all = schemas.map((schema) => (typeof schema === "string" ? { name: schema } : schema));
  return [
    ...all.flatMap((schema: Schema, index) => [
      ...(/^pg_|^information_schema$/.test(schema.name)
        ? wrong(`${path}[${index}]`, schema.name, "is reserved by PostgreSQL", "Choose another name.")
        : checkIdentifier(`${path}[${index}]`, schema.name)),
      ...checkOwnerOf(`${path}[${index}]`, schema.owner, users),
    ]),
    ...checkUnique(
      (index) => `${path}[${index}]`,
      all.map(({ name }) => name),
    ),
  ];
}

function checkExtensions(
  path: string,
  extensions: (string | Extension)[] = [],
  { parameters = {}, sharedPreloadLibraries = [] }: ParameterSettings,
): SettingProblem[] {
  const all = extensions.map((extension) => (typeof extension === "string" ? { name: extension } : extension));
  // CNPG loads the library itself if one of its parameters is set.
  const loaded = (name: string) =>
    sharedPreloadLibraries.includes(name) || Object.keys(parameters).some((key) => key.startsWith(`${name}.`));
  return [
    ...all.flatMap(({ name, version, schema, ensure }: Extension, index) => [
      ...(EXTENSION.test(name)
        ? []
        : wrong(
            `${path}[${index}]`,
            name,
            "is not a valid extension name",
            "Write a name that `SELECT name FROM pg_available_extensions` lists.",
          )),
      ...(version === undefined || VERSION.test(version)
        ? []
        : wrong(`${path}[${index}].version`, version, "is not a valid version", "Write e.g. 1.11, in quotes.")),
      ...(schema === undefined ? [] : checkIdentifier(`${path}[${index}].schema`, schema)),
      ...(PRELOADED.includes(name) && ensure !== "absent" && !loaded(name)
        ? wrong(
            `${path}[${index}]`,
            name,
            "needs its library to be preloaded",
            `Add ${name} to sharedPreloadLibraries.`,
          )
        : []),
    ]),
    ...checkUnique(
      (index) => `${path}[${index}]`,
      all.map(({ name }) => name),
    ),
  ];
}

/** The rules of the Database's CRD. */
function checkLocale(setting: string, database: AdditionalDatabase): SettingProblem[] {
  const { localeProvider } = database;
  const needs = (field: "icuLocale" | "icuRules" | "builtinLocale", provider: string) =>
    database[field] === undefined || localeProvider === provider
      ? []
      : wrong(
          `${setting}.${field}`,
          database[field],
          `needs localeProvider: ${provider}`,
          `Set localeProvider: ${provider}, or remove ${field}.`,
        );
  return [...needs("icuLocale", "icu"), ...needs("icuRules", "icu"), ...needs("builtinLocale", "builtin")];
}

function checkTablespace(setting: string, tablespace: string | undefined, { tablespaces = [] }: Settings) {
  if (tablespace === undefined || tablespace === "pg_default") return [];
  const found = tablespaces.find(({ name }) => name === tablespace);
  if (!found) return wrong(setting, tablespace, "is not declared in tablespaces", "Add it to tablespaces.");
  return found.temporary
    ? wrong(
        setting,
        tablespace,
        "is a tablespace for temporary tables only",
        "Use another tablespace, or remove temporary: true.",
      )
    : [];
}

/** Kinds that the primary applies. */
export type AppliedKind = "Database" | "DatabaseRole";

/** The kinds' names in the API server's paths. */
const PLURALS: Record<AppliedKind, string> = { Database: "databases", DatabaseRole: "databaseroles" };

interface AppliedStatus {
  applied?: boolean;
  message?: string;
  observedGeneration?: number;
  /** Only of a Database. */
  schemas?: PartStatus[];
  /** Only of a Database. */
  extensions?: PartStatus[];
}

interface PartStatus {
  name: string;
  applied: boolean;
  message?: string;
}

/** The object's place in the API server. */
export function appliedObject(kind: AppliedKind, namespace: string, name: string): ObjectReference {
  return { apiVersion: "postgresql.cnpg.io/v1", plural: PLURALS[kind], namespace, name };
}

/**
 * Whether the primary ignores a Database until somebody changes it. After a Cluster was demoted and then promoted again,
 * CloudNativePG (1.30) does not apply a Database again that it applied before the demotion, and never sets `status.applied`.
 */
export function isForgotten({ metadata, status = {} }: KubernetesObject): boolean {
  const { applied, observedGeneration } = status as AppliedStatus;
  return applied === undefined && observedGeneration !== undefined && observedGeneration === metadata.generation;
}

/**
 * Why the primary has not applied an object as written, in the operator's words. Empty if it has. After a change,
 * `status.applied` stays true until the primary has seen the change, so `observedGeneration` is compared too.
 */
export function appliedProblems(kind: AppliedKind, name: string, object: KubernetesObject | undefined): string[] {
  if (!object) return [`${kind} ${name} does not exist`];
  const status = (object.status ?? {}) as AppliedStatus;
  const parts = [...(status.schemas ?? []), ...(status.extensions ?? [])].filter(({ applied }) => !applied);
  if (status.applied && status.observedGeneration === object.metadata.generation) return [];
  const reasons = [
    ...(!status.applied && status.message ? [status.message] : []),
    ...parts.map((part) => `${part.name}: ${part.message ?? "not applied"}`),
  ];
  return [`${kind} ${name}: ${reasons.join("; ") || "the primary has not seen it yet"}`];
}
