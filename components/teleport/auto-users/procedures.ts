/** The SQL that prepares one database for Teleport's procedures. Pure. */
import { doBlock, literal } from "../../postgres/sql";
import { ONE_AT_A_TIME, PREAMBLE } from "../../postgres/grants";
import { AutoUsers, autoUsersAdmin } from "./settings";
import { MARK } from "./roles";

/**
 * Creates a schema for Teleport's procedures in one database. The schema belongs to the admin user, and is the only
 * one in the admin user's `search_path` there. In `public`, the owner of the database could create procedures or
 * operators that are found before Teleport's, and so run code as the admin user. In a database without such a schema,
 * Teleport cannot create its procedures and nobody can log in. (Newer versions of Teleport use `pg_temp`.) A schema
 * that someone else created is refused, whatever it contains.
 */
export function autoUserDatabaseScript(settings: AutoUsers): string {
  const { name } = autoUsersAdmin(settings);
  const admin = literal(name);
  return `${PREAMBLE}
BEGIN;
${ONE_AT_A_TIME}
${doBlock(`DECLARE
  item record;
BEGIN
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), ${admin});
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${admin}) THEN
    EXECUTE format('CREATE SCHEMA %I AUTHORIZATION %I', ${admin}, ${admin});
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', ${admin}, ${literal(MARK)});
  ELSIF NOT EXISTS (SELECT FROM ${ownSchema(name)}) THEN
    RAISE EXCEPTION 'the schema % of the database % exists and was not created for Teleport; rename it, or set autoUsers.adminUser to another name',
      ${admin}, current_database();
  END IF;
  FOR item IN ${foreignObjects(name)} LOOP
    RAISE EXCEPTION 'the schema % of the database % contains %, which is not Teleport''s; move it, or drop it',
      ${admin}, current_database(), item.object;
  END LOOP;
  FOR item IN ${foreignRights(name)} LOOP
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %s CASCADE', ${admin}, item.grantee);
  END LOOP;
  EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', ${admin}, current_database());
  EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', ${admin}, current_database(), ${admin});
END`)}
COMMIT;`;
}

/**
 * Drops an admin user's schema, with Teleport's procedures, in one database. Must run in each database before the
 * admin user is dropped.
 */
export function dropAutoUserSchemaScript(admin: string): string {
  return `${PREAMBLE}
${doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN ${foreignObjects(admin)} LOOP
    RAISE EXCEPTION 'the schema % of the database % contains %, which is not Teleport''s; move it, or drop it',
      ${literal(admin)}, current_database(), item.object;
  END LOOP;
  IF EXISTS (SELECT FROM ${ownSchema(admin)}) THEN
    EXECUTE format('DROP SCHEMA %I CASCADE', ${literal(admin)});
  END IF;
END`)}`;
}

/** Prints one line for each difference from what `autoUserDatabaseScript` creates. */
export function autoUserDatabaseDriftQuery(settings: AutoUsers): string {
  const { name } = autoUsersAdmin(settings);
  return `${PREAMBLE}
SELECT format('%s has no schema of its own in %I', rolname, current_database()) FROM pg_roles
WHERE rolname = ${literal(name)} AND NOT EXISTS (SELECT FROM ${ownSchema(name)});
SELECT format('the schema of %s in %I contains %s', ${literal(name)}, current_database(), object) FROM (${foreignObjects(name)}) f;
SELECT format('%s has rights on the schema of %s in %I', grantee, ${literal(name)}, current_database())
FROM (${foreignRights(name)}) f;
SELECT format('%s has another search_path in %I', rolname, current_database()) FROM pg_roles r
WHERE rolname = ${literal(name)} AND (
  SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
  WHERE s.setrole = r.oid AND d.datname = current_database()
) IS DISTINCT FROM ARRAY['search_path=' || quote_ident(${literal(name)})];
SELECT format('%s may not connect to %I', rolname, current_database()) FROM pg_roles
WHERE rolname = ${literal(name)} AND NOT (has_database_privilege(rolname, current_database(), 'CONNECT')
  AND has_database_privilege(rolname, current_database(), 'TEMPORARY'));`;
}

/** The schema that this program created for an admin user, and no other schema of that name. */
function ownSchema(admin: string): string {
  return `pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner AND r.rolname = n.nspname
    WHERE n.nspname = ${literal(admin)} AND obj_description(n.oid, 'pg_namespace') = ${literal(MARK)}`;
}

/** Objects in the schema that do not belong to the admin user: they could be found instead of Teleport's procedures. */
function foreignObjects(admin: string): string {
  return `SELECT o.object FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner, LATERAL (
      SELECT oid::regprocedure::text AS object, proowner AS owner FROM pg_proc WHERE pronamespace = n.oid
      UNION ALL SELECT oid::regclass::text, relowner FROM pg_class WHERE relnamespace = n.oid
      UNION ALL SELECT oid::regtype::text, typowner FROM pg_type WHERE typnamespace = n.oid
      UNION ALL SELECT oid::regoperator::text, oprowner FROM pg_operator WHERE oprnamespace = n.oid
    ) o WHERE n.nspname = ${literal(admin)} AND r.rolname = n.nspname AND o.owner <> r.oid`;
}

function foreignRights(admin: string): string {
  return `SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
    FROM pg_namespace n, aclexplode(n.nspacl) acl WHERE n.nspname = ${literal(admin)} AND acl.grantee <> n.nspowner`;
}
