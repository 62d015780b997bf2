/**
 * The SQL that makes users' rights in one database exactly what is declared: everything that was granted to them
 * directly is revoked and what is declared is granted, in one transaction, so that nobody notices what stays the
 * same. Nothing has to be remembered between runs. Pure.
 *
 * It runs as PostgreSQL's superuser in databases whose owners may have made functions and operators of any name:
 * `search_path` holds pg_catalog alone.
 */
import { Access, AccessScope, memberships, roleSettings, TeleportUser } from "../cnpg/roles";
import { identifier, literal, textArray } from "./sql";

/** Users of one instance, with the name of the application's database filled in. */
export interface DesiredAccess {
  /** The application's database: where a scope names none. */
  database: string;
  users: readonly TeleportUser[];
}

/** Begins every script. */
export const PREAMBLE = `\\set ON_ERROR_STOP on
SET search_path = pg_catalog, pg_temp;
SET client_min_messages = warning;
SET lock_timeout = '30s';`;

/** Two runs at once would stumble over each other's catalog rows. */
const ONE_AT_A_TIME = "SELECT FROM pg_advisory_xact_lock(hashtext('cnpg-teleport access'));";

/** Privileges of each access, on each kind of object. */
const PRIVILEGES: Record<Exclude<Access, "none">, Record<"TABLES" | "SEQUENCES", string>> = {
  read: { TABLES: "SELECT", SEQUENCES: "SELECT" },
  write: { TABLES: "SELECT, INSERT, UPDATE, DELETE", SEQUENCES: "USAGE, SELECT, UPDATE" },
};

/** Databases in which scopes grant something. */
export function scopedDatabases({ database, users }: DesiredAccess): string[] {
  const named = users.flatMap(({ scope = [] }) => scope.map((part) => part.database ?? database));
  return [...new Set(named)];
}

/** Makes the rights in one database, and once for all of them the settings of roles, what is declared. */
export function accessScript(desired: DesiredAccess, database: string): string {
  const names = desired.users.map(({ name }) => name);
  return [
    PREAMBLE,
    "BEGIN;",
    ONE_AT_A_TIME,
    revokeAll(names),
    ...(database === desired.database ? desired.users.map(settingsOf) : []),
    ...desired.users.flatMap((user) => scopesIn(desired, user, database).map((part) => grant(user, part))),
    "COMMIT;",
  ].join("\n");
}

/** Takes everything from users in one database; what they own there goes to the database's owner. */
export function surrenderScript(names: readonly string[]): string {
  const each = names.map((name) =>
    whereRoleExists(
      name,
      `EXECUTE format('REASSIGN OWNED BY %I TO %I', ${literal(name)},
      (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()));
    EXECUTE format('DROP OWNED BY %I', ${literal(name)});`,
    ),
  );
  return [PREAMBLE, "BEGIN;", ONE_AT_A_TIME, ...each, "COMMIT;"].join("\n");
}

/** Keeps users from coming back, before anything is taken from them. */
export function lockOutScript(names: readonly string[]): string {
  const each = names.map((name) => whereRoleExists(name, `ALTER ROLE ${identifier(name)} NOLOGIN;`));
  return [PREAMBLE, ...each, endSessions(names)].join("\n");
}

/** Drops users that own nothing any more, in one transaction. */
export function dropScript(names: readonly string[]): string {
  const each = names.map((name) => `DROP ROLE IF EXISTS ${identifier(name)};`);
  return [PREAMBLE, "BEGIN;", ONE_AT_A_TIME, endSessions(names), ...each, "COMMIT;"].join("\n");
}

/** Lists the databases that can be connected to. */
export const DATABASES_QUERY = `${PREAMBLE}
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname;`;

/** Lists those of the names that are roles. */
export function existingRolesQuery(names: readonly string[]): string {
  return `${PREAMBLE}\nSELECT rolname FROM pg_roles WHERE rolname = ANY (${textArray(names)}) ORDER BY rolname;`;
}

/**
 * Says in a line each what differs from what is declared: roles' attributes and settings (looked at in the
 * application's database), and the rights in this database. Schemas that do not exist (yet) are no difference.
 */
export function deviationsQuery(desired: DesiredAccess, database: string): string {
  const roles = database === desired.database ? desired.users.map(roleDeviations) : [];
  const rights = desired.users.map((user) => rightDeviations(user, scopesIn(desired, user, database)));
  return [PREAMBLE, ...roles, ...rights].join("\n");
}

function scopesIn({ database: application }: DesiredAccess, user: TeleportUser, database: string): AccessScope[] {
  return (user.scope ?? []).filter((part) => (part.database ?? application) === database);
}

