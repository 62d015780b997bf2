/**
 * Conditions for objects of extensions and superusers. Rows that a user writes to them may run, or be trusted, with a
 * superuser's rights: e.g. TimescaleDB runs jobs as the role that a row of its own table names. Pure.
 */
import { literal } from "./sql";

/** A schema that contains objects of many roles. To name it does not mean to include objects of extensions or superusers. */
const SHARED_SCHEMA = "public";

/** The condition that a relation `c` in a schema `n` is reserved: it belongs to an extension or to a superuser. */
const IS_RESERVED = `(${isSuperuser("c.relowner")} OR ${isMember("pg_class", "c.oid")} OR ${isMember("pg_namespace", "n.oid")})`;

/**
 * The condition that rights to a relation `c` in a schema `n` are granted: if the scope names no schemas, only relations of
 * ordinary roles; if it names the schema, all relations in it.
 */
export function isGrantedRelation(isNamed: boolean): string {
  return isNamed ? `(n.nspname <> ${literal(SHARED_SCHEMA)} OR NOT ${IS_RESERVED})` : `NOT ${IS_RESERVED}`;
}

/**
 * The condition that a schema `n` may be used. If the scope names no schemas: the schema of an ordinary role, or one in which
 * such roles have relations or the database's owner may create them. In PostgreSQL 14, a superuser owns `public`.
 */
export function isGrantedSchema(isNamed: boolean): string {
  if (isNamed) return "true";
  return `NOT ${isMember("pg_namespace", "n.oid")} AND (NOT ${isSuperuser("n.nspowner")}
    OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ${RELATION_KINDS} AND ${isGrantedRelation(false)})
    OR EXISTS (SELECT FROM pg_database db JOIN pg_roles r ON r.oid = db.datdba
      WHERE db.datname = current_database() AND NOT r.rolsuper AND has_schema_privilege(r.oid, n.oid, 'CREATE')))`;
}

/** Kinds of relations that rights are granted to: tables, partitioned and foreign ones, views, and sequences. */
export const RELATION_KINDS = "('r', 'p', 'v', 'm', 'f', 'S')";

export function isSuperuser(oid: string): string {
  return `EXISTS (SELECT FROM pg_roles s WHERE s.oid = ${oid} AND s.rolsuper)`;
}

function isMember(catalog: "pg_class" | "pg_namespace", oid: string): string {
  return `EXISTS (SELECT FROM pg_depend e WHERE e.classid = ${literal(catalog)}::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;
}
