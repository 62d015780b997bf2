/**
 * Users that a role of ours makes, with CREATEROLE: those of Vault and of Teleport. Before PostgreSQL 16, CREATEROLE reached
 * every user. From 16 on it reaches those that one has ADMIN OPTION on, which are those that one made in 16 or later: not those
 * of before an upgrade, nor those that another has made.
 *
 * Such users are told by a group that they are in. Their maker decides who is in it, so that alone proves nothing: see
 * `isNoOther`. Pure.
 */
import { isAdministrator } from "./administrators";
import { doBlock, literal } from "./sql";
import { OWN_MARK } from "./statements";

/** Who makes users. */
export interface Maker {
  name: string;
  /** The comment on the role. */
  mark: string;
  /** Whom an SQL expression takes for a user of the maker, by the `oid` of a role. */
  isUser: (oid: string) => string;
}

/** Whether a role may be a user that somebody made, and is neither PostgreSQL's, a superuser, a role of ours, nor a database's owner. */
function isNoOther(oid: string): string {
  return `EXISTS (SELECT FROM pg_roles no_other WHERE no_other.oid = ${oid} AND no_other.oid >= 16384 AND NOT no_other.rolsuper
    AND coalesce(shobj_description(no_other.oid, 'pg_authid'), '') NOT LIKE ${literal(`${OWN_MARK}%`)}
    AND NOT EXISTS (SELECT FROM pg_database WHERE datdba = no_other.oid))`;
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

/** But for those that lead to an administrator's rights, and those of another maker: whoever has ADMIN OPTION becomes them. */
function outOfReach({ name, mark, isUser }: Maker): string {
  return `pg_roles account WHERE current_setting('server_version_num')::int >= 160000
  AND ${isUser("account.oid")} AND ${isNoOther("account.oid")}
  AND NOT EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(account.oid, r.oid, 'MEMBER') AND ${isAdministrator("r")})
  AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = account.oid AND m.member <> account.oid
    AND shobj_description(m.member, 'pg_authid') LIKE ${literal(`${OWN_MARK}%`)}
    AND shobj_description(m.member, 'pg_authid') IS DISTINCT FROM ${literal(mark)})
  AND NOT EXISTS (SELECT FROM pg_auth_members m
    WHERE m.roleid = account.oid AND m.admin_option AND pg_get_userbyid(m.member) = ${literal(name)})`;
}
