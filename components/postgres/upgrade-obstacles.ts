/**
 * What pg_upgrade would refuse, as far as queries in the running database find it: its own checks of the former version
 * (check.c, version.c and function.c in src/bin/pg_upgrade of PostgreSQL 18), and what would be lost without an error. Checks of
 * data from before PostgreSQL 14 are left out, e.g. tables WITH OIDS and columns of type sql_identifier. Pure.
 */
import { firstOf } from "../message-limits";
import { PREAMBLE } from "./grants";
import { isUpgradeBlocked } from "./public-functions";

/** Something in a database that an upgrade needs to be changed, or that is worth knowing. */
export interface Finding {
  kind: FindingKind;
  /** E.g. `public.orders.note`. */
  object: string;
  /** Undefined if it belongs to no database. */
  database?: string;
}

const CHANGE_TYPE =
  "Change the type, e.g. ALTER TABLE … ALTER COLUMN … TYPE text, or drop the column or the index that has it.";

/** What is wrong, and what to do, for each kind of obstacle. `{}` stands for the objects, `{major}` for the new version. */
const OBSTACLES = {
  functionRights:
    "in the database {} the function pg_logical_emit_message does not have its default rights, and pg_upgrade would fail. Run " +
    "`pulumi up` with the present image, which restores what an earlier release of this program changed. Then change the " +
    'image. If this error stays, see docs/upgrades.md, "Rights on functions"',
  regTypes: `pg_upgrade cannot keep columns of the types regproc, regprocedure, regoper, regoperator, regconfig, regdictionary, regnamespace and regcollation: {}. ${CHANGE_TYPE}`,
  aclItems: `the format of the type aclitem changes in PostgreSQL 16, so pg_upgrade cannot keep its columns: {}. ${CHANGE_TYPE}`,
  systemTypes: `pg_upgrade cannot keep columns whose type is the row of a system table: {}. ${CHANGE_TYPE}`,
  removedExtensions: "PostgreSQL {major} no longer has these extensions: {}. Run DROP EXTENSION in these databases.",
  notNull:
    "PostgreSQL 18 does not allow a child column without NOT NULL if its parent has it: {}. Run ALTER TABLE … ALTER COLUMN … SET NOT NULL for the child.",
  prepared: "there are prepared transactions: {}. Run COMMIT PREPARED or ROLLBACK PREPARED in their databases.",
  lostSlots:
    "logical replication slots would be lost: {}. When their consumers have read everything, stop them and run SELECT pg_drop_replication_slot('…'). Create the slots again after the upgrade.",
  brokenSlots:
    "pg_upgrade refuses logical replication slots that are invalid, or whose consumer is not connected and may have to read more: {}. Connect the consumer, or run SELECT pg_drop_replication_slot('…').",
  closedDatabases:
    "pg_upgrade refuses databases that do not allow connections: {}. Run ALTER DATABASE … ALLOW_CONNECTIONS true, or drop them.",
  invalidDatabases: "databases are left over from an interrupted DROP DATABASE: {}. Run DROP DATABASE again.",
  openTemplate: "the database {} allows connections. Run ALTER DATABASE template0 ALLOW_CONNECTIONS false.",
  failedUpgrade:
    "an earlier upgrade failed after pg_upgrade, and left folders that may hold the only copy of something: {}. Check that no data is missing, and delete them in the primary's pod.",
  tablespaceFolders:
    "an earlier upgrade that failed left folders in tablespaces: {}. The present version does not use them. Delete them in the primary's pod.",
} as const;

/** An obstacle, or what the new image must have, or the size of the system catalogs. */
export type FindingKind = keyof typeof OBSTACLES | "extension" | "library" | "catalogBytes";

/** The first major version without an extension that is a part of PostgreSQL. */
const REMOVED_EXTENSIONS: Record<string, number> = { adminpack: 17, old_snapshot: 17 };
/** The types reg*, except those whose values pg_upgrade keeps: regclass, regrole and regtype. */
const REG_TYPES = [
  "regcollation",
  "regconfig",
  "regdictionary",
  "regnamespace",
  "regoper",
  "regoperator",
  "regproc",
  "regprocedure",
];
/** SQL: the major version of the running database. */
const VERSION = "current_setting('server_version_num')::int / 10000";

/** Each row of a script is a kind, a space, and an object. */
export function findingsOf(rows: readonly string[], database?: string): Finding[] {
  return rows.map((row) => {
    const [kind = ""] = row.split(" ", 1);
    return { kind: kind as FindingKind, object: row.slice(kind.length + 1), database };
  });
}

/** What is wrong, in one message for each kind. */
export function describeObstacles(findings: readonly Finding[], major: string): string[] {
  return Object.entries(OBSTACLES).flatMap(([kind, text]) => {
    const objects = findings.filter((finding) => finding.kind === kind).map(nameOf);
    if (objects.length === 0) return [];
    const list = firstOf(objects, MAX_OBJECTS).join(", ");
    return [text.replace("{major}", () => major).replace("{}", () => list)];
  });
}

const MAX_OBJECTS = 10;

/** The extensions, and the libraries that belong to none, which the new image must have. Empty if there are none. */
export function requiredOfImage(findings: readonly Finding[]): string {
  const named = findings.filter(({ kind }) => kind === "extension" || kind === "library").map(nameOf);
  return firstOf([...new Set(named)]).join(", ");
}

/** The size of all system catalogs in bytes. pg_upgrade makes them anew, and links all other files. */
export function catalogBytes(findings: readonly Finding[]): number {
  return findings.reduce((sum, { kind, object }) => sum + (kind === "catalogBytes" ? Number(object) : 0), 0);
}

