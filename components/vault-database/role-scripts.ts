/**
 * The SQL that makes Vault's roles in PostgreSQL, run as the superuser; run again, it puts right what differs. Pure.
 *
 * Vault's own user is made by SQL and is no managed role of CloudNativePG: the operator makes a managed role's memberships
 * exactly what the Cluster declares, and would take away those in the users that Vault makes (seen with 1.30.0).
 *
 * Since PostgreSQL 16, CREATEROLE reaches no further than the roles that one has ADMIN OPTION on: it gets that on the roles
 * that it grants, and on users of before an upgrade.
 */
import { refuseAdministrators } from "../postgres/administrators";
import { roleSettingsDeviations, roleSettingsScript } from "../postgres/role-settings";
import { doBlock, identifier, literal, textArray } from "../postgres/sql";
import { ONE_AT_A_TIME, PREAMBLE } from "../postgres/grants";
import { grantUsersScript, Maker, usersOutOfReachQuery } from "../postgres/users-of-maker";
import { OLDEST_MAJOR } from "../cnpg/image";
import type { VaultUserNames } from "./settings";
import { isUser, mark, VaultUsers } from "./vault-users";

/** Makes Vault's user, the group of its users, and the group of owners. In any database. */
export function vaultRolesScript({ names, roles, owner }: VaultUsers): string {
  const admin = identifier(names.admin);
  const users = identifier(names.users);
  return `${PREAMBLE}
${doBlock(`BEGIN
  IF current_setting('server_version_num')::int < ${OLDEST_MAJOR}0000 THEN
    RAISE EXCEPTION 'users of Vault need PostgreSQL ${OLDEST_MAJOR} or later, and this is %; upgrade it, or remove vaultDatabase', current_setting('server_version');
  END IF;
END`)}
BEGIN;
${ONE_AT_A_TIME}
${ownRole(names.admin, owner)}
${ownRole(names.users, owner)}
${doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(names.group)}) THEN
    CREATE ROLE ${identifier(names.group)} NOLOGIN;
    COMMENT ON ROLE ${identifier(names.group)} IS ${literal(mark(owner))};
  END IF;
END`)}
${refuseAdministrators(roles, "users of Vault", "another group or memberOf")}
ALTER ROLE ${admin} WITH LOGIN CREATEROLE INHERIT NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS;
${roleSettingsScript(names.admin)}
ALTER ROLE ${users} WITH NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD NULL;
${revokeOthers(names, [names.users, ...roles])}
${[names.users, ...roles].map((role) => `GRANT ${identifier(role)} TO ${admin} WITH ADMIN OPTION;`).join("\n")}
${grantUsersScript(makerOf(names, owner))}
COMMIT;`;
}

/** What PostgreSQL stores of a password is no password; it is not for a log either. */
const UNLOGGED = `SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;`;

/**
 * Gives Vault's user a password for the moment, by what PostgreSQL stores of it. It ends by itself: a run that is killed
 * before Vault has replaced it leaves nothing that works. Without one, none is left.
 */
export function passwordScript({ admin }: VaultUserNames, verifier: string | undefined): string {
  const change =
    verifier === undefined
      ? `ALTER ROLE ${identifier(admin)} WITH PASSWORD NULL;`
      : doBlock(`BEGIN
  EXECUTE format('ALTER ROLE %I WITH PASSWORD %L VALID UNTIL %L', ${literal(admin)}, ${literal(verifier)}, now() + interval '${HANDED_WITHIN}');
END`);
  return `${PREAMBLE}
${UNLOGGED}
${change}`;
}

/** Vault needs seconds; the clock is the server's. */
const HANDED_WITHIN = "5 minutes";

/** The password is Vault's own by now, and stays. */
export function passwordStaysScript({ admin }: VaultUserNames): string {
  return `${PREAMBLE}
ALTER ROLE ${identifier(admin)} VALID UNTIL 'infinity';`;
}

/** A line where Vault's user has a password that is not only for the moment. */
export function passwordStaysQuery({ admin }: VaultUserNames): string {
  return `${PREAMBLE}
SELECT rolname FROM pg_authid WHERE rolname = ${literal(admin)} AND ${PASSWORD_STAYS};`;
}

const PASSWORD_STAYS = "rolpassword IS NOT NULL AND coalesce(rolvaliduntil, 'infinity') = 'infinity'";

/** Says in a line each what differs from what `vaultRolesScript` makes, and which users could not be dropped. */
export function vaultRolesDeviations({ names, roles, owner }: VaultUsers): string {
  const admin = literal(names.admin);
  const wanted = textArray([names.users, ...roles]);
  return `${PREAMBLE}
