/** Shared parts of the functions in the database. Pure. */
import { literal } from "../postgres/sql";
import type { VaultUserNames } from "./settings";

/** PostgreSQL stores the text between these marks as the function's source. */
const BODY = /(\$body[0-9]*\$)(.*)\1/s;

/** The source of one of these functions, as PostgreSQL stores it. */
export function sourceOf(definition: string): string {
  return BODY.exec(definition)?.[2] ?? "";
}

/**
 * SQL for the new owner of a user's objects: the group, if the user is a member of it; otherwise the first of the
 * user's roles that is not PostgreSQL's own; otherwise NULL. The new owner never has more rights than the user: a
 * function that runs with its owner's rights, or the expression of an index, would give these rights to the user.
 */
export function newOwnerOf(account: string, { group, users }: VaultUserNames): string {
  return `(SELECT rolname FROM pg_roles r
    WHERE CASE WHEN rolname = ${literal(group)} THEN pg_has_role(${account}, r.oid, 'MEMBER')
      ELSE rolname <> ${literal(users)} AND rolname !~ '^pg_' AND EXISTS (SELECT FROM pg_auth_members direct
        WHERE direct.roleid = r.oid AND pg_get_userbyid(direct.member) = ${account}) END
    ORDER BY rolname <> ${literal(group)}, rolname LIMIT 1)`;
}
