/**
 * The SQL that sets users' rights in one database exactly as declared. In one transaction, it revokes everything that
 * was granted to them directly, and grants what is declared. So sessions do not notice rights that stay the same, and
 * nothing must be stored between runs. Pure.
 *
 * The SQL runs as PostgreSQL's superuser, in databases whose owners may have created functions and operators of any
 * name, and settings for every session. So `search_path` contains only pg_catalog, and the script sets every setting
 * that could interfere.
 */
import { Access, AccessScope, roleSettings, TeleportUser } from "../cnpg/roles";
import { isGrantedRelation, isGrantedSchema, isSuperuser, RELATION_KINDS } from "./superuser-objects";
import { grantToPublicScript, publicFunctionDrift } from "./public-functions";
import { attributeDrift, attributeScript } from "./role-attributes";
import { doBlock, identifier, literal, textArray } from "./sql";

/** Users of one instance, with the name of the application's database filled in. */
export interface DesiredAccess {
  /** The application's database. It is the default of a scope. */
  database: string;
  users: readonly TeleportUser[];
}

/** Prefix of the comments on objects that this project creates for itself, e.g. schemas. Users get no rights in them. */
export const OWN_MARK = "cnpg-teleport: ";

/** The beginning of every script. */
export const PREAMBLE = `\\set ON_ERROR_STOP on
SET ROLE NONE;
SET standard_conforming_strings = on;
SET search_path = pg_catalog, pg_temp;
SET default_transaction_read_only = off;
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET exit_on_error = off;
SET client_min_messages = warning;
SET lock_timeout = '30s';`;

/**
 * Two concurrent runs would conflict in the catalog. So a script locks a table that all databases share, like roles. Only a
 * superuser may lock it; anybody who can log in could hold an advisory lock. Only another run and VACUUM wait for this lock:
 * its mode allows logins to read the table, and others to create and change roles. The lock timeout is longer than usual,
 * because another run may take long.
 */
export const ONE_AT_A_TIME = `SET LOCAL lock_timeout = '5min';
LOCK TABLE pg_catalog.pg_authid IN SHARE UPDATE EXCLUSIVE MODE;
SET LOCAL lock_timeout = '30s';`;

/** Privileges of each access, on each kind of object. */
const PRIVILEGES: Record<Exclude<Access, "none">, Record<"TABLES" | "SEQUENCES", string>> = {
  read: { TABLES: "SELECT", SEQUENCES: "SELECT" },
  write: { TABLES: "SELECT, INSERT, UPDATE, DELETE", SEQUENCES: "USAGE, SELECT, UPDATE" },
};

/** The databases in the users' scopes. */
export function scopedDatabases({ database, users }: DesiredAccess): string[] {
  const named = users.flatMap(({ scope = [] }) => scope.map((part) => part.database ?? database));
  return [...new Set(named)];
}

/** Sets the rights in one database as declared, and, in the application's database only, the roles' settings. */
export function accessScript(desired: DesiredAccess, database: string): string {
  const names = desired.users.map(({ name }) => name);
  return [
    PREAMBLE,
    "BEGIN;",
    ONE_AT_A_TIME,
    revokeAll(names),
    ...names.map((name) => resetInDatabase(name)),
    ...(database === desired.database ? desired.users.map(settingsOf) : []),
    ...desired.users.flatMap((user) => scopesIn(desired, user, database).map((part) => grant(user, part))),
    grantToPublicScript(),
    "COMMIT;",
  ].join("\n");
}

/** Grants to PUBLIC again, in one database, what an earlier release revoked because of readers. */
export function restorePublicRightsScript(): string {
  return [PREAMBLE, "BEGIN;", ONE_AT_A_TIME, grantToPublicScript(), "COMMIT;"].join("\n");
}

/**
 * Revokes and reassigns everything of users in one database. The new owner of their objects is the database's owner,
 * or, if that is a superuser, the owner of the application's database. The objects must not run with the new owner's
 * rights: routines lose SECURITY DEFINER, and views check the rights of the reader. The script fails and names an
 * object if this is not possible.
 *
 * A user may own the database itself, because members of a role can take over its objects (REASSIGN OWNED). Such a user
 * is not a possible new owner, because what it kept would be dropped.
 *
 * @param newOwner the new owner if the databases' owners are not possible; default: none
 */
