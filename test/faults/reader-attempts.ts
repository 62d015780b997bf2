/** Attempts of a user who may only read, each in a transaction that it made writable. */

/** SQL that writes, or leads to a write. It works for the superuser, so a refusal is because of missing rights. */
export interface Attempt {
  sql: string;
  /** Not in a transaction block, where PostgreSQL refuses it for everybody. */
  alone?: boolean;
}

/** Created by the database's owner: a schema `stock`, and large objects. The reader owns 4343. */
export const OBJECTS = `
CREATE SCHEMA stock;
CREATE TABLE stock.items (id serial PRIMARY KEY, name text);
INSERT INTO stock.items (name) VALUES ('nails');
CREATE SEQUENCE stock.numbers;
CREATE VIEW stock.names AS SELECT id, name FROM stock.items;
CREATE VIEW stock.ruled AS SELECT 1 AS id;
CREATE RULE ruled AS ON INSERT TO stock.ruled DO INSTEAD INSERT INTO stock.items (name) VALUES ('by rule');
CREATE FUNCTION stock.invoked() RETURNS int LANGUAGE sql
  AS $$INSERT INTO stock.items (name) VALUES ('invoked') RETURNING id$$;
CREATE VIEW stock.calling AS SELECT stock.invoked();
CREATE FUNCTION stock.defined() RETURNS void LANGUAGE sql SECURITY DEFINER
  AS $$INSERT INTO stock.items (name) VALUES ('by definer')$$;
CREATE MATERIALIZED VIEW stock.copied AS SELECT * FROM stock.items;
SELECT lo_from_bytea(4242, 'owned'), lo_from_bytea(4343, 'to be the reader''s');
`;

