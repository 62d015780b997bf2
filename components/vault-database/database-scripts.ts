/**
 * The SQL that sets up the database of the credentials, with its two functions: the one that drops a user, and the one
 * of the event trigger that reassigns objects of users to their group. It runs as the superuser. Pure.
 */
import { doBlock, identifier, literal, textArray, dollarQuoted } from "../postgres/sql";
import { ONE_AT_A_TIME, PREAMBLE } from "../postgres/grants";
import { mark, VaultUsers, isUser } from "./role-scripts";
import type { VaultUserNames } from "./settings";

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

/**
 * The function closes a user's sessions, prevents new logins, reassigns the user's objects to its group, and drops
 * the user. Objects in another database, or a lock that another session holds, can prevent the drop. Then the user
 * stays without login and rights, and the next `up` drops it.
 *
 * The function closes the sessions first: a session that has changed its own role (every user may do that) and has
 * not committed would block the drop for as long as the session lasts. It also makes Vault's user a member of the
 * user again: before PostgreSQL 16 a user can revoke that membership, which is needed to close its sessions.
 *
 * A login that was in progress while the sessions were closed is closed by the second call of pg_terminate_backend. A
 * login that even this call misses has no rights, since its memberships are gone.
 */
export function dropUserFunction(names: VaultUserNames): string {
  return `CREATE FUNCTION ${identifier(names.schema)}.end_user(account name) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS ${dollarQuoted(
    `
DECLARE
  heir name;
  item name;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = account) THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles u WHERE rolname = account AND ${isUser("u.oid", names)}) THEN
    RAISE EXCEPTION '% is no user that Vault made', account;
  END IF;
  heir := ${newOwnerOf("account", names)};
  IF NOT pg_has_role(account, 'MEMBER') THEN
    EXECUTE format('GRANT %I TO %I', account, current_user);
  END IF;
  FOR attempt IN 1 .. 5 LOOP
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = account;
    PERFORM pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = account;
    BEGIN
      PERFORM set_config('lock_timeout', '2s', true);
      EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', account);
      EXIT;
    EXCEPTION WHEN lock_not_available OR internal_error THEN
      IF attempt = 5 THEN
        RAISE;
      END IF;
    END;
  END LOOP;
  PERFORM set_config('lock_timeout', '10s', true);
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = account;
  PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = account;
  BEGIN
    IF heir IS NOT NULL THEN
      EXECUTE format('REASSIGN OWNED BY %I TO %I', account, heir);
    ELSIF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
      AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = account)) THEN
      RAISE EXCEPTION 'what it owns has no heir';
    END IF;
    EXECUTE format('DROP OWNED BY %I', account);
    EXECUTE format('DROP ROLE %I', account);
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '% was shut out, but not dropped: %', account, SQLERRM;
    FOR item IN SELECT pg_get_userbyid(roleid) FROM pg_auth_members
      WHERE pg_get_userbyid(member) = account AND pg_get_userbyid(roleid) <> ${literal(names.users)}
    LOOP
      BEGIN
        EXECUTE format('REVOKE %I FROM %I', item, account);
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '% stays a member of %: %', account, item, SQLERRM;
      END;
    END LOOP;
  END;
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = account;
END
`,
    "body",
  )};`;
}

interface Kind {
  /** Keyword of ALTER. Default: the kind itself. */
  alter?: string;
  /** Keyword of GRANT, for kinds that have default privileges. */
  grant?: keyof typeof DEFAULT_PRIVILEGES;
  /** The commands that create such an object. */
  tags: string[];
}

/** Keywords of GRANT, and `defaclobjtype` of pg_default_acl. */
const DEFAULT_PRIVILEGES = { TABLE: "r", SEQUENCE: "S", ROUTINE: "f", TYPE: "T", SCHEMA: "n" };

/** Kinds of objects that have their own owner and that users can create. */
const REASSIGNED_KINDS = new Map<string, Kind>([
  ["schema", { grant: "SCHEMA", tags: ["CREATE SCHEMA"] }],
  ["table", { grant: "TABLE", tags: ["CREATE TABLE", "CREATE TABLE AS", "SELECT INTO"] }],
  ["foreign table", { grant: "TABLE", tags: ["CREATE FOREIGN TABLE"] }],
  ["view", { grant: "TABLE", tags: ["CREATE VIEW"] }],
  ["materialized view", { grant: "TABLE", tags: ["CREATE MATERIALIZED VIEW"] }],
  ["sequence", { grant: "SEQUENCE", tags: ["CREATE SEQUENCE"] }],
  // The event trigger reports an aggregate without arguments as `name()`; ALTER AGGREGATE needs `name(*)`, ALTER
  // ROUTINE does not.
  ["function", { alter: "routine", grant: "ROUTINE", tags: ["CREATE FUNCTION"] }],
  ["procedure", { alter: "routine", grant: "ROUTINE", tags: ["CREATE PROCEDURE"] }],
  ["aggregate", { alter: "routine", grant: "ROUTINE", tags: ["CREATE AGGREGATE"] }],
  ["type", { grant: "TYPE", tags: ["CREATE TYPE"] }],
  ["domain", { grant: "TYPE", tags: ["CREATE DOMAIN"] }],
  ["collation", { tags: ["CREATE COLLATION"] }],
  ["conversion", { tags: ["CREATE CONVERSION"] }],
  ["operator", { tags: ["CREATE OPERATOR"] }],
  ["statistics object", { alter: "statistics", tags: ["CREATE STATISTICS"] }],
  ["text search configuration", { tags: ["CREATE TEXT SEARCH CONFIGURATION"] }],
  ["text search dictionary", { tags: ["CREATE TEXT SEARCH DICTIONARY"] }],
]);