export function dropOwnedScript(names: readonly string[], application: string, newOwner?: string): string {
  const each = names.map((name) => whereRoleExists(name, dropOwned(name, names, application, newOwner)));
  return [PREAMBLE, "BEGIN;", ONE_AT_A_TIME, revokeAll(names), ...each, "COMMIT;"].join("\n");
}

function dropOwned(name: string, names: readonly string[], application: string, newOwner: string | undefined): string {
  const role = `(SELECT oid FROM pg_roles WHERE rolname = ${literal(name)})`;
  return `SELECT rolname INTO new_owner FROM (
        SELECT datdba AS owner, CASE WHEN datname = current_database() THEN 1 ELSE 2 END AS place FROM pg_database
          WHERE datname IN (current_database(), ${literal(application)})
        UNION ALL SELECT oid, 3 FROM pg_roles WHERE rolname = ${newOwner === undefined ? "NULL" : literal(newOwner)}
      ) possible JOIN pg_roles r ON r.oid = possible.owner
      WHERE NOT rolsuper AND rolname <> ALL (${textArray(names)}) ORDER BY place LIMIT 1;
    FOR item IN SELECT oid::regprocedure AS object FROM pg_proc WHERE proowner = ${role} AND prosecdef LOOP
      EXECUTE format('ALTER ROUTINE %s SECURITY INVOKER', item.object);
    END LOOP;
    FOR item IN SELECT oid::regclass AS object, relkind FROM pg_class c WHERE relowner = ${role}
      AND (relkind = 'v' OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN'))
    LOOP
      IF item.relkind <> 'v' OR current_setting('server_version_num')::int < 150000 THEN
        RAISE EXCEPTION '% of the removed user % would run with the rights of its new owner; drop it, or give it to another role',
          item.object, ${literal(name)};
      END IF;
      EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', item.object);
    END LOOP;
    FOR item IN SELECT format('%I.%I', nspname, stxname) AS object FROM pg_statistic_ext s
      JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace n ON n.oid = s.stxnamespace
      WHERE relowner = ${role} AND stxexprs IS NOT NULL
    LOOP
      EXECUTE format('DROP STATISTICS %s', item.object);
    END LOOP;
    FOR item IN ${codeRunByAnalyze(role)} LOOP
      RAISE EXCEPTION '% of the removed user % calls %, which would run with the rights of its new owner; drop it, or give it to another role',
        item.object, ${literal(name)}, item.called;
    END LOOP;
    IF new_owner IS NULL AND EXISTS (SELECT FROM pg_shdepend WHERE refobjid = ${role} AND refclassid = 'pg_authid'::regclass
      AND deptype = 'o' AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) THEN
      RAISE EXCEPTION 'only a superuser could become the owner of the objects of the removed user % in %; drop them, or give them to another role',
        ${literal(name)}, current_database();
    END IF;
    IF new_owner IS NOT NULL THEN
      EXECUTE format('REASSIGN OWNED BY %I TO %I', ${literal(name)}, new_owner);
    END IF;
    EXECUTE format('DROP OWNED BY %I', ${literal(name)});`;
}

/**
 * Code that a role's tables call and that neither a superuser nor the new owner created. Autovacuum runs it as the
 * table's owner, without a request. It is in expressions and conditions of indexes, and in `subtype_diff` of range
 * columns. Expressions of statistics need not be immutable, so they can do anything, even with PostgreSQL's own
 * functions. So such statistics are dropped before, which loses no data.
 */
function codeRunByAnalyze(role: string): string {
  return `WITH RECURSIVE ranges AS (
        SELECT unnest(ARRAY[rngtypid, rngmultitypid]) AS type, rngsubdiff::oid AS function FROM pg_range WHERE rngsubdiff <> 0
        UNION SELECT t.oid, ranges.function FROM ranges JOIN pg_type t ON t.typbasetype = ranges.type
      ), calls AS (
        SELECT i.indrelid AS relation, d.classid, d.objid, d.refclassid, d.refobjid, coalesce(p.proowner, o.oprowner, t.typowner) AS maker
          FROM pg_depend d JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
          LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
          LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
          LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid AND t.typtype = 'd'
        UNION ALL SELECT a.attrelid, 'pg_class'::regclass, a.attrelid, 'pg_proc'::regclass, p.oid, p.proowner
          FROM pg_attribute a JOIN ranges ON ranges.type = a.atttypid JOIN pg_proc p ON p.oid = ranges.function
          WHERE NOT a.attisdropped
      )
      SELECT pg_describe_object(classid, objid, 0) AS object, pg_describe_object(refclassid, refobjid, 0) AS called
      FROM calls JOIN pg_class c ON c.oid = relation JOIN pg_roles r ON r.oid = maker
      WHERE c.relowner = ${role} AND NOT r.rolsuper AND r.rolname IS DISTINCT FROM new_owner`;
}

