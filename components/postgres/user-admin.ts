/**
 * A role with CREATEROLE that creates users for another system: Vault and Teleport create users at each login. The
 * superuser creates this role by SQL. As a managed role of CloudNativePG, it would lose memberships that it needs: the
 * operator sets a role's memberships exactly as the Cluster declares them, without those in the users that the role
 * creates (seen with 1.30.0). The operator does not touch roles that it does not know.
 *
 * Before PostgreSQL 16, CREATEROLE applied to every user. From 16 on, it applies only to roles on which the role has
 * ADMIN OPTION: those that it gets here, and the users that it creates in 16 or later. It does not apply to users from
 * before an upgrade, or to users that another role created.
 */
import type { KubernetesClient } from "../kubernetes/client";
import { DATABASES_QUERY, dropOwnedScript, dropScript, forbidLoginScript, OWN_MARK } from "./grants";
import { ClusterReference, MAINTENANCE_DATABASE, sqlInPrimary } from "./psql";
import { doBlock, identifier, literal, textArray } from "./sql";

/** A role that creates users, and the group of its users. */
export interface UserAdmin {
  name: string;
  /** The comment on the role. It distinguishes the role from somebody else's role of the same name. */
  mark: string;
  /** For messages: the system that the role belongs to, and the fix if somebody else's role has the name. */
  belongsTo: string;
  otherName: string;
  /** Whether it has the rights of the roles that it is a member of. */
  inherits: boolean;
  /** Whether it logs in with a password. Default: false. */
  hasPassword?: boolean;
  /** The group of all of its users. */
  group: string;
  /** The other roles that it may grant to its users. */
  roles: readonly string[];
  /** For messages: the users who would get the roles, and what to choose instead of a refused role. */
  users: string;
  otherRoles: string;
  /** An SQL expression: whether the role with an `oid` is one of its users. */
  isUser(oid: string): string;
  /**
   * The same, but with a proof that the role itself cannot forge: it decides who is in the group, so membership alone
   * proves nothing. Default: `isUser`.
   */
  isProvenUser?(oid: string): string;
}

/** Creates a role with the mark. Refuses somebody else's role of that name. */
export function ownRoleScript(
  role: string,
  { mark, belongsTo, otherName }: Pick<UserAdmin, "mark" | "belongsTo" | "otherName">,
): string {
  return doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(role)}) THEN
    CREATE ROLE ${identifier(role)};
    COMMENT ON ROLE ${identifier(role)} IS ${literal(mark)};
  ELSIF (SELECT shobj_description(oid, 'pg_authid') IS DISTINCT FROM ${literal(mark)} FROM pg_roles WHERE rolname = ${literal(role)}) THEN
    RAISE EXCEPTION 'the role % already exists and does not belong to %; ${otherName}', ${literal(role)}, ${literal(belongsTo)};
  END IF;
END`);
}

/**
 * Creates the role with exactly the attributes, settings and memberships that it needs. If it runs again, it corrects
 * drift. Run it as the superuser in one transaction, after its group and the roles that it grants were created.
 *
 * @param takeOver SQL that runs before the role gets ADMIN OPTION on its users
 */
export function userAdminScript(admin: UserAdmin, takeOver = ""): string {
  const { name, group, roles, inherits, hasPassword = false } = admin;
  const role = identifier(name);
  const given = [group, ...roles];
  const attributes = `${inherits ? "INHERIT" : "NOINHERIT"}${hasPassword ? "" : " PASSWORD NULL"}`;
  return [
    ownRoleScript(name, admin),
    refuseAdministrators(admin),
    `ALTER ROLE ${role} WITH LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS ${attributes};`,
    roleSettingsScript(name),
    `ALTER ROLE ${identifier(group)} WITH NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD NULL;`,
    revokeOthersScript(admin),
    ...given.map((each) => `GRANT ${identifier(each)} TO ${role} WITH ADMIN OPTION;`),
    ...(takeOver === "" ? [] : [takeOver]),
    grantUsersScript(admin),
  ].join("\n");
}

/** Returns the drift from `userAdminScript`, one line each, and the users that the role could not change or drop. */
export function userAdminDriftQuery(admin: UserAdmin): string {
  const { name, group, roles, inherits, hasPassword = false } = admin;
  const role = literal(name);
  const given = textArray([group, ...roles]);
  return `SELECT format('the role %s does not exist', wanted) FROM unnest(${textArray([name, group])}) wanted
