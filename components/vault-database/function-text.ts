/** What the functions in the database have in common. Pure. */
import { literal } from "../postgres/sql";
import type { VaultUserNames } from "./settings";

/** Between these is what PostgreSQL keeps as the function's source. */
const BODY = /(\$body[0-9]*\$)(.*)\1/s;

/** The source of a function of these, as PostgreSQL keeps it. */
export function sourceOf(definition: string): string {
  return BODY.exec(definition)?.[2] ?? "";
}

/**
 * Whom a user's objects go to: the group, where the user is a member of it; else the first of its roles; NULL where those
 * are PostgreSQL's own. Never one that may do more than the user: a function that runs with its owner's rights, or the
 * expression of an index, would be a way to get there.
 */
export function heirOf(account: string, { group, users }: VaultUserNames): string {
  return `(SELECT rolname FROM pg_roles r
    WHERE CASE WHEN rolname = ${literal(group)} THEN pg_has_role(${account}, r.oid, 'MEMBER')
      ELSE rolname <> ${literal(users)} AND rolname !~ '^pg_' AND EXISTS (SELECT FROM pg_auth_members direct
        WHERE direct.roleid = r.oid AND pg_get_userbyid(direct.member) = ${account}) END
    ORDER BY rolname <> ${literal(group)}, rolname LIMIT 1)`;
}