/** Commands that fire the event trigger. */
const CREATING_COMMANDS = [...REASSIGNED_KINDS.values()].flatMap(({ tags }) => tags);

/** Rows of an SQL `VALUES`: each kind, its keywords in ALTER and GRANT, and its default privileges. */
const KINDS = [...REASSIGNED_KINDS].map(([kind, { alter = kind, grant }]) => {
  const privileges = grant ? `${literal(grant)}, ${literal(DEFAULT_PRIVILEGES[grant])}` : "NULL, NULL";
  return `(${literal(kind)}, ${literal(alter)}, ${privileges})`;
});

/**
 * Reassigns to the group what one of Vault's users has just created, and grants the group's default privileges (ALTER
 * DEFAULT PRIVILEGES), as if the group had created it. Its own ALTER and GRANT do not fire the event trigger again:
 * only commands that create objects do. Sequences of columns follow their table and cannot be reassigned alone.
 * Objects of extensions and temporary objects are skipped.
 */
function reassignObjectsFunction(names: VaultUserNames): string {
  return `CREATE FUNCTION ${identifier(names.schema)}.hand_over() RETURNS event_trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS ${dollarQuoted(
    `
DECLARE
  heir name;
  item record;
  given record;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles u WHERE rolname = current_user AND ${isUser("u.oid", names)}) THEN
    RETURN;
  END IF;
  heir := ${newOwnerOf("current_user", names)};
  IF heir IS NULL THEN
    RETURN;
  END IF;
  FOR item IN
    SELECT object_identity AS object, to_alter, to_grant, letter,
      (SELECT n.oid FROM pg_namespace n WHERE n.nspname = made.schema_name) AS namespace,
      object_type = 'sequence' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
        AND d.objid = made.objid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS follows
    FROM pg_event_trigger_ddl_commands() made
    JOIN (VALUES ${KINDS.join(", ")}) kinds (kind, to_alter, to_grant, letter) ON kind = object_type
    WHERE command_tag LIKE ANY (ARRAY['CREATE %', 'SELECT INTO']) AND NOT in_extension
      AND schema_name IS DISTINCT FROM 'pg_temp'
  LOOP
    BEGIN
      IF NOT item.follows THEN
        EXECUTE format('ALTER %s %s OWNER TO %I', item.to_alter, item.object, heir);
      END IF;
      -- Those that are for all schemas stand instead of what PUBLIC has otherwise.
      IF EXISTS (SELECT FROM pg_default_acl d WHERE pg_get_userbyid(d.defaclrole) = heir AND d.defaclobjtype = item.letter
        AND d.defaclnamespace = 0) THEN
        EXECUTE format('REVOKE ALL ON %s %s FROM PUBLIC', item.to_grant, item.object);
      END IF;
      FOR given IN
        SELECT acl.privilege_type AS privilege,
          CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee,
          CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option
        FROM pg_default_acl d, aclexplode(d.defaclacl) acl
        WHERE pg_get_userbyid(d.defaclrole) = heir AND d.defaclobjtype = item.letter
          AND d.defaclnamespace IN (0, item.namespace) AND acl.grantee <> d.defaclrole
      LOOP
        EXECUTE format('GRANT %s ON %s %s TO %s%s', given.privilege, item.to_grant, item.object, given.grantee, given.option);
      END LOOP;
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE WARNING '% % stays its maker''s until that is gone: %', item.to_alter, item.object, SQLERRM;
    END;
  END LOOP;
END
`,
    "body",
  )};`;
}

/** PostgreSQL stores the text between these marks as the function's source. */
const BODY = /(\$body[0-9]*\$)(.*)\1/s;

/** The source of one of these functions, as PostgreSQL stores it. */
function sourceOf(definition: string): string {
  return BODY.exec(definition)?.[2] ?? "";
}

/**
 * SQL for the new owner of a user's objects: the group, if the user is a member of it; otherwise the first of the
 * user's roles that is not PostgreSQL's own; otherwise NULL. The new owner never has more rights than the user: a
 * function that runs with its owner's rights, or the expression of an index, would give these rights to the user.
 */
function newOwnerOf(account: string, { group, users }: VaultUserNames): string {
  return `(SELECT rolname FROM pg_roles r
    WHERE CASE WHEN rolname = ${literal(group)} THEN pg_has_role(${account}, r.oid, 'MEMBER')
      ELSE rolname <> ${literal(users)} AND rolname !~ '^pg_' AND EXISTS (SELECT FROM pg_auth_members direct
        WHERE direct.roleid = r.oid AND pg_get_userbyid(direct.member) = ${account}) END
    ORDER BY rolname <> ${literal(group)}, rolname LIMIT 1)`;
}
