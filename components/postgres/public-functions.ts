/**
 * Functions that write large objects, or messages in the WAL. Earlier releases took them from PUBLIC where there were
 * readers, and gave them to owners and writers by name. `pg_dump` writes such rights down by the functions' arguments, and
 * those of `pg_logical_emit_message` changed with PostgreSQL 17: no upgrade to it got past them. So they are given back.
 * Pure.
 */
import { doBlock, textArray } from "./sql";

/** Names, since arguments differ between versions of PostgreSQL. */
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
const IN_CATALOG = "p.pronamespace = 'pg_catalog'::regnamespace";
const IS_PUBLIC = `EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0)`;
/**
 * Whether it was an earlier release that took them in this database: nobody else is known to take the last of them, which is
 * taken alone in no guide. Where somebody took those of large objects alone, they stay taken.
 */
const WERE_TAKEN = `EXISTS (SELECT FROM pg_proc p WHERE ${IN_CATALOG} AND p.proname = 'pg_logical_emit_message' AND NOT ${IS_PUBLIC})`;

/** Gives them back to PUBLIC in one database, where they were taken; grants to others go, as PostgreSQL has it. */
export function giveBackScript(): string {
  return doBlock(`DECLARE
  item record;
  keeper record;
BEGIN
  IF NOT ${WERE_TAKEN} THEN
    RETURN;
  END IF;
  FOR item IN SELECT p.oid, p.proowner, p.oid::regprocedure AS object FROM pg_proc p
    WHERE ${IN_CATALOG} AND p.proname = ANY (${textArray(WRITING)})
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', item.object);
    FOR keeper IN SELECT DISTINCT pg_get_userbyid(acl.grantee) AS rolname FROM pg_proc p, aclexplode(p.proacl) acl
      WHERE p.oid = item.oid AND acl.grantee NOT IN (0, item.proowner)
    LOOP
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I CASCADE', item.object, keeper.rolname);
    END LOOP;
  END LOOP;
END`);
}

/** A line where they are still to be given back. */
export function publicFunctionDeviations(): string {
  return `SELECT format('PUBLIC lacks %s, which an earlier release revoked', p.oid::regprocedure) FROM pg_proc p
WHERE ${IN_CATALOG} AND p.proname = 'pg_logical_emit_message' AND NOT ${IS_PUBLIC};`;
}

/** The first major version in which `pg_logical_emit_message` has other arguments. */
export const CHANGED_IN = 17;

/** A line where rights to it would keep `pg_upgrade` from coming to a major version. */
export function upgradeHindrance(major: number): string {
  return `SELECT format('%I', current_database()) WHERE current_setting('server_version_num')::int < ${CHANGED_IN}0000
  AND ${major} >= ${CHANGED_IN} AND EXISTS (SELECT FROM pg_proc p WHERE ${IN_CATALOG} AND p.proname = 'pg_logical_emit_message'
    AND (NOT ${IS_PUBLIC} OR EXISTS (SELECT FROM aclexplode(p.proacl) acl WHERE acl.grantee NOT IN (0, p.proowner))));`;
}
