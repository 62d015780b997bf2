/**
 * Users that a role of ours makes, with CREATEROLE: those of Vault and of Teleport. Before PostgreSQL 16, CREATEROLE reached
 * every user. From 16 on it reaches those that one has ADMIN OPTION on, which are those that one made in 16 or later: not those
 * of before an upgrade, nor those that another has made. Pure.
 */
import { doBlock, literal } from "./sql";

/** Whom an SQL expression takes for a user of the maker, by the `oid` of a role. */
export type IsUser = (oid: string) => string;

/** Run as the superuser: gives the maker ADMIN OPTION on the users that it could not change or drop. */
export function grantUsersScript(maker: string, isUser: IsUser): string {
  return doBlock(`DECLARE
  account name;
BEGIN
  FOR account IN SELECT rolname FROM ${outOfReach(maker, isUser)} LOOP
    EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION', account, ${literal(maker)});
  END LOOP;
END`);
}

/** Says in a line each which users the maker could not change or drop. */
export function usersOutOfReachQuery(maker: string, isUser: IsUser): string {
  return `SELECT format('%s may not end the user %s', ${literal(maker)}, rolname) FROM ${outOfReach(maker, isUser)}
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(maker)});`;
}

function outOfReach(maker: string, isUser: IsUser): string {
  return `pg_roles account WHERE current_setting('server_version_num')::int >= 160000 AND ${isUser("account.oid")}
  AND NOT EXISTS (SELECT FROM pg_auth_members m
    WHERE m.roleid = account.oid AND m.admin_option AND pg_get_userbyid(m.member) = ${literal(maker)})`;
}