/** Forbids new logins of users and ends their sessions, before anything else is changed. */
export function forbidLoginScript(names: readonly string[]): string {
  // End their sessions first: a session with an uncommitted change of its own role would block this.
  const each = names.map((name) => whereRoleExists(name, `ALTER ROLE ${identifier(name)} NOLOGIN;`));
  return [PREAMBLE, endSessions(names), ...each, endSessions(names)].join("\n");
}

/** A database that an interrupted DROP DATABASE left. Nobody can connect to it, and it can only be dropped. */
const IS_INVALID = "datconnlimit = -2";

/**
 * Drops users that no longer own anything, in one transaction. A user to which a database without connections still refers
 * cannot be dropped. It stays and cannot log in (see forbidLoginScript).
 */
export function dropScript(names: readonly string[]): string {
  const each = names.map((name) =>
    whereRoleExists(
      name,
      `IF NOT EXISTS (SELECT FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid WHERE (${IS_INVALID} OR NOT datallowconn)
      AND refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = ${literal(name)})) THEN
      DROP ROLE ${identifier(name)};
    END IF;`,
    ),
  );
  return [PREAMBLE, "BEGIN;", ONE_AT_A_TIME, endSessions(names), ...each, "COMMIT;"].join("\n");
}

/** Lists the databases that allow connections. Includes templates, because an owner can turn a database into a template. */
export const DATABASES_QUERY = `${PREAMBLE}
SELECT datname FROM pg_database WHERE datallowconn AND NOT ${IS_INVALID} AND datname NOT IN ('template0', 'template1') ORDER BY datname;`;

/** Lists the databases in which nothing can be done, with the reason. */
export const UNREACHABLE_DATABASES_QUERY = `${PREAMBLE}
SELECT format(CASE WHEN ${IS_INVALID}
    THEN 'the database %I is left over from an interrupted DROP DATABASE, and is skipped; drop it: DROP DATABASE %1$I'
    ELSE 'the database %I does not allow connections, so rights in it stay as they are; to open it: ALTER DATABASE %1$I ALLOW_CONNECTIONS true' END, datname)
FROM pg_database WHERE (${IS_INVALID} OR NOT datallowconn) AND datname <> 'template0' ORDER BY datname;`;

/** Lists the names that are existing roles. */
export function existingRolesQuery(names: readonly string[]): string {
  return `${PREAMBLE}\nSELECT rolname FROM pg_roles WHERE rolname = ANY (${textArray(names)}) ORDER BY rolname;`;
}

/** Creates missing roles, without rights. */
export function missingRolesScript(names: readonly string[]): string {
  const each = names.map((name) =>
    doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(name)}) THEN
    CREATE ROLE ${identifier(name)} LOGIN;
  END IF;
END`),
  );
  return [PREAMBLE, "BEGIN;", ONE_AT_A_TIME, ...each, "COMMIT;"].join("\n");
}

/**
 * Returns the drift, one line for each difference: the roles' attributes and settings (only in the application's
 * database), and the rights in this database. Schemas that do not exist (yet) are not a difference.
 */
export function driftQuery(desired: DesiredAccess, database: string): string {
  const roles = database === desired.database ? desired.users.map(roleDrift) : [];
  const rights = desired.users.map((user) => rightsDrift(user, scopesIn(desired, user, database)));
  return [PREAMBLE, ...roles, ...rights, publicFunctionDrift()].join("\n");
}

/** The parts of a user's scope in a database. Without a scope, everything in every database. */
function scopesIn({ database: application }: DesiredAccess, user: TeleportUser, database: string): AccessScope[] {
  if (user.access === "none") return [];
  return user.scope?.filter((part) => (part.database ?? application) === database) ?? [{}];
}

function whereRoleExists(name: string, statements: string): string {
  return doBlock(`DECLARE
  new_owner name;
  item record;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(name)}) THEN
    ${statements}
  END IF;
