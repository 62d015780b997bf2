/** The SQL that makes Vault's roles in PostgreSQL, run as the superuser; run again, it puts right what differs. Pure. */
import { doBlock, identifier, literal, textArray } from "../postgres/sql";
import { ONE_AT_A_TIME, PREAMBLE } from "../postgres/grants";
import { ownRoleScript, UserAdmin, userAdminDeviations, userAdminScript } from "../postgres/user-admin";
import { OLDEST_MAJOR } from "../cnpg/image";
import type { VaultUserNames } from "./settings";
import { isUser, mark, VaultUsers } from "./vault-users";

/** Makes Vault's user, the group of its users, and the group of owners. In any database. */
export function vaultRolesScript(users: VaultUsers): string {
  const { names } = users;
  const admin = userAdminOf(users);
  return `${PREAMBLE}
${doBlock(`BEGIN
  IF current_setting('server_version_num')::int < ${OLDEST_MAJOR}0000 THEN
    RAISE EXCEPTION 'users of Vault need PostgreSQL ${OLDEST_MAJOR} or later, and this is %; upgrade it, or remove vaultDatabase', current_setting('server_version');
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
    madeFor: `Vault's ${owner}`,
    otherName: "choose another name by admin, or drop the role",
    inherits: true,
    hasPassword: true,
    group: names.users,
    roles,
    users: "users of Vault",
    otherRoles: "another group or memberOf",
    isUser: (oid) => isUser(oid, names),
  };
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
export function vaultRolesDeviations(users: VaultUsers): string {
  const { names, roles, owner } = users;
  const admin = literal(names.admin);
  return `${PREAMBLE}
${userAdminDeviations(userAdminOf(users))}
SELECT format('the role %s does not exist', wanted) FROM unnest(${textArray(roles)}) wanted
WHERE wanted NOT IN (SELECT rolname FROM pg_roles);
SELECT format('%s has no password of Vault''s', rolname) FROM pg_authid WHERE rolname = ${admin} AND NOT (${PASSWORD_STAYS});
SELECT format('%s is not the role that was made for Vault''s %s', rolname, ${literal(owner)}) FROM pg_roles
WHERE rolname = ${admin} AND shobj_description(oid, 'pg_authid') IS DISTINCT FROM ${literal(mark(owner))};
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
