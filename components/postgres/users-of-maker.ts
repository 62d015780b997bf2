/**
 * Users that a role of ours makes, with CREATEROLE: those of Vault and of Teleport. Before PostgreSQL 16, CREATEROLE reached
 * every user. From 16 on it reaches those that one has ADMIN OPTION on, which are those that one made in 16 or later: not those
 * of before an upgrade, nor those that another has made.
 *
 * Such users are told by a group that they are in. Their maker decides who is in it, so that alone proves nothing: see
 * `outOfReach`. Pure.
 */
import { isAdministrator } from "./administrators";
import { doBlock, literal } from "./sql";
import { OWN_MARK } from "./grants";

/** Who makes users. */
export interface Maker {
  name: string;
  /** The comment on the role. */
  mark: string;
  /** Whom an SQL expression takes for a user of the maker, by the `oid` of a role. */
  isUser: (oid: string) => string;
}

/** Run as the superuser: gives the maker ADMIN OPTION on the users that it could not change or drop. */
export function grantUsersScript(maker: Maker): string {
  return doBlock(`DECLARE
  made name;
BEGIN
  FOR made IN SELECT rolname FROM ${outOfReach(maker)} LOOP
    EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION', made, ${literal(maker.name)});
  END LOOP;
END`);
}

/** Says in a line each which users the maker could not change or drop. */
export function usersOutOfReachQuery(maker: Maker): string {
  return `SELECT format('%s may not end the user %s', ${literal(maker.name)}, rolname) FROM ${outOfReach(maker)}
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(maker.name)});`;
}

/**
 * Whoever has ADMIN OPTION on a role becomes it. So none of these is among them: PostgreSQL's roles and ours, who owns a
 * database or leads to an administrator's rights, and users of another maker.
 */
function outOfReach({ name, mark, isUser }: Maker): string {
  const isOurs = (oid: string) =>
    `coalesce(shobj_description(${oid}, 'pg_authid'), '') LIKE ${literal(`${OWN_MARK}%`)}`;
  return `pg_roles account WHERE current_setting('server_version_num')::int >= 160000
  AND ${isUser("account.oid")} AND account.oid >= 16384 AND NOT ${isOurs("account.oid")}
  AND NOT EXISTS (SELECT FROM pg_database WHERE datdba = account.oid)
  AND NOT EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(account.oid, r.oid, 'MEMBER') AND ${isAdministrator("r")})
  AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = account.oid AND m.member <> account.oid
    AND ${isOurs("m.member")} AND shobj_description(m.member, 'pg_authid') IS DISTINCT FROM ${literal(mark)})
  AND NOT EXISTS (SELECT FROM pg_auth_members m
    WHERE m.roleid = account.oid AND m.admin_option AND pg_get_userbyid(m.member) = ${literal(name)})`;
}
