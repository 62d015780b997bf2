/**
 * Functions by which PostgreSQL lets everybody write what lasts: large objects, and messages in the WAL for logical
 * decoding. It has no rule that denies a role what PUBLIC may; so where there are readers, PUBLIC may not, and owners and
 * writers may by name. Only a superuser can do that: the functions are the superuser's. Pure.
 *
 * Temporary tables stay: they end with their session, nobody else sees them, and the owner of a database can himself take
 * them from PUBLIC, which is then left as it is.
 */
import type { TeleportUser } from "../cnpg/roles";
import { doBlock, textArray } from "./sql";

/** Names, since arguments differ between versions of PostgreSQL. Reading large objects stays open to everybody. */
const WRITING = [
  "lo_creat",
  "lo_create",
  "lo_from_bytea",
  "lo_put",
  "lo_truncate",
  "lo_truncate64",
  "lo_unlink",
  "lowrite",
  "pg_logical_emit_message",
];
const IS_WRITING = `pronamespace = 'pg_catalog'::regnamespace AND proname = ANY (${textArray(WRITING)})`;
const IS_PUBLIC = `EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)`;

/** Whether PUBLIC may not call them: while there is somebody who is to read only. */
export function withholdsFromPublic(users: readonly TeleportUser[]): boolean {
  return users.some(({ access }) => access === "read");
}

/**
 * Who keeps them: the writers; who owns the database, a schema, a table or a large object in it, and so could write
 * before. Not a reader, nor who is one by membership, as users that Teleport makes: but for the database's owner. Nor
 * short-lived users: Vault could not drop them, since a grant by the superuser is not its to revoke; they have what their
 * group has.
 */
function keepers(users: readonly TeleportUser[]): string {
  const named = (access: string) => textArray(users.filter((user) => user.access === access).map(({ name }) => name));
  return `SELECT r.oid, r.rolname FROM pg_roles r
    LEFT JOIN pg_database d ON d.datdba = r.oid AND d.datname = current_database()
    WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' AND r.rolname <> ALL (${named("read")})
      AND (d.oid IS NOT NULL OR r.rolname = ANY (${named("write")}) OR r.oid IN (
        SELECT nspowner FROM pg_namespace
        UNION SELECT relowner FROM pg_class WHERE relpersistence <> 't'
        UNION SELECT lomowner FROM pg_largeobject_metadata) AND r.rolvaliduntil IS NULL)
      AND (d.oid IS NOT NULL OR NOT EXISTS (SELECT FROM pg_roles reader
        WHERE reader.rolname = ANY (${named("read")}) AND pg_has_role(r.oid, reader.oid, 'MEMBER')))`;
}

/** Takes them from PUBLIC in one database, and gives them to who keeps them. */
export function withholdScript(users: readonly TeleportUser[]): string {
  if (!withholdsFromPublic(users)) return "";
  return forEachFunction(`EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', item.object);
    FOR keeper IN ${keepers(users)} LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', item.object, keeper.rolname);
    END LOOP;`);
}

/** Gives them back to PUBLIC in one database, as PostgreSQL has it; grants to others would be in the way of dropping them. */
export function giveBackScript(): string {
  return forEachFunction(`EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', item.object);
    FOR keeper IN SELECT pg_get_userbyid(grantee) AS rolname FROM pg_proc, aclexplode(proacl) acl
      WHERE pg_proc.oid = item.object AND grantee NOT IN (0, proowner)
    LOOP
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', item.object, keeper.rolname);
    END LOOP;`);
}

/** A line where PUBLIC has one, or where who keeps them lacks one. */
export function publicFunctionDeviations(users: readonly TeleportUser[]): string {
  if (!withholdsFromPublic(users)) return "";
  return `SELECT format('everybody may call %s, readers too', pg_proc.oid::regprocedure) FROM pg_proc
WHERE ${IS_WRITING} AND ${IS_PUBLIC};
SELECT format('%s may not call %s', keeper.rolname, pg_proc.oid::regprocedure) FROM pg_proc, (${keepers(users)}) keeper
WHERE ${IS_WRITING} AND NOT has_function_privilege(keeper.oid, pg_proc.oid, 'EXECUTE');`;
}

function forEachFunction(statements: string): string {
  return doBlock(`DECLARE
  item record;
  keeper record;
BEGIN
  FOR item IN SELECT pg_proc.oid::regprocedure AS object FROM pg_proc WHERE ${IS_WRITING} LOOP
    ${statements}
  END LOOP;
END`);
}