END`);
}

function endSessions(names: readonly string[]): string {
  return `SELECT FROM pg_stat_activity, pg_terminate_backend(pid) WHERE usename = ANY (${textArray(names)});`;
}

/** Sets the attributes, memberships and settings of a role exactly as declared. */
function settingsOf(user: TeleportUser): string {
  const role = identifier(user.name);
  const set = Object.entries(roleSettings(user)).map(
    ([name, value]) =>
      `ALTER ROLE ${role} SET ${name.split(".").map(identifier).join(".")} TO ${settingParts(name, value).map(literal).join(", ")};`,
  );
  return [attributeScript(user), `ALTER ROLE ${role} RESET ALL;`, ...set].join("\n");
}

/** Removes settings for one database. A role can set them itself, for all people who share the role. */
function resetInDatabase(name: string): string {
  const reset = `EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', ${literal(name)}, current_database());`;
  return whereRoleExists(name, reset);
}

/** PostgreSQL's lists of names (GUC_LIST_QUOTE). As one string, they would be a single name. */
const LISTS = /^(search_path|temp_tablespaces|(session|local|shared)_preload_libraries)$/i;

function settingParts(name: string, value: string): string[] {
  if (!LISTS.test(name)) return [value];
  return value.split(",").map((part) => part.trim().replace(/^"(.*)"$/, "$1"));
}

/** Revokes what was granted directly. Does not touch memberships, which CNPG manages, and the role's own objects. */
function revokeAll(names: readonly string[]): string {
  // Revoke as the grantor: a superuser's REVOKE acts as the owner, and leaves what others granted. If the grantor can
  // no longer reach the object (no USAGE on the schema), revoke the grant option instead, which also revokes what was
  // granted with it.
  const revoke = (object: string) => `IF item.grantor = item.owner THEN
        EXECUTE format('REVOKE ALL ON %s FROM %I CASCADE', ${object}, role.rolname);
      ELSE
        BEGIN
          EXECUTE format('SET LOCAL ROLE %I', item.grantor);
          EXECUTE format('REVOKE ALL ON %s FROM %I CASCADE', ${object}, role.rolname);
          SET LOCAL ROLE NONE; -- RESET would make it what the owner of the database has set for every session
        EXCEPTION WHEN insufficient_privilege THEN
          EXECUTE format('REVOKE GRANT OPTION FOR ALL ON %s FROM %I CASCADE', ${object}, item.grantor);
        END;
      END IF;`;
  return doBlock(`DECLARE
  role record;
  item record;
BEGIN
  FOR role IN SELECT oid, rolname FROM pg_roles WHERE rolname = ANY (${textArray(names)}) LOOP
    FOR item IN
      SELECT DISTINCT c.oid::regclass AS object, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
        pg_get_userbyid(acl.grantor) AS grantor, pg_get_userbyid(c.relowner) AS owner
      FROM pg_class c,
        LATERAL (
          SELECT grantee, grantor FROM aclexplode(c.relacl)
          UNION SELECT e.grantee, e.grantor FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid
        ) acl
      WHERE acl.grantee = role.oid AND c.relowner <> role.oid
    LOOP
      ${revoke("item.kind || ' ' || item.object")}
    END LOOP;
    FOR item IN
      SELECT DISTINCT p.oid::regprocedure AS object, pg_get_userbyid(acl.grantor) AS grantor,
        pg_get_userbyid(p.proowner) AS owner
      FROM pg_proc p, aclexplode(p.proacl) acl
      WHERE acl.grantee = role.oid AND p.proowner <> role.oid
    LOOP
      ${revoke("'ROUTINE ' || item.object")}
    END LOOP;
    FOR item IN
      SELECT DISTINCT n.nspname, pg_get_userbyid(acl.grantor) AS grantor, pg_get_userbyid(n.nspowner) AS owner FROM pg_namespace n, aclexplode(n.nspacl) acl
      WHERE acl.grantee = role.oid AND n.nspowner <> role.oid
    LOOP
      ${revoke("format('SCHEMA %I', item.nspname)")}
    END LOOP;
    FOR item IN
      SELECT DISTINCT pg_get_userbyid(d.defaclrole) AS maker,
        CASE WHEN n.nspname IS NULL THEN '' ELSE format('IN SCHEMA %I', n.nspname) END AS place,
        CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
          WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS kind
      FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) acl
      WHERE acl.grantee = role.oid AND d.defaclobjtype IN ('r', 'S', 'f', 'T', 'n', 'L')
    LOOP
      EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM %I CASCADE',
        item.maker, item.place, item.kind, role.rolname);
    END LOOP;
    FOR item IN
      SELECT DISTINCT d.datname, pg_get_userbyid(acl.grantor) AS grantor, pg_get_userbyid(d.datdba) AS owner FROM pg_database d, aclexplode(d.datacl) acl
      WHERE d.datname = current_database() AND acl.grantee = role.oid AND d.datdba <> role.oid
    LOOP
      ${revoke("format('DATABASE %I', item.datname)")}
    END LOOP;
  END LOOP;
END`);
}

