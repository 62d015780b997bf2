/**
 * The SQL for Vault's roles and users in PostgreSQL. The scripts create and correct the roles as the superuser; running
 * them again corrects differences. The statements are those that Vault runs as its own user for each user that it
 * creates. Pure.
 */
import { doBlock, identifier, literal, textArray } from "../postgres/sql";
import { ONE_AT_A_TIME, PREAMBLE, OWN_MARK } from "../postgres/grants";
import { ownRoleScript, UserAdmin, userAdminDriftQuery, userAdminScript } from "../postgres/user-admin";
import { OLDEST_MAJOR } from "../cnpg/image";
import { VaultUserNames, usernamePattern, DEFAULTS, CredentialsRole } from "./settings";

/** The roles and rights that are declared. */
export interface VaultUsers {
  names: VaultUserNames;
  /** Every role that Vault grants to users, including the group. */
  roles: readonly string[];
  /** Schemas in which the group may create objects, if it is not the database's owner. */
  schemas: readonly string[];
  /** The database of the credentials. */
  database: string;
  /** Identifies this connection: `<mount>/config/<connection>`. */
  owner: string;
}

/** The names of the users of all roles. */
const ANY_USERNAME = usernamePattern(".+");

/**
 * The comment on the roles and the schema that this program created. It distinguishes them from others of the same
 * name.
 */
export const mark = (owner: string) => `${OWN_MARK}for Vault's ${owner}`;

/**
 * Makes the roles and the schema of another connection those of this one. For the data of a Cluster that was promoted: Vault's
 * users in them belong to the connection of the Cluster that they were copied from. Runs in the database of the credentials.
 */
export function takeOverScript({ names, owner }: Pick<VaultUsers, "names" | "owner">): string {
  const isAnothers = (comment: string) =>
    `${comment} LIKE ${literal(`${mark("")}%`)} AND ${comment} <> ${literal(mark(owner))}`;
  return `${PREAMBLE}
${doBlock(`DECLARE
  item text;
BEGIN
  FOR item IN SELECT rolname FROM pg_roles WHERE rolname = ANY (${textArray([names.admin, names.users, names.group])})
    AND ${isAnothers("shobj_description(oid, 'pg_authid')")} LOOP
    EXECUTE format('COMMENT ON ROLE %I IS %L', item, ${literal(mark(owner))});
  END LOOP;
  FOR item IN SELECT nspname FROM pg_namespace WHERE nspname = ${literal(names.schema)} AND pg_get_userbyid(nspowner) = current_user
    AND ${isAnothers("obj_description(oid, 'pg_namespace')")} LOOP
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', item, ${literal(mark(owner))});
  END LOOP;
END`)}`;
}

/**
 * SQL for whether a role is a user that Vault created. It uses its own aliases, because `oid` may belong to the
 * enclosing query. Vault's own user decides who is in the group, so the name must match Vault's pattern too.
 */
export function isUser(oid: string, { users }: VaultUserNames): string {
  return `EXISTS (SELECT FROM pg_auth_members in_users WHERE in_users.member = ${oid}
    AND pg_get_userbyid(in_users.roleid) = ${literal(users)} AND pg_get_userbyid(in_users.member) ~ ${literal(ANY_USERNAME)})`;
}

