/**
 * Functions that write large objects, or messages to the WAL. If there were readers, earlier releases revoked them from
 * PUBLIC, and granted them to owners and writers. `pg_dump` writes such rights with the functions' arguments. In
 * PostgreSQL 17, the arguments of `pg_logical_emit_message` changed, so upgrades to 17 failed. So the rights are
 * granted to PUBLIC again. Pure.
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
 * Whether an earlier release revoked them in this database. Nobody else is known to revoke `pg_logical_emit_message`.
 * If somebody else revoked only the functions for large objects, they stay revoked.
 */
const WERE_TAKEN = `EXISTS (SELECT FROM pg_proc p WHERE ${IN_CATALOG} AND p.proname = 'pg_logical_emit_message' AND NOT ${IS_PUBLIC})`;

/** Grants them to PUBLIC again if they were revoked, and revokes the grants to others, as in PostgreSQL's defaults. */
export function grantToPublicScript(): string {
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

/** Returns a line if a right of PUBLIC is still missing. */
export function publicFunctionDrift(): string {
  return `SELECT format('PUBLIC may not execute %s, which an earlier release revoked', p.oid::regprocedure) FROM pg_proc p
WHERE ${IN_CATALOG} AND p.proname = 'pg_logical_emit_message' AND NOT ${IS_PUBLIC};`;
}

/** The first major version in which `pg_logical_emit_message` has other arguments. */
const CHANGED_IN = 17;

/** SQL: whether the rights of this function would make `pg_upgrade` to a major version fail. */
export function isUpgradeBlocked(major: number): string {
  return `current_setting('server_version_num')::int < ${CHANGED_IN}0000
  AND ${major} >= ${CHANGED_IN} AND EXISTS (SELECT FROM pg_proc p WHERE ${IN_CATALOG} AND p.proname = 'pg_logical_emit_message'
    AND (NOT ${IS_PUBLIC} OR EXISTS (SELECT FROM aclexplode(p.proacl) acl WHERE acl.grantee NOT IN (0, p.proowner))))`;
}
