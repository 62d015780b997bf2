/**
 * What PgBouncer needs in the database `postgres` to look up passwords: its role, and a function that returns the
 * password hash of a user, but never of a superuser or a replication role. Pure.
 */
import { PoolerAuthentication, POOLER_LOGINS } from "../cnpg/pooler";
import type { TeleportUser } from "../cnpg/roles";
import { attributeDrift, attributeScript } from "./role-attributes";
import { doBlock, literal } from "./sql";
import { OWN_MARK, PREAMBLE } from "./grants";

/** Excludes this schema from users' rights, which otherwise include every schema. The text is stored in databases. */
const MARK = `${OWN_MARK}tells PgBouncer passwords' hashes`;

const BODY = `SELECT rolname, rolpassword FROM pg_authid
  WHERE rolname = uname AND rolcanlogin AND NOT rolsuper AND NOT rolreplication`;

/** PgBouncer's role for `explicit`, as a user. CNPG has no rule for it. The role for `integrated` is CNPG's own. */
export const EXPLICIT_LOGIN: TeleportUser = { name: POOLER_LOGINS.explicit.role, access: "none", connectionLimit: -1 };

/** Creates the login. Creates the role only if CNPG reserves its name, so that it cannot be a managed role. */
export function poolerLoginScript(login: PoolerAuthentication): string {
  const { role, schema } = POOLER_LOGINS[login];
  return `${PREAMBLE}
BEGIN;
${doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
    CREATE ROLE ${role} LOGIN;
  END IF;
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = '${schema}' AND ${isForeign("nspowner")}) THEN
    RAISE EXCEPTION 'the schema ${schema} of the database postgres is not owned by a superuser, so its owner could answer PgBouncer''s password lookups; drop the schema';
  END IF;
  IF EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('${schema}.user_search(text)') AND ${isForeign("proowner")}) THEN
    DROP FUNCTION ${schema}.user_search(text);
  END IF;
END`)}${login === "explicit" ? `\n${attributeScript(EXPLICIT_LOGIN)}` : ""}
CREATE SCHEMA IF NOT EXISTS ${schema};${isOwn(schema) ? `\nCOMMENT ON SCHEMA ${schema} IS ${literal(MARK)};` : ""}
CREATE OR REPLACE FUNCTION ${schema}.user_search(uname text) RETURNS TABLE (usename name, passwd text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$${BODY}$$;
ALTER FUNCTION ${schema}.user_search(text) OWNER TO CURRENT_USER;
REVOKE ALL ON FUNCTION ${schema}.user_search(text) FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO ${role};
GRANT USAGE ON SCHEMA ${schema} TO ${role};
GRANT EXECUTE ON FUNCTION ${schema}.user_search(text) TO ${role};
COMMIT;`;
}

/** Drops the function, and the schema if it is ours. The role is dropped like any other. */
export function dropPoolerLoginScript(login: PoolerAuthentication): string {
  const { schema } = POOLER_LOGINS[login];
  return `${PREAMBLE}
DROP FUNCTION IF EXISTS ${schema}.user_search(text);${isOwn(schema) ? `\nDROP SCHEMA IF EXISTS ${schema};` : ""}`;
}

/** Returns the drift of the login. */
export function poolerLoginQuery(login: PoolerAuthentication): string {
  const { role, schema } = POOLER_LOGINS[login];
  return `${PREAMBLE}${login === "explicit" ? `\n${attributeDrift(EXPLICIT_LOGIN)}` : ""}
SELECT 'PgBouncer does not have its login ${role}' WHERE NOT EXISTS (
  SELECT FROM pg_roles WHERE rolname = '${role}' AND rolcanlogin
    AND has_function_privilege(rolname, to_regprocedure('${schema}.user_search(text)'), 'EXECUTE'));
SELECT 'the function ${schema}.user_search for PgBouncer was changed' FROM pg_proc
WHERE oid = to_regprocedure('${schema}.user_search(text)') AND (${isForeign("proowner")} OR NOT prosecdef
  OR prosrc <> ${literal(BODY)} OR proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']);`;
}

/**
 * In PostgreSQL 14, everybody may create objects in the schema public. CREATE OR REPLACE keeps the owner of a function. This
 * owner could replace it again, and return any hash to PgBouncer. Objects of a superuser, or of PostgreSQL's own role
 * pg_database_owner, are not foreign.
 */
function isForeign(owner: string): string {
  return `NOT EXISTS (SELECT FROM pg_roles o WHERE o.oid = ${owner} AND (o.rolsuper OR o.rolname = 'pg_database_owner'))`;
}

function isOwn(schema: string): boolean {
  return schema !== "public";
}