function nameOf({ kind, object, database }: Finding): string {
  return database === undefined || kind === "functionRights" ? object : `${object} in ${database}`;
}

/** Finds what belongs to the whole instance. */
export function instanceScript(major: number): string {
  return `${PREAMBLE}
SELECT 'prepared ' || format('%L in %I', gid, database) FROM pg_prepared_xacts ORDER BY 1;
SELECT CASE WHEN ${VERSION} < 17 THEN 'lostSlots ' ELSE 'brokenSlots ' END || format('%I in %I', slot_name, database)
  FROM pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary
  AND (${VERSION} < 17 OR NOT active OR wal_status IN ('lost', 'unreserved')) ORDER BY 1;
SELECT CASE datconnlimit WHEN -2 THEN 'invalidDatabases ' ELSE 'closedDatabases ' END || quote_ident(datname)
  FROM pg_database WHERE datname <> 'template0' AND (NOT datallowconn OR datconnlimit = -2) ORDER BY 1;
SELECT 'openTemplate template0' FROM pg_database WHERE datname = 'template0' AND datallowconn;
SELECT 'failedUpgrade ' || path FROM (
  SELECT folder || '/' || pg_ls_dir(folder, true, false) AS path
  FROM (VALUES (regexp_replace(current_setting('data_directory'), '/[^/]*$', '')), ('/var/lib/postgresql/wal')) AS parents (folder)
) found WHERE path ~ '/(pgdata|pg_wal)[^/]*[.]failed_[^/]*$' ORDER BY 1;
SELECT 'tablespaceFolders ' || path FROM (
  SELECT pg_tablespace_location(oid) || '/' || pg_ls_dir(pg_tablespace_location(oid), true, false) AS path
  FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')
) found WHERE substring(path FROM '/PG_([0-9]+)_[0-9]+$')::int BETWEEN ${VERSION} + 1 AND ${major} ORDER BY 1;
SELECT 'library ' || trim(library) FROM unnest(string_to_array(current_setting('shared_preload_libraries'), ',')) library
  WHERE trim(library) <> '';`;
}

/** Finds what belongs to one database. */
export function databaseScript(major: number): string {
  const removed = Object.entries(REMOVED_EXTENSIONS).filter(([, version]) => major >= version);
  const names = removed.map(([name, version]) => `('${name}', ${version})`).join(", ");
  return `${PREAMBLE}
SELECT 'functionRights ' || quote_ident(current_database()) WHERE ${isUpgradeBlocked(major)};
${columnsOf("regTypes", `typnamespace = 'pg_catalog'::regnamespace AND typname IN ('${REG_TYPES.join("', '")}')`)}
${major >= 16 ? columnsOf("aclItems", `oid = 'aclitem'::regtype AND ${VERSION} < 16`) : ""}
${columnsOf("systemTypes", "typtype = 'c' AND (oid < 16384 OR typnamespace = 'information_schema'::regnamespace)")}
${
  names === ""
    ? ""
    : `SELECT 'removedExtensions ' || quote_ident(extname) FROM pg_extension JOIN (VALUES ${names}) AS removed (name, since) ON name = extname
  WHERE ${VERSION} < since ORDER BY 1;`
}
${
  major >= 18
    ? `SELECT 'notNull ' || format('%s.%I', child.attrelid::regclass, child.attname) FROM pg_inherits i
  JOIN pg_attribute parent ON parent.attrelid = i.inhparent AND parent.attnum > 0 AND parent.attnotnull AND NOT parent.attisdropped
  JOIN pg_attribute child ON child.attrelid = i.inhrelid AND child.attname = parent.attname AND NOT child.attnotnull
  WHERE ${VERSION} < 18 ORDER BY 1;`
    : ""
}
SELECT 'extension ' || format('%I %s', extname, extversion) FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1;
SELECT DISTINCT 'library ' || probin FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE lanname = 'c' AND p.oid >= 16384
  AND probin IS NOT NULL AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e');
SELECT 'catalogBytes ' || coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
  WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace AND relname <> 'pg_largeobject';`;
}

/**
 * Finds stored columns of a type, also inside domains, arrays, rows and ranges. The query is that of pg_upgrade
 * (data_type_check_query): columns of views and partitioned tables are not stored.
 */
function columnsOf(kind: FindingKind, isBase: string): string {
  return `WITH RECURSIVE types AS (
  SELECT oid FROM pg_type WHERE ${isBase}
  UNION SELECT found.oid FROM (WITH inner_types AS (SELECT oid FROM types)
    SELECT t.oid FROM pg_type t, inner_types x WHERE t.typbasetype = x.oid AND t.typtype = 'd'
    UNION ALL SELECT t.oid FROM pg_type t, inner_types x WHERE t.typelem = x.oid AND t.typtype = 'b'
    UNION ALL SELECT t.oid FROM pg_type t, pg_class c, pg_attribute a, inner_types x WHERE t.typtype = 'c' AND t.oid = c.reltype
      AND c.oid = a.attrelid AND NOT a.attisdropped AND a.atttypid = x.oid
    UNION ALL SELECT t.oid FROM pg_type t, pg_range r, inner_types x WHERE t.typtype = 'r' AND r.rngtypid = t.oid AND r.rngsubtype = x.oid
  ) found
)
SELECT '${kind} ' || format('%I.%I.%I', n.nspname, c.relname, a.attname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE NOT a.attisdropped AND a.atttypid IN (SELECT oid FROM types) AND c.relkind IN ('r', 'm', 'i')
  AND n.nspname !~ '^pg_(toast_)?temp_' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1;`;
}
