/** The SQL that sets up the database of the credentials. It runs as the superuser. Pure. */
import { doBlock, identifier, literal, textArray } from "../postgres/sql";
import { ONE_AT_A_TIME, PREAMBLE } from "../postgres/grants";
import { dropUserFunction } from "./drop-user";
import { sourceOf } from "./function-text";
import { CREATING_COMMANDS, reassignObjectsFunction } from "./reassign-objects";
import { mark, VaultUsers } from "./vault-users";

/**
 * Creates what Vault's user needs in the database: the function that drops a user, and the event trigger that
 * reassigns objects which users create.
 *
 * The functions are in a schema that belongs to the superuser, so nobody else can create objects in it. A schema of
 * that name that someone else created is refused: its owner could replace a function that also fires for commands of
 * the superuser.
 */
export function vaultDatabaseScript({ names, schemas, owner }: VaultUsers): string {
  const schema = identifier(names.schema);
  const [admin, trigger] = [names.admin, names.trigger].map(identifier);
  return `${PREAMBLE}
BEGIN;
${ONE_AT_A_TIME}
${doBlock(`BEGIN
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(names.schema)}
    AND (pg_get_userbyid(nspowner) <> current_user OR obj_description(oid, 'pg_namespace') IS DISTINCT FROM ${literal(mark(owner))})) THEN
    RAISE EXCEPTION 'the schema % exists and was not created for Vault''s %; rename it, or set admin to another name', ${literal(names.schema)}, ${literal(owner)};
  END IF;
END`)}
DROP EVENT TRIGGER IF EXISTS ${trigger};
DROP SCHEMA IF EXISTS ${schema} CASCADE;
CREATE SCHEMA ${schema};
COMMENT ON SCHEMA ${schema} IS ${literal(mark(owner))};
REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA ${schema} TO ${admin};
${dropUserFunction(names)}
REVOKE ALL ON FUNCTION ${schema}.end_user(name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ${schema}.end_user(name) TO ${admin};
${reassignObjectsFunction(names)}
CREATE EVENT TRIGGER ${trigger} ON ddl_command_end
  WHEN TAG IN (${CREATING_COMMANDS.map(literal).join(", ")})
  EXECUTE FUNCTION ${schema}.hand_over();
${grantsScript(names.group, [names.admin, names.users], schemas, owner)}
COMMIT;`;
}

/**
 * The users may connect, and their group may create objects. The owner of a database may do so anyway. A group that
 * this program created loses its rights on schemas that are no longer declared. Rights that were granted manually to
 * another role stay.
 */
function grantsScript(group: string, connecting: readonly string[], schemas: readonly string[], owner: string): string {
  return doBlock(`DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ${textArray(connecting)} LOOP
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), item);
  END LOOP;
  IF ${literal(group)} = (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()) THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), ${literal(group)});
  FOREACH item IN ARRAY ${textArray(schemas)} LOOP
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', item, ${literal(group)});
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(group)} AND shobj_description(oid, 'pg_authid') = ${literal(mark(owner))}) THEN
    FOR item IN SELECT nspname FROM pg_namespace, aclexplode(nspacl) acl
      WHERE pg_get_userbyid(acl.grantee) = ${literal(group)} AND acl.privilege_type = 'CREATE'
        AND pg_get_userbyid(nspowner) <> ${literal(group)} AND nspname <> ALL (${textArray(schemas)})
    LOOP
      EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', item, ${literal(group)});
    END LOOP;
  END IF;
END`);
}

/** Prints one line for each difference from what `vaultDatabaseScript` creates. */
export function vaultDatabaseDriftQuery({ names, schemas }: VaultUsers): string {
  const schema = literal(names.schema);
  const functions = { end_user: dropUserFunction(names), hand_over: reassignObjectsFunction(names) };
  const bodies = Object.entries(functions).map(
    ([name, definition]) => `SELECT 'the function ${name} for Vault is missing or was changed' WHERE NOT EXISTS (
  SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE nspname = ${schema} AND proname = '${name}' AND NOT prosecdef AND prosrc = ${literal(sourceOf(definition))}
    AND proconfig[1] LIKE 'search_path=pg_catalog, pg_temp%');`,
  );
  return `${PREAMBLE}
${bodies.join("\n")}
SELECT 'the event trigger ${names.trigger} does not exist or is disabled' WHERE NOT EXISTS (
  SELECT FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE evtname = ${literal(names.trigger)} AND nspname = ${schema} AND proname = 'hand_over' AND evtenabled IN ('O', 'A'));
SELECT format('%s may not use the schema of its functions', ${literal(names.admin)}) WHERE NOT EXISTS (
  SELECT FROM pg_namespace, pg_roles WHERE nspname = ${schema} AND rolname = ${literal(names.admin)}
    AND has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'USAGE'));
SELECT format('%s may not connect to %I', rolname, current_database()) FROM pg_roles
WHERE rolname = ANY (${textArray([names.admin, names.users])}) AND NOT has_database_privilege(oid, current_database(), 'CONNECT');
SELECT format('%s may not create in schema %I', rolname, nspname) FROM pg_roles, pg_namespace, pg_database
WHERE rolname = ${literal(names.group)} AND datname = current_database() AND datdba <> pg_roles.oid
  AND nspname = ANY (${textArray(schemas)}) AND NOT has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'CREATE');`;
}

/** Drops the event trigger and the functions, if this program created them. */
export function dropVaultDatabaseScript({ names, owner }: Pick<VaultUsers, "names" | "owner">): string {
  return `${PREAMBLE}
BEGIN;
${ONE_AT_A_TIME}
${doBlock(`BEGIN
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(names.schema)} AND pg_get_userbyid(nspowner) = current_user AND obj_description(oid, 'pg_namespace') = ${literal(mark(owner))}) THEN
    DROP EVENT TRIGGER IF EXISTS ${identifier(names.trigger)};
    DROP SCHEMA ${identifier(names.schema)} CASCADE;
  END IF;
END`)}
COMMIT;`;
}