/** Creates Vault's user, the group of its users, and the group that owns objects. Runs in any database. */
export function vaultRolesScript(users: VaultUsers): string {
  const { names } = users;
  const admin = userAdminOf(users);
  return `${PREAMBLE}
${doBlock(`BEGIN
  IF current_setting('server_version_num')::int < ${OLDEST_MAJOR}0000 THEN
    RAISE EXCEPTION 'users of Vault need PostgreSQL ${OLDEST_MAJOR} or later, but this is %; upgrade it, or remove vaultDatabase', current_setting('server_version');
  END IF;
END`)}
BEGIN;
${ONE_AT_A_TIME}
${ownRoleScript(names.users, admin)}
${doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(names.group)}) THEN
    CREATE ROLE ${identifier(names.group)} NOLOGIN;
    COMMENT ON ROLE ${identifier(names.group)} IS ${literal(admin.mark)};
  END IF;
END`)}
${userAdminScript(admin)}
COMMIT;`;
}

/** Vault's own user. */
function userAdminOf({ names, roles, owner }: VaultUsers): UserAdmin {
  return {
    name: names.admin,
    mark: mark(owner),
    belongsTo: `Vault's ${owner}`,
    otherName: "set admin to another name, or drop the role",
    inherits: true,
    hasPassword: true,
    group: names.users,
    roles,
    users: "users of Vault",
    otherRoles: "another group or memberOf",
    isUser: (oid) => isUser(oid, names),
  };
}

/** Keeps the statement out of the log: it contains only the SCRAM verifier, but that must not be logged either. */
const WITHOUT_LOGGING = `SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;`;

/**
 * Sets a temporary password of Vault's user, given as a SCRAM verifier. It expires by itself: a run that is killed
 * before Vault has replaced it leaves no valid password. Without a verifier, removes the password.
 */
export function passwordScript({ admin }: VaultUserNames, verifier: string | undefined): string {
  const change =
    verifier === undefined
      ? `ALTER ROLE ${identifier(admin)} WITH PASSWORD NULL;`
      : doBlock(`BEGIN
  EXECUTE format('ALTER ROLE %I WITH PASSWORD %L VALID UNTIL %L', ${literal(admin)}, ${literal(verifier)}, now() + interval '${TEMPORARY_PASSWORD_LIFETIME}');
END`);
  return `${PREAMBLE}
${WITHOUT_LOGGING}
${change}`;
}

/** Lifetime of the temporary password. Vault needs only seconds. The clock is the server's. */
const TEMPORARY_PASSWORD_LIFETIME = "5 minutes";

/** Makes the password permanent, after Vault has replaced it with its own. */
export function permanentPasswordScript({ admin }: VaultUserNames): string {
  return `${PREAMBLE}
ALTER ROLE ${identifier(admin)} VALID UNTIL 'infinity';`;
}

/** Prints a line if Vault's user has a permanent password. */
export function permanentPasswordQuery({ admin }: VaultUserNames): string {
  return `${PREAMBLE}
SELECT rolname FROM pg_authid WHERE rolname = ${literal(admin)} AND ${HAS_PERMANENT_PASSWORD};`;
}

const HAS_PERMANENT_PASSWORD = "rolpassword IS NOT NULL AND coalesce(rolvaliduntil, 'infinity') = 'infinity'";

/**
 * Prints one line for each difference from what `vaultRolesScript` creates, for each user that could not be dropped, and
 * for each user that came along in recovered data.
 *
 * @param created when the Cluster was created, in seconds since 1970
 */
export function vaultRolesDriftQuery(users: VaultUsers, created?: number): string {
  const { names, roles, owner } = users;
  const admin = literal(names.admin);
  return `${PREAMBLE}
${userAdminDriftQuery(userAdminOf(users))}
SELECT format('the role %s does not exist', wanted) FROM unnest(${textArray(roles)}) wanted
WHERE wanted NOT IN (SELECT rolname FROM pg_roles);
SELECT format('%s has no permanent password from Vault', rolname) FROM pg_authid WHERE rolname = ${admin} AND NOT (${HAS_PERMANENT_PASSWORD});
SELECT format('%s is not the role that was created for Vault''s %s', rolname, ${literal(owner)}) FROM pg_roles
WHERE rolname = ${admin} AND shobj_description(oid, 'pg_authid') IS DISTINCT FROM ${literal(mark(owner))};
SELECT format('the user %s cannot log in any more, but was not dropped yet', rolname) FROM pg_roles u
WHERE ${IS_STALE} AND ${isUser("u.oid", names)};${
    created === undefined
      ? ""
      : `
SELECT format('the user %s came along in the data that the Cluster started from', rolname) FROM pg_roles u
WHERE ${isMadeBefore(created)} AND NOT ${IS_STALE} AND ${isUser("u.oid", names)};`
  }`;
}