/**
 * Roles that create objects: the database's owner, and the owners of the schemas and their tables. Later objects of
 * superusers and extensions are not for users.
 */
function makers(scope: AccessScope): string {
  return `SELECT DISTINCT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND NOT rolsuper AND oid IN (
      SELECT datdba FROM pg_database WHERE datname = current_database()
      UNION SELECT n.nspowner FROM pg_namespace n WHERE ${schemasOf(scope)}
      UNION SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${relationsOf(scope)})`;
}

/** The condition on `pg_namespace n` that a scope means. */
function schemasOf(scope: AccessScope): string {
  return `${isInScope(scope)} AND ${isGrantedSchema(scope.schemas !== undefined)}`;
}

function isInScope({ schemas }: AccessScope): string {
  if (schemas) return `n.nspname = ANY (${textArray(schemas)})`;
  return `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT ${IS_OWN_SCHEMA}`;
}

/**
 * The owner of a schema could forge our comment. So a schema is ours only if its owner is a superuser or one of our
 * roles.
 */
const IS_OWN_SCHEMA = `(coalesce(obj_description(n.oid, 'pg_namespace') LIKE ${literal(`${OWN_MARK}%`)}, false) AND (${isSuperuser("n.nspowner")}
      OR coalesce(shobj_description(n.nspowner, 'pg_authid') LIKE ${literal(`${OWN_MARK}%`)}, false)))`;

/** The condition on `pg_class c` and its `pg_namespace n` that a scope means. */
function relationsOf(scope: AccessScope): string {
  return `${isInScope(scope)} AND c.relkind IN ${RELATION_KINDS} AND ${isGrantedRelation(scope.schemas !== undefined)}`;
}

function grant(user: TeleportUser, scope: AccessScope): string {
  if (user.access === "none") return "";
  const privileges = PRIVILEGES[user.access];
  const name = literal(user.name);
  const schemas = schemasOf(scope);
  const kinds = Object.entries(privileges).map(([kind, list]) => `GRANT ${list} ON ${kind}`);
  // Default privileges for later schemas are possible only without IN SCHEMA.
  const later = scope.schemas
    ? `FOR item IN SELECT n.nspname FROM pg_namespace n WHERE ${schemas} LOOP
${kinds.map((kind) => `      EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I ${kind} TO %I', maker.rolname, item.nspname, ${name});`).join("\n")}
    END LOOP;`
    : [...kinds, "GRANT USAGE ON SCHEMAS"]
        .map((kind) => `EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I ${kind} TO %I', maker.rolname, ${name});`)
        .join("\n    ");
  return doBlock(`DECLARE
  item record;
  maker record;
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), ${name});
  FOR item IN SELECT n.nspname FROM pg_namespace n WHERE ${schemas} LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', item.nspname, ${name});
  END LOOP;
  FOR item IN SELECT c.relkind = 'S' AS is_sequence, string_agg(format('%I.%I', n.nspname, c.relname), ', ') AS objects
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${relationsOf(scope)} GROUP BY n.oid, c.relkind = 'S'
  LOOP
    IF item.is_sequence THEN
      EXECUTE format('GRANT ${privileges.SEQUENCES} ON SEQUENCE %s TO %I', item.objects, ${name});
    ELSE
      EXECUTE format('GRANT ${privileges.TABLES} ON TABLE %s TO %I', item.objects, ${name});
    END IF;
  END LOOP;
  FOR maker IN ${makers(scope)} LOOP
    ${later}
  END LOOP;
END`);
}

function roleDrift(user: TeleportUser): string {
  const name = literal(user.name);
  const settings = textArray(
    Object.entries(roleSettings(user)).map(([setting, value]) => comparable(setting, settingParts(setting, value))),
  );
  return `${attributeDrift(user)}
SELECT format('%s does not have the setting %s', ${name}, wanted) FROM unnest(${settings}) wanted
WHERE NOT wanted = ANY (${settingsIn(name)});
SELECT format('%s has the setting %s', ${name}, found) FROM unnest(${settingsIn(name)}) found
WHERE NOT found = ANY (${settings});`;
}

