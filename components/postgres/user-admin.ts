/**
 * A role that makes users for another system, with CREATEROLE: as Vault and Teleport do, at each login. It is made by SQL as
 * the superuser. As a managed role of CloudNativePG it would lose the memberships that it needs: the operator makes a role's
 * memberships exactly what the Cluster declares, and those in the users that the role makes are not among them (seen with
 * 1.30.0). Roles that the operator does not know it leaves alone.
 *
 * Before PostgreSQL 16, CREATEROLE reached every user. From 16 on it reaches the roles that one has ADMIN OPTION on: those
 * that it is given here, and the users that it made in 16 or later; not those of before an upgrade, nor those that another
 * has made.
 */
import type { KubernetesClient } from "../kubernetes/client";
import { DATABASES_QUERY, dropScript, lockOutScript, OWN_MARK, surrenderScript } from "./grants";
import { ClusterReference, MAINTENANCE_DATABASE, sqlInPrimary } from "./psql";
import { doBlock, identifier, literal, textArray } from "./sql";

/** A role that makes users, and the group that its users are in. */
export interface UserAdmin {
  name: string;
  /** The comment on the role, which tells it from another's of the same name. */
  mark: string;
  /** What it is made for, and what to do where another's role has the name; for messages. */
  madeFor: string;
  otherName: string;
  /** Whether it has the rights of the roles that it is a member of. */
  inherits: boolean;
  /** Whether it logs in by a password. Default: it has none. */
  hasPassword?: boolean;
  /** The group of all of its users. */
  group: string;
  /** The other roles that it may give to its users. */
  roles: readonly string[];
  /** Who would be given them, and what to choose instead of a role that is refused; for messages. */
  users: string;
  otherRoles: string;
  /** An SQL expression for whether a role, by its `oid`, is one of its users. */
  isUser(oid: string): string;
  /**
   * The same for users whom the role itself cannot have chosen: it decides who is in the group, so that alone proves
   * nothing. Default: `isUser`.
   */
  isProvenUser?(oid: string): string;
}

/** Makes a role that bears the mark; another's of that name is refused. */
export function ownRoleScript(
  role: string,
  { mark, madeFor, otherName }: Pick<UserAdmin, "mark" | "madeFor" | "otherName">,
): string {
  return doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(role)}) THEN
    CREATE ROLE ${identifier(role)};
    COMMENT ON ROLE ${identifier(role)} IS ${literal(mark)};
  ELSIF (SELECT shobj_description(oid, 'pg_authid') IS DISTINCT FROM ${literal(mark)} FROM pg_roles WHERE rolname = ${literal(role)}) THEN
    RAISE EXCEPTION 'the role % exists and was not made for %; ${otherName}', ${literal(role)}, ${literal(madeFor)};
  END IF;
END`);
}

/**
 * Makes the role, with exactly the attributes, settings and memberships that it needs; run again, it puts right what
 * differs. To be run as the superuser in one transaction, after its group and the roles that it gives were made.
 *
 * @param takeOver SQL that is run before the users are given to the role
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

/** Says in a line each what differs from what `userAdminScript` makes, and which users the role could not change or drop. */
export function userAdminDeviations(admin: UserAdmin): string {
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
${roleSettingsDeviations(name)}
SELECT format('%s may not give %s', ${role}, wanted) FROM unnest(${given}) wanted
WHERE NOT EXISTS (SELECT FROM pg_auth_members WHERE admin_option AND pg_get_userbyid(roleid) = wanted
  AND pg_get_userbyid(member) = ${role});
SELECT DISTINCT format('%s is a member of %s', ${role}, r.rolname) FROM ${otherMemberships(admin)};
SELECT format('%s may not end the user %s', ${role}, rolname) FROM ${outOfReach(admin)}
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = ${role});`;
}

/**
 * Ends users as the superuser, in every database.
 *
 * @param query lists their names
 * @param at.database whose owner inherits what they own where their own database has no heir
 * @param at.heir who inherits where neither has one
 */
export async function endUsers(
  kubernetes: KubernetesClient,
  cluster: ClusterReference,
  { database, heir }: { database: string; heir?: string },
  query: string,
): Promise<void> {
  const sql = (where: string, script: string) => sqlInPrimary(kubernetes, cluster, where, script);
  const users = await sql(MAINTENANCE_DATABASE, query);
  if (users.length === 0) return;
  await sqlInPrimary(kubernetes, cluster, MAINTENANCE_DATABASE, lockOutScript(users), { ends: users });
  for (const each of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
    await sql(each, surrenderScript(users, database, heir));
  await sql(MAINTENANCE_DATABASE, dropScript(users));
}

/** Memberships that the role was not given here; but not those in its users, on which it has ADMIN OPTION as their maker. */
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

/** Who makes users, and who they are. */
type Maker = Pick<UserAdmin, "name" | "mark" | "isUser" | "isProvenUser">;

/** Gives the role ADMIN OPTION on the users that it could not change or drop. */
export function grantUsersScript(maker: Maker): string {
  return doBlock(`DECLARE
  made name;
BEGIN
  FOR made IN SELECT rolname FROM ${outOfReach(maker)} LOOP
    EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION', made, ${literal(maker.name)});
  END LOOP;
END`);
}

/**
 * Whoever has ADMIN OPTION on a role becomes it. So none of these is among them: PostgreSQL's roles and ours, who owns a
 * database or leads to an administrator's rights, and users of another maker.
 */
function outOfReach({ name, mark, isUser, isProvenUser = isUser }: Maker): string {
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

/** Members of these, or of roles that are members of these, could become the server's administrator. */
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
    RAISE EXCEPTION 'the role % has, by %, rights of an administrator, and is not given to ${users}; choose ${otherRoles}', item.role, item.leads_to;
  END LOOP;
END`);
}

/**
 * They log in to databases whose owners may set anything for every session, and a setting of the role comes before that of
 * the database: so none of them can end, or change, what Vault or Teleport runs there. Values as PostgreSQL keeps them.
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
/** Those that not every PostgreSQL has that is supported. */
const NEWER = ["createrole_self_grant", "transaction_timeout"]; // 16, 17
const SEARCH_PATH = ["pg_catalog", "pg_temp"];

/** Makes the settings of a role exactly these. */
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

/** A line where they are not. */
export function roleSettingsDeviations(role: string): string {
  const wanted = Object.entries({ ...SETTINGS, search_path: SEARCH_PATH.join(", ") });
  const names = textArray(wanted.map(([key]) => key));
  const entries = textArray(wanted.map(([key, value]) => `${key}=${value}`));
  return `SELECT format('%s has not the settings that keep others from changing what it runs', rolname) FROM pg_roles r
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