/**
 * Users that Vault locked but could not drop, and users whose lease ended long ago: the owner of a database can keep
 * Vault from logging in, e.g. by CONNECTION LIMIT, and then nobody else would close the sessions of such users.
 */
const IS_STALE = "(NOT rolcanlogin OR rolvaliduntil < now() - interval '15 minutes')";

/**
 * Whether Vault created a user before a time, in seconds since 1970, with which the user's name ends (USERNAME_TEMPLATE). A
 * Cluster has such users from before its own creation only if it started from the data of another one: by a recovery or a
 * physical copy. Their leases may have been revoked since then, so their passwords must not become valid again.
 */
function isMadeBefore(time: number): string {
  return `substring(rolname FROM '[0-9]+$')::numeric < ${Math.floor(time)}`;
}

/** Lists users that Vault created: the stale ones, those of one role, those from before a time, or all. */
export function vaultUsersQuery(
  names: VaultUserNames,
  which: "stale" | "all" | { pattern: string } | { madeBefore: number },
): string {
  const limit = which === "all" ? "true" : which === "stale" ? IS_STALE : limitOf(which);
  return `${PREAMBLE}
SELECT rolname FROM pg_roles u WHERE ${limit} AND ${isUser("u.oid", names)} ORDER BY rolname;`;
}

function limitOf(which: { pattern: string } | { madeBefore: number }): string {
  return "pattern" in which ? `rolname ~ ${literal(which.pattern)}` : isMadeBefore(which.madeBefore);
}

/**
 * Roles to drop together with Vault's user: those that have this program's mark, also a group of an earlier
 * declaration. A role that has other members stays. The users' group is last: it shows which users there are.
 */
export function vaultRolesQuery({ names, owner }: Pick<VaultUsers, "names" | "owner">): string {
  const ours = textArray([names.admin, names.users]);
  return `${PREAMBLE}
SELECT rolname FROM pg_roles r WHERE shobj_description(oid, 'pg_authid') = ${literal(mark(owner))}
  AND (rolname = ANY (${ours}) OR NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = r.oid AND pg_get_userbyid(member) <> ALL (${ours})))
ORDER BY rolname = ${literal(names.users)}, rolname;`;
}

/**
 * The statements of a role, with the names of @pulumi/vault. Vault runs them as its own user in PostgreSQL, and fills in
 * `{{name}}`, `{{password}}` and `{{expiration}}`. Each entry is one statement, since Vault splits texts at semicolons.
 */
export interface RoleStatements {
  creationStatements: string[];
  renewStatements: string[];
  revocationStatements: string[];
  rollbackStatements: string[];
}

/**
 * A user is a member of the roles that it works with, and of the group that distinguishes Vault's users from others.
 * Vault's own user is a member of the user: a role needs the user's rights to close its sessions and to reassign its
 * objects.
 */
export function roleStatements(names: VaultUserNames, role: CredentialsRole): RoleStatements {
  const { memberOf = [names.group], connectionLimit = DEFAULTS.connectionLimit } = role;
  const user = `"{{name}}"`;
  const dropUser = `SELECT ${identifier(names.schema)}.end_user('{{name}}')`;
  return {
    creationStatements: [
      `CREATE ROLE ${user} WITH LOGIN INHERIT CONNECTION LIMIT ${connectionLimit} PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
      `GRANT ${user} TO ${identifier(names.admin)}`,
      ...[names.users, ...memberOf].map((group) => `GRANT ${identifier(group)} TO ${user}`),
    ],
    renewStatements: [`ALTER ROLE ${user} VALID UNTIL '{{expiration}}'`],
    revocationStatements: [dropUser],
    rollbackStatements: [dropUser],
  };
}
