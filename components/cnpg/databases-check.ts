/** Checks of databases, schemas and extensions. Pure. */
import { SettingProblem } from "../problems";
import { AdditionalDatabase, DatabasesSettings, Extension, Schema } from "./databases";
import { checkDatabaseName, checkIdentifier, checkOwner, databaseAndOwner, InitDb } from "./initdb";
import { ParameterSettings } from "./parameters";
import { StorageSettings } from "./storage";
import { checkUnique, checkWholeNumber, wrong } from "../value-check";

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