const inTransaction = [
  "INSERT INTO stock.items (name) VALUES ('x')",
  "UPDATE stock.items SET name = 'x'",
  "DELETE FROM stock.items",
  "TRUNCATE stock.items",
  "MERGE INTO stock.items i USING (SELECT 1 AS id) s ON i.id = s.id WHEN MATCHED THEN UPDATE SET name = 'x'",
  "WITH made AS (INSERT INTO stock.items (name) VALUES ('x') RETURNING id) SELECT id FROM made",
  "EXPLAIN ANALYZE INSERT INTO stock.items (name) VALUES ('x')",
  "PREPARE writing AS INSERT INTO stock.items (name) VALUES ('x'); EXECUTE writing",
  "DO $$BEGIN INSERT INTO stock.items (name) VALUES ('x'); END$$",
  "DO $$BEGIN EXECUTE 'DELETE FROM stock.items'; END$$",
  "COPY stock.items (name) FROM PROGRAM 'echo x'",
  "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
  "COPY (SELECT 1) TO '/dev/null'",
  "COPY stock.items (name) FROM '/etc/hostname'",
  "SELECT FROM stock.items FOR UPDATE",
  "SELECT FROM stock.items FOR KEY SHARE",
  "LOCK TABLE stock.items IN EXCLUSIVE MODE",
  "INSERT INTO stock.names (name) VALUES ('x')",
  "INSERT INTO stock.ruled VALUES (1)",
  "SELECT stock.invoked()",
  "SELECT * FROM stock.calling",
  "REFRESH MATERIALIZED VIEW stock.copied",
  "SELECT nextval('stock.numbers')",
  "SELECT setval('stock.numbers', 7)",
  "SELECT nextval('stock.items_id_seq')",
  "CREATE TABLE public.mine (id int)",
  "CREATE TABLE stock.mine (id int)",
  "SELECT 1 AS id INTO public.mine",
  "CREATE TABLE public.mine AS SELECT 1 AS id",
  "CREATE UNLOGGED TABLE public.mine (id int)",
  "CREATE VIEW public.mine AS SELECT 1",
  "CREATE SEQUENCE public.mine",
  "CREATE TYPE public.mine AS ENUM ('x')",
  "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  "CREATE OPERATOR public.=== (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",
  "CREATE SCHEMA mine",
  "CREATE SCHEMA AUTHORIZATION CURRENT_USER",
  "CREATE EXTENSION hstore",
  "CREATE EXTENSION pgcrypto",
  "CREATE EXTENSION dblink",
  "CREATE EXTENSION postgres_fdw",
  "CREATE FOREIGN DATA WRAPPER mine",
  "CREATE PUBLICATION mine",
  "CREATE TRIGGER mine BEFORE INSERT ON stock.items FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
  "CREATE RULE mine AS ON INSERT TO stock.items DO INSTEAD NOTHING",
  "CREATE INDEX mine ON stock.items (name)",
  "CREATE STATISTICS stock.mine ON id, name FROM stock.items",
  "CREATE POLICY mine ON stock.items",
  "ALTER TABLE stock.items ADD COLUMN mine int",
  "ALTER TABLE stock.items OWNER TO CURRENT_USER",
  "DROP TABLE stock.items CASCADE",
  "DROP SCHEMA stock CASCADE",
  "COMMENT ON TABLE stock.items IS 'x'",
  "COMMENT ON DATABASE app IS 'x'",
  "ALTER DATABASE app SET default_transaction_read_only = off",
  "ALTER DATABASE app CONNECTION LIMIT 5",
  "CREATE ROLE mine",
  "GRANT app TO CURRENT_USER",
  "GRANT pg_write_all_data TO CURRENT_USER",
  "ALTER ROLE teleport_user_write SET work_mem = '1MB'",
  "ALTER ROLE app PASSWORD 'x'",
  "ALTER ROLE CURRENT_USER CREATEDB",
  "ALTER ROLE CURRENT_USER CREATEROLE",
  "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100",
  "ALTER ROLE ALL SET work_mem = '1MB'",
  "SET ROLE app",
  "SET ROLE postgres",
  "SET ROLE teleport_user_write",
  "SET SESSION AUTHORIZATION app",
  "SET SESSION AUTHORIZATION postgres",
  "SET session_replication_role = replica",
  "SET lo_compat_privileges = on",
  "SET allow_system_table_mods = on",
  "SET log_statement = 'all'",
  "UPDATE pg_class SET relname = 'x' WHERE false",
  "DELETE FROM pg_largeobject",
  "SELECT lo_put(4242, 0, 'x')",
  "SELECT lo_unlink(4242)",
  "SELECT lowrite(lo_open(4242, 131072), 'x')",
  "LOCK TABLE pg_authid IN SHARE UPDATE EXCLUSIVE MODE",
  "LOCK TABLE pg_authid IN ACCESS SHARE MODE",
  "SELECT lo_import('/etc/hostname')",
  "SELECT lo_export(4242, '/dev/null')",
  "GRANT UPDATE ON LARGE OBJECT 4242 TO CURRENT_USER",
  "SELECT pg_create_physical_replication_slot('sec_mine', false, true)",
  "SELECT pg_replication_origin_create('sec_mine')",
  "SELECT pg_create_restore_point('x')",
  "SELECT pg_reload_conf()",
  "SELECT pg_stat_reset()",
  "SELECT pg_read_file('/etc/hostname')",
  "SELECT pg_import_system_collations('pg_catalog')",
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sec-other'",
];

/** Each attempt of the reader is refused with `insufficient_privilege`. */
export const ATTEMPTS: readonly Attempt[] = [
  ...inTransaction.map((sql) => ({ sql })),
  { sql: "SELECT pg_create_logical_replication_slot('sec_logical', 'pgoutput', true)", alone: true },
  { sql: "CREATE DATABASE sec_mine TEMPLATE template0", alone: true },
  { sql: "REINDEX TABLE stock.items", alone: true },
  { sql: "CLUSTER stock.items USING items_pkey", alone: true },
  { sql: "CHECKPOINT", alone: true },
];

/** `insufficient_privilege` of PostgreSQL's error codes. */
export const DENIED = "42501";

/**
 * One script for psql, which continues after an error and prints the result of each attempt: read it with
 * `answersOf`.
 */
export function scriptOf(attempts: readonly Attempt[]): string {
  const each = attempts.map(({ sql, alone }, index) => {
    // In an aborted transaction, psql's SQLSTATE is that of the last statement, so the last statement of each attempt
    // counts.
    const statement = `${sql};\n\\echo ANSWER ${index} :SQLSTATE`;
    return alone ? statement : `BEGIN READ WRITE;\n${statement}\nROLLBACK;`;
  });
  return `\\set ON_ERROR_STOP off\nSET default_transaction_read_only = off;\n${each.join("\n")}\n`;
}

/** The SQLSTATE of each attempt, by its SQL; 00000 if it succeeded. */
export function answersOf(stdout: string, attempts: readonly Attempt[]): Map<string, string> {
  const states = new Map([...stdout.matchAll(/^ANSWER ([0-9]+) ([0-9A-Z]{5})/gm)].map(([, at, state]) => [at, state]));
  return new Map(attempts.map(({ sql }, index) => [sql, states.get(String(index)) ?? "no answer"]));
}