function whereRoleExists(name: string, statements: string): string {
  return `DO $do$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(name)}) THEN
    ${statements}
  END IF;
END
$do$;`;
}

function endSessions(names: readonly string[]): string {
  return `SELECT FROM pg_stat_activity, pg_terminate_backend(pid) WHERE usename = ANY (${textArray(names)});`;
}

/** The settings of a role are exactly the declared ones. */
function settingsOf(user: TeleportUser): string {
  const role = identifier(user.name);
  const set = Object.entries(roleSettings(user)).map(
    ([name, value]) => `ALTER ROLE ${role} SET ${name.split(".").map(identifier).join(".")} TO ${literal(value)};`,
  );
  return [`ALTER ROLE ${role} RESET ALL;`, ...set].join("\n");
}

/** Revokes what was granted directly: memberships are CNPG's, and what a role owns stays its own. */
function revokeAll(names: readonly string[]): string {
  return `DO $do$
DECLARE
  role record;
  item record;
BEGIN
  FOR role IN SELECT oid, rolname FROM pg_roles WHERE rolname = ANY (${textArray(names)}) LOOP
    FOR item IN
      SELECT DISTINCT c.oid::regclass AS object, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
      FROM pg_class c,
        LATERAL (
          SELECT grantee FROM aclexplode(c.relacl)
          UNION SELECT e.grantee FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid
        ) acl
      WHERE acl.grantee = role.oid AND c.relowner <> role.oid
    LOOP
      EXECUTE format('REVOKE ALL ON %s %s FROM %I', item.kind, item.object, role.rolname);
    END LOOP;
    FOR item IN
      SELECT DISTINCT p.oid::regprocedure AS object FROM pg_proc p, aclexplode(p.proacl) acl
      WHERE acl.grantee = role.oid AND p.proowner <> role.oid
    LOOP
      EXECUTE format('REVOKE ALL ON ROUTINE %s FROM %I', item.object, role.rolname);
    END LOOP;
    FOR item IN
      SELECT DISTINCT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) acl
      WHERE acl.grantee = role.oid AND n.nspowner <> role.oid
    LOOP
      EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', item.nspname, role.rolname);
    END LOOP;
    FOR item IN
      SELECT DISTINCT pg_get_userbyid(d.defaclrole) AS maker,
        CASE WHEN n.nspname IS NULL THEN '' ELSE format('IN SCHEMA %I', n.nspname) END AS place,
        CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
          WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END AS kind
      FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) acl
      WHERE acl.grantee = role.oid AND d.defaclobjtype IN ('r', 'S', 'f', 'T', 'n')
    LOOP
      EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM %I',
        item.maker, item.place, item.kind, role.rolname);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), role.rolname);
  END LOOP;
END
$do$;`;
}

/** Who makes objects: the database's owner, the owners of the schemas and of the tables in them. */
function makers(schemas: string): string {
  return `SELECT DISTINCT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres' AND oid IN (
      SELECT datdba FROM pg_database WHERE datname = current_database()
      UNION SELECT nspowner FROM pg_namespace WHERE ${schemas}
      UNION SELECT relowner FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE ${schemas})`;
}

/** The condition on pg_namespace that a scope means. */
function schemasOf({ schemas }: AccessScope): string {
  return schemas ? `nspname = ANY (${textArray(schemas)})` : "nspname !~ '^pg_' AND nspname <> 'information_schema'";
}

function grant(user: TeleportUser, scope: AccessScope): string {
  if (user.access === "none") return "";
  const privileges = PRIVILEGES[user.access];
  const name = literal(user.name);
  const schemas = schemasOf(scope);
  const tables = `GRANT ${privileges.TABLES} ON ALL TABLES IN SCHEMA %I TO %I`;
  const sequences = `GRANT ${privileges.SEQUENCES} ON ALL SEQUENCES IN SCHEMA %I TO %I`;
  const kinds = Object.entries(privileges).map(([kind, list]) => `GRANT ${list} ON ${kind}`);
  // A schema that comes later can be granted in advance only without IN SCHEMA.
  const later = scope.schemas
    ? `FOR item IN SELECT nspname FROM pg_namespace WHERE ${schemas} LOOP
${kinds.map((kind) => `      EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I ${kind} TO %I', maker.rolname, item.nspname, ${name});`).join("\n")}
    END LOOP;`
    : [...kinds, "GRANT USAGE ON SCHEMAS"]
        .map((kind) => `EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I ${kind} TO %I', maker.rolname, ${name});`)
        .join("\n    ");
  return `DO $do$
DECLARE
  item record;
  maker record;
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), ${name});
  FOR item IN SELECT nspname FROM pg_namespace WHERE ${schemas} LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', item.nspname, ${name});
    EXECUTE format('${tables}', item.nspname, ${name});
    EXECUTE format('${sequences}', item.nspname, ${name});
  END LOOP;
  FOR maker IN ${makers(schemas)} LOOP
    ${later}
  END LOOP;
END
$do$;`;
}

