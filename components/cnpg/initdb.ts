/** How the application's database is created. Pure. */
import { checkObjectName } from "../kubernetes/names";
import { isReservedRole } from "./roles";
import { SettingProblem } from "../problems";
import { wrong } from "../value-check";

/**
 * How the database is created. Used only once, when the Cluster is created, except for `ownerSecret`. For an existing Cluster, a
 * preview refuses another `database` or `owner`, and warns about other changes. Becomes `spec.bootstrap.initdb`.
 */
export interface InitDb {
  /** Name of the database. Default: `app`. */
  database?: string;
  /** Role that owns it. Default: the name of the database. */
  owner?: string;
  /** Name of a `kubernetes.io/basic-auth` Secret with the owner's user name and password. Default: CNPG creates one. */
  ownerSecret?: string;
  /** Locale for collation, e.g. `en_US.UTF-8`. Default: CNPG's, `C`. */
  localeCollate?: string;
  /** Locale for character classes. Default: CNPG's, `C`. */
  localeCType?: string;
  /** Character encoding. Default: CNPG's, `UTF8`. */
  encoding?: string;
  /** Page checksums. Default: true. */
  dataChecksums?: boolean;
}

const DEFAULT_DATABASE = "app";

const IDENTIFIER = /^[a-z_][a-z0-9_$-]{0,62}$/;
const RESERVED_DATABASES = ["postgres", "template0", "template1"];

/** Name of the database and of its owner, defaults filled in. */
export function databaseAndOwner({ database = DEFAULT_DATABASE, owner = database }: InitDb = {}): {
  database: string;
  owner: string;
} {
  return { database, owner };
}

/** `spec.bootstrap.initdb`. */
export function initDbSpec(initdb: InitDb = {}): Record<string, unknown> {
  return {
    ...databaseAndOwner(initdb),
    secret: initdb.ownerSecret === undefined ? undefined : { name: initdb.ownerSecret },
    localeCollate: initdb.localeCollate,
    localeCType: initdb.localeCType,
    encoding: initdb.encoding,
    dataChecksums: initdb.dataChecksums ?? true,
  };
}

export function checkInitDb(setting: string, initdb: InitDb = {}): SettingProblem[] {
  const { database, owner } = databaseAndOwner(initdb);
  const ofSecret = checkObjectName(`${setting}.ownerSecret`, initdb.ownerSecret, "Secret");
  const problems = checkDatabaseName(`${setting}.database`, database);
  // Without an owner of its own, the owner has the database's name.
  if (initdb.owner !== undefined) return [...ofSecret, ...problems, ...checkOwner(`${setting}.owner`, owner)];
  return [...ofSecret, ...(problems.length > 0 ? problems : checkOwner(`${setting}.database`, database))];
}

/** Checks a name that needs no quotes anywhere. */
export function checkIdentifier(setting: string, name: string): SettingProblem[] {
  if (IDENTIFIER.test(name)) return [];
  return wrong(
    setting,
    name,
    "is not a plain PostgreSQL name",
    "Use at most 63 lower-case letters, digits, underscores and hyphens, not beginning with a digit.",
  );
}

/** Checks the name of a new database. */
export function checkDatabaseName(setting: string, name: string): SettingProblem[] {
  return RESERVED_DATABASES.includes(name)
    ? wrong(setting, name, "is a database of PostgreSQL itself", "Choose another name.")
    : checkIdentifier(setting, name);
}

/** Checks the name of a role that owns something. */
export function checkOwner(setting: string, name: string): SettingProblem[] {
  return isReservedRole(name)
    ? wrong(
        setting,
        name,
        "is reserved by PostgreSQL, CloudNativePG or this project",
        "Choose another name, e.g. the database's.",
      )
    : checkIdentifier(setting, name);
}