SELECT format('the role %s does not exist', wanted) FROM unnest(${textArray([names.admin, names.users, ...roles])}) wanted
WHERE wanted NOT IN (SELECT rolname FROM pg_roles);
SELECT format('%s may not log in and make roles', rolname) FROM pg_roles
WHERE rolname = ${admin} AND NOT (rolcanlogin AND rolcreaterole AND rolinherit);
${roleSettingsDeviations(names.admin)}
SELECT format('%s has no password of Vault''s', rolname) FROM pg_authid WHERE rolname = ${admin} AND NOT (${PASSWORD_STAYS});
SELECT format('%s has rights that it must not have', rolname) FROM pg_roles
WHERE rolname = ANY (${textArray([names.admin, names.users])}) AND (rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls);
SELECT format('%s may not give %s', ${admin}, wanted) FROM unnest(${wanted}) wanted
WHERE NOT EXISTS (SELECT FROM pg_auth_members WHERE admin_option AND pg_get_userbyid(roleid) = wanted
  AND pg_get_userbyid(member) = ${admin});
SELECT DISTINCT format('%s is a member of %s', ${admin}, r.rolname) FROM ${otherMemberships(names, [names.users, ...roles])};
SELECT format('%s is not the role that was made for Vault''s %s', rolname, ${literal(owner)}) FROM pg_roles
WHERE rolname = ${admin} AND shobj_description(oid, 'pg_authid') IS DISTINCT FROM ${literal(mark(owner))};
${usersOutOfReachQuery(makerOf(names, owner))}
SELECT format('the user %s was shut out or has expired, and is still to be dropped', rolname) FROM pg_roles u
WHERE ${IS_OVER} AND ${isUser("u.oid", names)};`;
}

/**
 * Users that Vault shut out and could not drop, or whose lease ended long ago: the owner of a database can keep Vault from
 * logging in, as by CONNECTION LIMIT, and nobody else would end the sessions that such users have.
 */
const IS_OVER = "(NOT rolcanlogin OR rolvaliduntil < now() - interval '15 minutes')";

/** Users that Vault made: those that are over, those of one role, or all. */
export function vaultUsersQuery(names: VaultUserNames, which: "over" | "all" | { pattern: string }): string {
  const limit = which === "all" ? "true" : which === "over" ? IS_OVER : `rolname ~ ${literal(which.pattern)}`;
  return `${PREAMBLE}
SELECT rolname FROM pg_roles u WHERE ${limit} AND ${isUser("u.oid", names)} ORDER BY rolname;`;
}

/**
 * Our roles that are to go with Vault's user: those that bear our mark, a group of an earlier declaration among them. One
 * that somebody else is a member of stays. The users' group goes last: it tells which users there are.
 */
export function vaultRolesQuery({ names, owner }: Pick<VaultUsers, "names" | "owner">): string {
  const ours = textArray([names.admin, names.users]);
  return `${PREAMBLE}
SELECT rolname FROM pg_roles r WHERE shobj_description(oid, 'pg_authid') = ${literal(mark(owner))}
  AND (rolname = ANY (${ours}) OR NOT EXISTS (SELECT FROM pg_auth_members WHERE roleid = r.oid AND pg_get_userbyid(member) <> ALL (${ours})))
ORDER BY rolname = ${literal(names.users)}, rolname;`;
}

function makerOf(names: VaultUserNames, owner: string): Maker {
  return { name: names.admin, mark: mark(owner), isUser: (oid) => isUser(oid, names) };
}

/** Makes a role; one of that name that is not ours is refused. */
function ownRole(name: string, owner: string): string {
  return doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(name)}) THEN
    CREATE ROLE ${identifier(name)};
    COMMENT ON ROLE ${identifier(name)} IS ${literal(mark(owner))};
  ELSIF (SELECT shobj_description(oid, 'pg_authid') IS DISTINCT FROM ${literal(mark(owner))} FROM pg_roles WHERE rolname = ${literal(name)}) THEN
    RAISE EXCEPTION 'the role % exists and was not made for Vault''s %; choose another name by admin, or drop the role', ${literal(name)}, ${literal(owner)};
  END IF;
END`);
}

/** Memberships that Vault's user was not given here; but for those in the users that it made. */
function otherMemberships(names: VaultUserNames, wanted: readonly string[]): string {
  return `pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
    WHERE pg_get_userbyid(m.member) = ${literal(names.admin)} AND r.rolname <> ALL (${textArray(wanted)}) AND NOT ${isUser("r.oid", names)}`;
}

function revokeOthers(names: VaultUserNames, wanted: readonly string[]): string {
  return doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT r.rolname AS role, pg_get_userbyid(m.grantor) AS grantor FROM ${otherMemberships(names, wanted)} LOOP
    EXECUTE format('REVOKE %I FROM %I GRANTED BY %I CASCADE', item.role, ${literal(names.admin)}, item.grantor);
  END LOOP;
END`);
}
