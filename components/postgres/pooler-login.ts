/**
 * What PgBouncer needs in the database `postgres` to look up passwords: its role, and a function that tells it the hash
 * of a user's. Never that of a superuser or of a replication role. Pure.
 */
import { PoolerAuthentication, POOLER_LOGINS } from "../cnpg/pooler";
import type { TeleportUser } from "../cnpg/roles";
import { attributeDeviations, attributeScript } from "./role-attributes";
import { doBlock, literal } from "./sql";
import { OWN_MARK, PREAMBLE } from "./grants";

/** Keeps people's rights, which reach every schema, out of this one. */
const MARK = `${OWN_MARK}tells PgBouncer passwords' hashes`;

const BODY = `SELECT rolname, rolpassword FROM pg_authid
  WHERE rolname = uname AND rolcanlogin AND NOT rolsuper AND NOT rolreplication`;

/** PgBouncer's role for `explicit`, as a user. CNPG has no rule for it. The role for `integrated` is CNPG's own. */
export const EXPLICIT_LOGIN: TeleportUser = { name: POOLER_LOGINS.explicit.role, access: "none", connectionLimit: -1 };

/** Makes the login; its role is made here only where CNPG reserves the name, so that it cannot be a managed role. */
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

/** Takes the function away, and the schema with it where it is ours. The role is dropped as any other. */
export function dropPoolerLoginScript(login: PoolerAuthentication): string {
  const { schema } = POOLER_LOGINS[login];
  return `${PREAMBLE}
DROP FUNCTION IF EXISTS ${schema}.user_search(text);${isOwn(schema) ? `\nDROP SCHEMA IF EXISTS ${schema};` : ""}`;
}

/** Says where the login is not as it was made. */
export function poolerLoginQuery(login: PoolerAuthentication): string {
  const { role, schema } = POOLER_LOGINS[login];
  return `${PREAMBLE}${login === "explicit" ? `\n${attributeDeviations(EXPLICIT_LOGIN)}` : ""}
SELECT 'PgBouncer lacks its login ${role}' WHERE NOT EXISTS (
  SELECT FROM pg_roles WHERE rolname = '${role}' AND rolcanlogin
    AND has_function_privilege(rolname, to_regprocedure('${schema}.user_search(text)'), 'EXECUTE'));
SELECT 'the function ${schema}.user_search for PgBouncer is not as it was made' FROM pg_proc
WHERE oid = to_regprocedure('${schema}.user_search(text)') AND (${isForeign("proowner")} OR NOT prosecdef
  OR prosrc <> ${literal(BODY)} OR proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']);`;
}

/**
 * In PostgreSQL 14 everybody may make things in the schema public. CREATE OR REPLACE would leave a function to its owner,
 * who could replace it in turn, and tell PgBouncer a hash of his own for anybody. What is a superuser's, or PostgreSQL's own
 * role's for owners of databases, is not foreign.
 */
function isForeign(owner: string): string {
  return `NOT EXISTS (SELECT FROM pg_roles o WHERE o.oid = ${owner} AND (o.rolsuper OR o.rolname = 'pg_database_owner'))`;
}

function isOwn(schema: string): boolean {
  return schema !== "public";
}
