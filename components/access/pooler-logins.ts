/**
 * What PgBouncer needs in the database `postgres` to look up passwords: its role, and a function that tells it the hash
 * of a user's. Never that of a superuser or of a replication role. Pure.
 */
import { PoolerAuthentication, POOLER_LOGINS } from "../cnpg/pooler";
import { doBlock, literal } from "./sql";
import { OWN_MARK, PREAMBLE } from "./statements";

/** Keeps people's rights, which reach every schema, out of this one. */
const MARK = `${OWN_MARK}tells PgBouncer passwords' hashes`;

/** Makes the login; its role is made here only where CNPG reserves the name, so that it cannot be a managed role. */
export function poolerLoginScript(login: PoolerAuthentication): string {
  const { role, schema } = POOLER_LOGINS[login];
  return `${PREAMBLE}
BEGIN;
${doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
    CREATE ROLE ${role} LOGIN;
  END IF;
END`)}
CREATE SCHEMA IF NOT EXISTS ${schema};${isOwn(schema) ? `\nCOMMENT ON SCHEMA ${schema} IS ${literal(MARK)};` : ""}
CREATE OR REPLACE FUNCTION ${schema}.user_search(uname text) RETURNS TABLE (usename name, passwd text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$SELECT rolname, rolpassword FROM pg_authid
  WHERE rolname = uname AND rolcanlogin AND NOT rolsuper AND NOT rolreplication$$;
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
  return `${PREAMBLE}
SELECT 'PgBouncer lacks its login ${role}' WHERE NOT EXISTS (
  SELECT FROM pg_roles WHERE rolname = '${role}' AND rolcanlogin
    AND has_function_privilege(rolname, to_regprocedure('${schema}.user_search(text)'), 'EXECUTE'));`;
}

function isOwn(schema: string): boolean {
  return schema !== "public";
}
