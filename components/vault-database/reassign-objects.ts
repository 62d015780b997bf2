/** The function of the event trigger that reassigns objects of users to their group. Pure. */
import { dollarQuoted, identifier, literal } from "../postgres/sql";
import { newOwnerOf } from "./function-text";
import type { VaultUserNames } from "./settings";
import { isUser } from "./vault-users";

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
export const CREATING_COMMANDS = [...REASSIGNED_KINDS.values()].flatMap(({ tags }) => tags);

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
export function reassignObjectsFunction(names: VaultUserNames): string {
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