/** PostgreSQL writes `TimeZone` for `timezone`, and quotes names in lists if necessary. */
function comparable(setting: string, parts: readonly string[]): string {
  return `${setting.toLowerCase()}=${parts.join(",").replace(/[" ]/g, "")}`;
}

/** The settings of a role, in the form of `comparable`. */
function settingsIn(name: string): string {
  return `coalesce((
  SELECT array_agg(lower(split_part(entry, '=', 1)) || '=' || translate(substr(entry, strpos(entry, '=') + 1), '" ', ''))
  FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) entry
  WHERE r.rolname = ${name} AND s.setdatabase = 0), '{}')`;
}

/** Rights that a user is missing in its scopes, and rights that it has outside of them. */
function rightsDrift(user: TeleportUser, scopes: readonly AccessScope[]): string {
  const name = literal(user.name);
  const inScope = anyOf(scopes.map(schemasOf));
  const relations = anyOf(scopes.map(relationsOf));
  const privileges = user.access === "none" ? undefined : PRIVILEGES[user.access];
  const allowed = textArray(privileges?.TABLES.split(", ") ?? []);
  const allowedSequences = textArray(privileges?.SEQUENCES.split(", ") ?? []);
  const missing =
    privileges && scopes.length > 0
      ? `SELECT format('%s may not use schema %I', ${name}, n.nspname) FROM pg_namespace n, pg_roles
WHERE (${inScope}) AND rolname = ${name} AND NOT has_schema_privilege(rolname, n.oid, 'USAGE');
SELECT format('%s may not %s %s', ${name}, lower(privilege), c.oid::regclass)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles, unnest(${allowed}) privilege
WHERE (${relations}) AND c.relkind <> 'S' AND rolname = ${name} AND NOT has_table_privilege(rolname, c.oid, privilege);
SELECT format('%s has no rights to what %s will create', ${name}, pg_get_userbyid(datdba)) FROM pg_database, pg_roles
WHERE datname = current_database() AND rolname = ${name} AND NOT ${isSuperuser("datdba")}
  AND EXISTS (SELECT FROM pg_namespace n WHERE ${inScope})
  AND NOT EXISTS (SELECT FROM pg_default_acl, aclexplode(defaclacl) acl
    WHERE defaclrole = datdba AND defaclobjtype = 'r' AND acl.grantee = pg_roles.oid);`
      : "";
  const connects =
    scopes.length > 0
      ? `SELECT format('%s may not connect to %I', ${name}, current_database()) FROM pg_roles
WHERE rolname = ${name} AND NOT has_database_privilege(rolname, current_database(), 'CONNECT');`
      : "";
  return `${missing}
${connects}
SELECT format('%s has settings of its own in %I', ${name}, current_database())
FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole JOIN pg_database d ON d.oid = s.setdatabase
WHERE r.rolname = ${name} AND d.datname = current_database();
SELECT DISTINCT format('%s was granted %s on %s', ${name}, acl.privilege_type, c.oid::regclass)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) acl, pg_roles
WHERE rolname = ${name} AND acl.grantee = pg_roles.oid AND c.relowner <> pg_roles.oid
  AND NOT ((${relations}) AND acl.privilege_type = ANY (CASE c.relkind WHEN 'S' THEN ${allowedSequences} ELSE ${allowed} END));
SELECT DISTINCT format('%s was granted %s on schema %I', ${name}, acl.privilege_type, n.nspname)
FROM pg_namespace n, aclexplode(n.nspacl) acl, pg_roles
WHERE rolname = ${name} AND acl.grantee = pg_roles.oid AND n.nspowner <> pg_roles.oid
  AND NOT ((${inScope}) AND acl.privilege_type = 'USAGE');
SELECT DISTINCT format('%s was granted rights to what %s will create', ${name}, pg_get_userbyid(d.defaclrole))
FROM pg_default_acl d, aclexplode(d.defaclacl) acl, pg_roles
WHERE rolname = ${name} AND acl.grantee = pg_roles.oid AND (${isSuperuser("d.defaclrole")}
  OR NOT acl.privilege_type = ANY (CASE d.defaclobjtype WHEN 'r' THEN ${allowed} WHEN 'S' THEN ${allowedSequences}
    WHEN 'n' THEN ARRAY['USAGE'] ELSE '{}' END));`;
}

function anyOf(conditions: readonly string[]): string {
  return conditions.length > 0 ? conditions.map((condition) => `(${condition})`).join(" OR ") : "false";
}
