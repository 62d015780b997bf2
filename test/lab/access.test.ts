/** Rights of people, and their changes in a running database. */
import { strict as assert } from "node:assert";
import { dropOwnedScript as surrenderScript } from "../../components/postgres/grants";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { eventually, kubectl, loginAs, oneDatabase, sqlAsOwner, sqlAsSuperuser } from "./lab";

const NAME = "rights";
const reader = { name: "teleport_user_read", access: "read" };
const writer = { name: "teleport_user_write", access: "write" };

describe("rights of people in a running database", () => {
  const stack = new Stack("access");
  const configure = (users: object[], more: object = {}) =>
    stack.configure(oneDatabase(NAME, { users, initdb: { database: "shop", owner: "shop" }, ...more }));
  const read = (sql: string) => sqlThroughTeleport(loginAs("reader", "rights-access", "shop"), sql);
  const write = (sql: string) => sqlThroughTeleport(loginAs("writer", "rights-access", "shop"), sql);
  const owner = (sql: string) => sqlAsOwner(NAME, "shop", sql);
  const superuser = (sql: string, database = "shop") => sqlAsSuperuser(NAME, database, sql);

  before(async () => {
    configure([reader, writer]);
    await stack.init();
    await stack.up();
    await owner("CREATE TABLE public.before (id int); CREATE SCHEMA sales; CREATE TABLE sales.before (id int)");
  });
  after(async () => {
    await stack.destroy();
    await stack.remove();
  });

  it("do not include what PostgreSQL reserves for itself", async () => {
    for (const secret of ["pg_authid", "pg_user_mapping", "pg_subscription"]) {
      assert.match((await read(`SELECT * FROM ${secret}`)).output, /permission denied/, secret);
    }
  });

  it("begin with reading and writing everything, including tables created later", async () => {
    assert.equal((await read("SELECT count(*) FROM sales.before")).stdout.trim(), "0");
    assert.match((await read("SHOW default_transaction_read_only")).stdout, /^on$/m);
    const refused = await read("SET default_transaction_read_only = off; INSERT INTO sales.before VALUES (1)");
    assert.match(refused.output, /permission denied for table before/);
    const inserted = await write("INSERT INTO sales.before VALUES (1)");
    assert.equal(inserted.code, 0, inserted.output);
  });

  it("are narrowed to schemas, with limits and settings, by the next `up`", async () => {
    const narrow = [{ schemas: ["sales"] }];
    configure([
      {
        ...reader,
        scope: narrow,
        connectionLimit: 3,
        statementTimeout: "7s",
        settings: { work_mem: "8MB", timezone: "Europe/Berlin", search_path: "sales, public" },
      },
      { ...writer, scope: narrow },
    ]);
    await stack.up();
    await owner("CREATE TABLE sales.after (id serial); CREATE TABLE public.after (id int)");
    for (const table of ["sales.before", "sales.after"]) {
      const selected = await read(`SELECT count(*) FROM ${table}`);
      assert.equal(selected.code, 0, selected.output);
    }
    for (const table of ["public.before", "public.after"]) {
      assert.match((await read(`SELECT count(*) FROM ${table}`)).output, /permission denied for table/, table);
    }
    assert.equal((await write("INSERT INTO sales.after DEFAULT VALUES")).code, 0);
    assert.match((await write("INSERT INTO public.after VALUES (1)")).output, /permission denied for table/);
    assert.equal((await read("SHOW statement_timeout")).stdout.trim(), "7s");
    assert.equal((await read("SHOW work_mem")).stdout.trim(), "8MB");
    assert.equal((await read("SHOW search_path")).stdout.trim(), "sales, public");
    assert.equal((await read("SHOW timezone")).stdout.trim(), "Europe/Berlin");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    const role = await superuser("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'teleport_user_read'");
    assert.equal(role.trim(), "3");
  });

  it("include a schema that is created later, once `up` finds it", async () => {
    configure([{ ...reader, scope: [{ schemas: ["sales", "archive"] }] }, writer]);
    await stack.up();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await owner("CREATE SCHEMA archive; CREATE TABLE archive.old (id int)");
    assert.match(await stack.up(), /1 updated/);
    assert.equal((await read("SELECT count(*) FROM archive.old")).code, 0);
  });

  it("are corrected by a plain `up` after a manual change by anyone", async () => {
    await superuser(
      `REVOKE SELECT ON sales.before FROM teleport_user_read; GRANT INSERT ON public.before TO teleport_user_read;
       ALTER ROLE teleport_user_read RESET default_transaction_read_only;
       ALTER ROLE teleport_user_read IN DATABASE shop SET search_path = evil;
       CREATE ROLE helper; GRANT USAGE ON SCHEMA sales TO helper;
       GRANT SELECT ON public.before TO helper WITH GRANT OPTION; SET ROLE helper;
       GRANT SELECT ON public.before TO teleport_user_read WITH GRANT OPTION; RESET ROLE; SET ROLE teleport_user_read;
       GRANT SELECT ON public.before TO helper; RESET ROLE;
       REVOKE CONNECT ON DATABASE shop FROM PUBLIC; ALTER DATABASE shop SET default_transaction_read_only = on`,
    );
    const output = await stack.up().finally(() => superuser("ALTER DATABASE shop RESET ALL", "postgres"));
    assert.match(output, /1 updated/);
    assert.doesNotMatch((await read("SHOW search_path")).stdout, /evil/);
    assert.match((await read("SELECT * FROM public.before")).output, /permission denied/);
    assert.equal((await read("SELECT count(*) FROM sales.before")).code, 0);
    const inserted = await read("SET default_transaction_read_only = off; INSERT INTO public.before VALUES (1)");
    assert.match(inserted.output, /permission denied/);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are granted to an added user, with memberships", async () => {
    await superuser("CREATE ROLE auditors NOLOGIN; GRANT SELECT ON public.before TO auditors");
    configure([reader, writer, { name: "auditor", access: "none", memberOf: ["auditors"] }]);
    await stack.up();
    const allowed = (table: string) => superuser(`SELECT has_table_privilege('auditor', '${table}', 'SELECT')`);
    assert.equal((await allowed("public.before")).trim(), "t");
    assert.equal((await allowed("sales.before")).trim(), "f");
  });

  it("exclude what belongs to extensions and superusers, unless a scope names its schema", async () => {
    await superuser(
      `CREATE EXTENSION hstore; CREATE SCHEMA jobs; CREATE TABLE jobs.job (owner regrole); CREATE SEQUENCE jobs.numbers;
       CREATE VIEW public.hashes AS SELECT * FROM pg_shadow; CREATE TABLE sales.superusers (id int);
       CREATE TABLE public.extended (id int); ALTER TABLE public.extended OWNER TO shop;
       CREATE SCHEMA extended AUTHORIZATION shop; CREATE TABLE extended.part (id int); ALTER TABLE extended.part OWNER TO shop;
       ALTER EXTENSION hstore ADD TABLE public.extended; ALTER EXTENSION hstore ADD SCHEMA extended;`,
    );
    // As earlier releases granted it, also for future objects.
    await superuser(
      `GRANT USAGE ON SCHEMA jobs, extended TO teleport_user_read, teleport_user_write;
       GRANT SELECT ON ALL TABLES IN SCHEMA jobs, public, sales, extended TO teleport_user_read, teleport_user_write;
       GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs, public, sales, extended TO teleport_user_write;
       GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO teleport_user_write;
       ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO teleport_user_read`,
    );
    const theirs = ["jobs.job", "public.hashes", "sales.superusers", "public.extended", "extended.part"];
    assert.equal((await write("INSERT INTO jobs.job VALUES ('postgres')")).code, 0, "as it was");
    assert.match(await stack.up(), /1 updated/);
    await superuser("CREATE TABLE public.later (id int)");
    for (const table of [...theirs, "public.later"]) {
      assert.match((await read(`SELECT * FROM ${table}`)).output, /permission denied for/, table);
      assert.match((await write(`SELECT * FROM ${table}`)).output, /permission denied for/, table);
      const deleted = await write(`DELETE FROM ${table}`);
      assert.match(deleted.output, /permission denied for|cannot delete from view/, `${table}: ${deleted.output}`);
    }
    assert.match((await write("SELECT nextval('jobs.numbers')")).output, /permission denied for/);
    for (const table of ["public.before", "sales.before"])
      assert.equal(
        (await write(`INSERT INTO ${table} VALUES (2)`)).code,
        0,
        `${table}, in the same schema, is the owner's`,
      );
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);

    configure([{ ...reader, scope: [{}, { schemas: ["jobs", "extended", "public"] }] }, writer]);
    await stack.up();
    for (const table of ["jobs.job", "extended.part"])
      assert.equal((await read(`SELECT count(*) FROM ${table}`)).code, 0, `${table}, whose schema is named`);
    for (const table of ["public.hashes", "public.extended", "sales.superusers"])
      assert.match(
        (await read(`SELECT * FROM ${table}`)).output,
        /permission denied for/,
        `public is everybody's: ${table}`,
      );
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await superuser(
      "DELETE FROM public.before WHERE id = 2; DELETE FROM sales.before WHERE id = 2; DROP EXTENSION hstore CASCADE; DROP SCHEMA jobs CASCADE; DROP VIEW public.hashes; DROP TABLE sales.superusers, public.later",
    );
    configure([reader, writer, { name: "auditor", access: "none", memberOf: ["auditors"] }]);
    await stack.up();
  });

  it("are changed even if the owner's settings of the database would make scripts fail", async () => {
    await superuser(
      `CREATE ROLE lender; GRANT USAGE ON SCHEMA sales TO lender; GRANT SELECT ON sales.before TO lender WITH GRANT OPTION;
       SET ROLE lender; GRANT SELECT ON sales.before TO teleport_user_write; RESET ROLE; SET ROLE shop;
       REVOKE SELECT ON sales.before FROM teleport_user_read;
       ALTER DATABASE shop SET role = shop; ALTER DATABASE shop SET exit_on_error = on;
       ALTER DATABASE shop SET quote_all_identifiers = on; RESET ROLE; ALTER DATABASE shop SET plpgsql.extra_errors = 'all'; SET ROLE shop;
       COMMENT ON SCHEMA sales IS 'cnpg-teleport: not to be looked at'`,
    );
    const output = await stack.up().finally(() => superuser("ALTER DATABASE shop RESET ALL", "postgres"));
    assert.match(output, /1 updated/);
    assert.equal((await read("SELECT count(*) FROM sales.before")).code, 0, "a comment as ours hides nothing");
    await superuser("COMMENT ON SCHEMA sales IS NULL; DROP OWNED BY lender; DROP ROLE lender");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are changed after an interrupted DROP DATABASE, with a message", async () => {
    await superuser("CREATE DATABASE broken", "postgres");
    await superuser(
      "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'; ALTER ROLE teleport_user_read SET work_mem = '9MB'",
      "postgres",
    );
    const output = await stack.up();
    assert.match(output, /1 updated/);
    assert.match(output, /the database broken is left over from an interrupted DROP DATABASE/);
    await superuser("DROP DATABASE broken", "postgres");
  });

  it("do not reassign objects of a removed user that would run by themselves with the new owner's rights", async () => {
    const reassign = () => superuser(surrenderScript(["trapper"], "shop").replace(/^\\set .*$/m, "")); // psql's -c knows no \set
    const asTrapper = (sql: string) => superuser(`SET ROLE trapper; ${sql}`);
    await superuser("CREATE ROLE trapper; GRANT USAGE, CREATE ON SCHEMA sales TO trapper");
    await asTrapper(
      `CREATE TABLE sales.trap (id int);
       CREATE FUNCTION sales.seen(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
       CREATE STATISTICS sales.of_trap ON (sales.seen(id)) FROM sales.trap`,
    );
    const traps: [make: string, unmake: string, refused: RegExp][] = [
      [
        "CREATE RULE also AS ON INSERT TO sales.trap DO ALSO SELECT sales.seen(1)",
        "DROP RULE also ON sales.trap",
        /sales\.trap of the removed user trapper would run with the rights of its new owner/,
      ],
      [
        "CREATE INDEX calls_seen ON sales.trap (sales.seen(id))",
        "DROP INDEX sales.calls_seen",
        /index sales\.calls_seen of the removed user trapper calls function sales\.seen\(integer\), which would run/,
      ],
      [
        `CREATE FUNCTION sales.difference(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $2 - $1; END';
         CREATE TYPE sales.spans AS RANGE (subtype = int, subtype_diff = sales.difference); ALTER TABLE sales.trap ADD span sales.spans`,
        "DROP TYPE sales.spans CASCADE; DROP FUNCTION sales.difference(int, int)",
        /table sales\.trap of the removed user trapper calls function sales\.difference\(integer,integer\), which would run/,
      ],
    ];
    for (const [make, unmake, refused] of traps) {
      await asTrapper(make);
      await assert.rejects(reassign(), refused);
      await asTrapper(unmake);
    }
    await reassign();
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'trap'"), "shop\n");
    assert.equal(await superuser("SELECT count(*) FROM pg_statistic_ext WHERE stxname = 'of_trap'"), "0\n");
    await superuser("DROP TABLE sales.trap; DROP FUNCTION sales.seen(int); DROP ROLE trapper");
  });

  it("end when users are removed: their objects stay, their sessions are closed", async () => {
    await superuser(
      `GRANT USAGE, CREATE ON SCHEMA sales TO auditors; GRANT auditors TO auditor; SET ROLE auditor;
       CREATE TABLE sales.made (id int); CREATE VIEW sales.all_made AS SELECT * FROM sales.made;
       CREATE FUNCTION sales.anything(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE $1; END';
       CREATE FUNCTION sales.own(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
       CREATE INDEX calls_own ON sales.made (sales.own(id)); CREATE INDEX calls_abs ON sales.made (abs(id))`,
    );
    await superuser(
      "CREATE SCHEMA open AUTHORIZATION auditor; SET ROLE auditor; CREATE FUNCTION open.root() RETURNS name LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user'",
      "postgres",
    );
    await superuser("CREATE DATABASE broken", "postgres");
    await superuser("CREATE TABLE shown (); GRANT SELECT ON shown TO auditor", "broken");
    await superuser("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'", "postgres");
    const session = write("SELECT pg_sleep(300)");
    await eventually("the writer is connected", async () =>
      (await superuser("SELECT usename FROM pg_stat_activity WHERE query LIKE '%sleep(300)'")).includes(writer.name),
    );
    configure([reader]);
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(
      refused.output,
      /index sales.calls_own of the removed user auditor calls function sales.own\(integer\), which would run/,
    );
    await superuser("DROP INDEX sales.calls_own");
    const output = await stack.up();
    assert.match((await session).output, /terminating connection|server closed the connection/);
    const left = "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname IN ('auditor', 'teleport_user_write')";
    assert.equal(await superuser(left), "auditor|f\n", "a database that takes no connections holds it");
    assert.match(output, /removed user auditor can no longer log in, but cannot be dropped/);
    await superuser("DROP DATABASE broken", "postgres");
    await stack.up();
    assert.equal(await superuser(left), "");
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'made'"), "shop\n");
    const definer = "SELECT prosecdef, pg_get_userbyid(proowner) FROM pg_proc WHERE proname IN ('anything', 'root')";
    assert.equal(await superuser(definer), "f|shop\n", "nothing of theirs runs with another's rights");
    assert.equal(await superuser(definer, "postgres"), "f|shop\n", "nor with a superuser's");
    const view = "SELECT reloptions::text FROM pg_class WHERE relname = 'all_made'";
    assert.match(await superuser(view), /security_invoker=true/);
    assert.notEqual((await write("SELECT 1")).code, 0);
  });

  it("fail with CloudNativePG's reason if a membership is not possible", async () => {
    configure([{ ...reader, memberOf: ["no_such_role"] }]);
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(result.code, 0);
    assert.match(
      result.output,
      /teleport_user_read is not a member of no_such_role.*CloudNativePG says: .*no_such_role/s,
    );
    configure([reader, writer]);
    await stack.up();
    assert.equal((await write("INSERT INTO sales.before VALUES (3)")).code, 0);
  });

  it("report a database that does not exist", async () => {
    configure([{ ...reader, scope: [{ database: "nowhere" }] }]);
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(result.output, /The database nowhere, which users' scope names, does not exist/);
  });

  it("end with Teleport: no user is left, and the database stays", async () => {
    configure([], { teleport: undefined });
    await stack.up();
    assert.equal(await superuser("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'teleport_user%'"), "0\n");
    assert.equal(await owner("SELECT count(*) FROM sales.before"), "2\n");
    assert.match(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.phase}"), /healthy/);
  });
});