function roleDeviations(user: TeleportUser): string {
  const name = literal(user.name);
  const wanted = textArray(memberships(user));
  const settings = Object.entries(roleSettings(user)).map(([setting, value]) => `${setting}=${value}`);
  return `SELECT format('the role %s does not exist', ${name})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${name});
SELECT format('%s may not log in', rolname) FROM pg_roles WHERE rolname = ${name} AND NOT rolcanlogin;
SELECT format('%s has a connection limit of %s', rolname, rolconnlimit)
FROM pg_roles WHERE rolname = ${name} AND rolconnlimit <> ${user.connectionLimit ?? 20};
SELECT format('%s is no member of %s', ${name}, wanted) FROM unnest(${wanted}) wanted
WHERE wanted NOT IN (
  SELECT pg_get_userbyid(roleid) FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname = ${name}));
SELECT format('%s is a member of %s', ${name}, pg_get_userbyid(roleid)) FROM pg_auth_members
WHERE member = (SELECT oid FROM pg_roles WHERE rolname = ${name}) AND pg_get_userbyid(roleid) <> ALL (${wanted});
SELECT format('%s has not the setting %s', ${name}, wanted) FROM unnest(${textArray(settings)}) wanted
WHERE NOT wanted = ANY (${settingsIn(name)});
SELECT format('%s has the setting %s', ${name}, found) FROM unnest(${settingsIn(name)}) found
WHERE NOT found = ANY (${textArray(settings)});`;
}

function settingsIn(name: string): string {
  return `coalesce((SELECT setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
  WHERE r.rolname = ${name} AND s.setdatabase = 0), '{}')`;
}

/** What a user lacks in its scopes, and what it was granted outside of them. */
function rightDeviations(user: TeleportUser, scopes: readonly AccessScope[]): string {
  const name = literal(user.name);
  const inScope = scopes.length > 0 ? scopes.map((scope) => `(${schemasOf(scope)})`).join(" OR ") : "false";
  const privileges = user.access === "none" ? undefined : PRIVILEGES[user.access].TABLES;
  const lacks =
    privileges && scopes.length > 0
      ? `SELECT format('%s may not use schema %I', ${name}, nspname) FROM pg_namespace, pg_roles
WHERE (${inScope}) AND rolname = ${name} AND NOT has_schema_privilege(rolname, pg_namespace.oid, 'USAGE');
SELECT format('%s may not %s %s', ${name}, lower(privilege), c.oid::regclass)
FROM pg_class c JOIN pg_namespace ON pg_namespace.oid = c.relnamespace, pg_roles, unnest(${textArray(privileges.split(", "))}) privilege
WHERE (${inScope}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND rolname = ${name}
  AND NOT has_table_privilege(rolname, c.oid, privilege);
SELECT format('%s has no rights to what %s will make', ${name}, pg_get_userbyid(datdba)) FROM pg_database, pg_roles
WHERE datname = current_database() AND rolname = ${name} AND pg_get_userbyid(datdba) !~ '^(pg_.*|postgres)$'
  AND EXISTS (SELECT FROM pg_namespace WHERE ${inScope})
  AND NOT EXISTS (SELECT FROM pg_default_acl, aclexplode(defaclacl) acl
    WHERE defaclrole = datdba AND defaclobjtype = 'r' AND acl.grantee = pg_roles.oid);`
      : "";
  const allowed = textArray(privileges ? privileges.split(", ") : []);
  return `${lacks}
SELECT DISTINCT format('%s was granted %s on %s', ${name}, acl.privilege_type, c.oid::regclass)
FROM pg_class c JOIN pg_namespace ON pg_namespace.oid = c.relnamespace, aclexplode(c.relacl) acl, pg_roles
WHERE rolname = ${name} AND acl.grantee = pg_roles.oid AND c.relowner <> pg_roles.oid
  AND NOT ((${inScope}) AND (c.relkind = 'S' OR acl.privilege_type = ANY (${allowed})));
SELECT DISTINCT format('%s was granted %s on schema %I', ${name}, acl.privilege_type, nspname)
FROM pg_namespace, aclexplode(nspacl) acl, pg_roles
WHERE rolname = ${name} AND acl.grantee = pg_roles.oid AND nspowner <> pg_roles.oid
  AND NOT ((${inScope}) AND acl.privilege_type = 'USAGE');`;
}