WHERE wanted NOT IN (SELECT rolname FROM pg_roles);
SELECT format('%s may not log in and make roles, or has the attribute ${inherits ? "NOINHERIT" : "INHERIT"}', rolname) FROM pg_roles
WHERE rolname = ${role} AND NOT (rolcanlogin AND rolcreaterole AND ${inherits ? "rolinherit" : "NOT rolinherit"});
SELECT format('%s has rights that it must not have', rolname) FROM pg_roles
WHERE rolname = ${role} AND (rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls);
SELECT format('%s may log in, or has rights of its own', rolname) FROM pg_roles WHERE rolname = ${literal(group)}
AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls);
SELECT format('%s has a password', rolname) FROM pg_authid
WHERE rolname = ANY (${textArray([group, ...(hasPassword ? [] : [name])])}) AND rolpassword IS NOT NULL;
${roleSettingsDrift(name)}
SELECT format('%s may not grant %s', ${role}, wanted) FROM unnest(${given}) wanted
WHERE NOT EXISTS (SELECT FROM pg_auth_members WHERE admin_option AND pg_get_userbyid(roleid) = wanted
  AND pg_get_userbyid(member) = ${role});
SELECT DISTINCT format('%s is a member of %s', ${role}, r.rolname) FROM ${otherMemberships(admin)};
SELECT format('%s may not drop the user %s', ${role}, rolname) FROM ${outOfReach(admin)}
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = ${role});`;
}

/**
 * Drops users as the superuser, and reassigns their objects in every database. The new owner is the owner of the
 * objects' database, or else the owner of `database`, or else `newOwner`.
 *
 * @param query lists the users' names
 * @returns the users' names
 */
export async function dropUsers(
  kubernetes: KubernetesClient,
  cluster: ClusterReference,
  { database, newOwner }: { database: string; newOwner?: string },
  query: string,
): Promise<string[]> {
  const sql = (where: string, script: string) => sqlInPrimary(kubernetes, cluster, where, script);
  const users = await sql(MAINTENANCE_DATABASE, query);
  if (users.length === 0) return [];
  await sqlInPrimary(kubernetes, cluster, MAINTENANCE_DATABASE, forbidLoginScript(users), { ends: users });
  for (const each of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
    await sql(each, dropOwnedScript(users, database, newOwner));
  await sql(MAINTENANCE_DATABASE, dropScript(users));
  return users;
}

/** Other memberships of the role, except those in its users, on which it has ADMIN OPTION because it created them. */
function otherMemberships({ name, group, roles, isUser }: UserAdmin): string {
  return `pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
    WHERE pg_get_userbyid(m.member) = ${literal(name)} AND r.rolname <> ALL (${textArray([group, ...roles])}) AND NOT ${isUser("r.oid")}`;
}

function revokeOthersScript(admin: UserAdmin): string {
  return doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT r.rolname AS role, pg_get_userbyid(m.grantor) AS grantor FROM ${otherMemberships(admin)} LOOP
    EXECUTE format('REVOKE %I FROM %I GRANTED BY %I CASCADE', item.role, ${literal(admin.name)}, item.grantor);
  END LOOP;
END`);
}

/** A role that creates users, and how to recognize them. */
type UserCreator = Pick<UserAdmin, "name" | "mark" | "isUser" | "isProvenUser">;

/** Grants the role ADMIN OPTION on the users that it could not change or drop. */
export function grantUsersScript(creator: UserCreator): string {
  return doBlock(`DECLARE
  made name;
BEGIN
  FOR made IN SELECT rolname FROM ${outOfReach(creator)} LOOP
    EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION', made, ${literal(creator.name)});
  END LOOP;
END`);
}

/**
 * Users that the role could not change or drop. A role with ADMIN OPTION on a user can become that user. So these are
 * excluded: roles of PostgreSQL and of this project, owners of a database, roles that lead to an administrator's
 * rights, and users that another role created.
 */
