/**
 * What explicit authentication of Poolers needs in the database `postgres`: a function that tells PgBouncer's role the
 * password hash of a user. Never that of a superuser or of a replication role. Pure.
 */
import { POOLER_AUTHENTICATION } from "../cnpg/pooler";
import { PREAMBLE } from "./statements";

const { role, schema } = POOLER_AUTHENTICATION;

export const POOLER_AUTHENTICATION_SCRIPT = `${PREAMBLE}
BEGIN;
CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE OR REPLACE FUNCTION ${schema}.user_search(uname text) RETURNS TABLE (usename name, passwd text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$SELECT rolname, rolpassword FROM pg_authid
  WHERE rolname = uname AND rolcanlogin AND NOT rolsuper AND NOT rolreplication$$;
REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC;
REVOKE ALL ON FUNCTION ${schema}.user_search(text) FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO ${role};
GRANT USAGE ON SCHEMA ${schema} TO ${role};
GRANT EXECUTE ON FUNCTION ${schema}.user_search(text) TO ${role};
COMMIT;`;

export const DROP_POOLER_AUTHENTICATION_SCRIPT = `${PREAMBLE}
DROP SCHEMA IF EXISTS ${schema} CASCADE;`;