function outOfReach({ name, mark, isUser, isProvenUser = isUser }: UserCreator): string {
  const isOurs = (oid: string) =>
    `coalesce(shobj_description(${oid}, 'pg_authid'), '') LIKE ${literal(`${OWN_MARK}%`)}`;
  return `pg_roles account WHERE current_setting('server_version_num')::int >= 160000
  AND ${isProvenUser("account.oid")} AND account.oid >= 16384 AND NOT ${isOurs("account.oid")}
  AND NOT EXISTS (SELECT FROM pg_database WHERE datdba = account.oid)
  AND NOT EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(account.oid, r.oid, 'MEMBER') AND ${isAdministrator("r")})
  AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = account.oid AND m.member <> account.oid
    AND ${isOurs("m.member")} AND shobj_description(m.member, 'pg_authid') IS DISTINCT FROM ${literal(mark)})
  AND NOT EXISTS (SELECT FROM pg_auth_members m
    WHERE m.roleid = account.oid AND m.admin_option AND pg_get_userbyid(m.member) = ${literal(name)})`;
}

/** Whether a row of pg_roles is an administrator of the server, or can become one. */
function isAdministrator(role: string): string {
  return `(${role}.rolsuper OR ${role}.rolcreaterole OR ${role}.rolreplication OR ${role}.rolbypassrls
        OR ${role}.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))`;
}

/** Refuses roles whose members could become the server's administrator, directly or through other roles. */
export function refuseAdministrators({
  roles,
  users,
  otherRoles,
}: Pick<UserAdmin, "roles" | "users" | "otherRoles">): string {
  return doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT given.rolname AS role, r.rolname AS leads_to FROM pg_roles given, pg_roles r
    WHERE given.rolname = ANY (${textArray(roles)}) AND pg_has_role(given.oid, r.oid, 'MEMBER')
      AND ${isAdministrator("r")}
  LOOP
    RAISE EXCEPTION 'the role % has, through %, rights of an administrator, and must not be granted to ${users}; choose ${otherRoles}', item.role, item.leads_to;
  END LOOP;
END`);
}

/**
 * These roles log in to databases whose owners can change settings for every session. A role's setting overrides the
 * database's. So an owner cannot end or change what Vault or Teleport runs there. Values are in the form in which
 * PostgreSQL stores them.
 */
const SETTINGS: Record<string, string> = {
  createrole_self_grant: "",
  default_transaction_deferrable: "off",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  exit_on_error: "off",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  lock_timeout: "30s",
  role: "none",
  standard_conforming_strings: "on",
  statement_timeout: "0",
  tcp_user_timeout: "0",
  transaction_timeout: "0",
};
/** Settings that not every supported version of PostgreSQL has. */
const NEWER = ["createrole_self_grant", "transaction_timeout"]; // 16, 17
const SEARCH_PATH = ["pg_catalog", "pg_temp"];

/** Sets the settings of a role to exactly these. */
export function roleSettingsScript(role: string): string {
  const name = identifier(role);
  const set = (key: string) => `ALTER ROLE ${name} SET ${key} = ${literal(SETTINGS[key] ?? "")};`;
  const everywhere = Object.keys(SETTINGS).filter((key) => !NEWER.includes(key));
  return [
    `ALTER ROLE ${name} RESET ALL;`,
    `ALTER ROLE ${name} SET search_path = ${SEARCH_PATH.join(", ")};`,
    ...everywhere.map(set),
    doBlock(`BEGIN
${NEWER.map((key) => `  IF ${exists(literal(key))} THEN ${set(key)} END IF;`).join("\n")}
END`),
  ].join("\n");
}

/** Returns a line if the settings differ. */
export function roleSettingsDrift(role: string): string {
  const wanted = Object.entries({ ...SETTINGS, search_path: SEARCH_PATH.join(", ") });
  const names = textArray(wanted.map(([key]) => key));
  const entries = textArray(wanted.map(([key, value]) => `${key}=${value}`));
  return `SELECT format('%s does not have the settings that keep others from changing what it runs', rolname) FROM pg_roles r
WHERE rolname = ${literal(role)} AND (
  SELECT array_agg(entry ORDER BY entry) FROM pg_db_role_setting s, unnest(s.setconfig) entry
  WHERE s.setrole = r.oid AND s.setdatabase = 0
) IS DISTINCT FROM (
  SELECT array_agg(entry ORDER BY entry) FROM unnest(${names}, ${entries}) wanted (name, entry)
  WHERE name <> ALL (${textArray(NEWER)}) OR ${exists("wanted.name")}
);`;
}

function exists(setting: string): string {
  return `EXISTS (SELECT FROM pg_settings known WHERE known.name = ${setting})`;
}
