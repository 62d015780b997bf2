/** PostgreSQL users that Teleport creates for people. Real Kubernetes, CloudNativePG, Teleport. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { workloadRegistrarRole } from "../../components/teleport/program-roles";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { eventually, identities, oneDatabase, PROXY, sqlAsOwner, sqlAsSuperuser, teleport } from "./lab";

const SHOP = "au-shop";
const REGISTRAR = "au-registrar";
const PERSON = "au-person";
const ENVIRONMENT = "au";
const TELEPORT_DATABASE = `${SHOP}-${ENVIRONMENT}`;
const ACCESS_ROLE = `${TELEPORT_DATABASE}-auto-teleport_user_read`;
const READER = { name: "teleport_user_read", access: "read" };

describe("users that Teleport creates", () => {
  const folder = mkdtempSync(join(tmpdir(), "auto-users-"));
  const identity = join(folder, "registrar");
  const person = join(folder, "person");
  const stack = new Stack("au", { env: { TELEPORT_IDENTITY_FILE: identity } });
  const login = { identity: person, proxy: PROXY, teleportDatabase: TELEPORT_DATABASE, user: PERSON, database: "app" };
  const superuser = async (sql: string, database = "app") => (await sqlAsSuperuser(SHOP, database, sql)).trim();
  const tctl = (...args: string[]) =>
    attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
  const configure = (settings: Record<string, unknown>) =>
    stack.configure(
      oneDatabase(SHOP, {
        environment: ENVIRONMENT,
        users: [READER],
        autoUsers: { roles: [READER.name] },
        teleport: { proxy: PROXY, accessRoles: true },
        ...settings,
      }),
    );

  before(async () => {
    await teleport.put(workloadRegistrarRole(REGISTRAR));
    await user(REGISTRAR, REGISTRAR, identity);
    configure({});
    await stack.init();
    await stack.up();
    await sqlAsOwner(
      SHOP,
      "app",
      "DROP TABLE IF EXISTS stock; CREATE TABLE stock (item text); INSERT INTO stock VALUES ('nails'), ('screws')",
    );
    await user(PERSON, ACCESS_ROLE, person);
  });

  after(async () => {
    await tctl("rm", `user/${PERSON}`);
    await stack.destroy();
    await stack.remove();
    await tctl("rm", `user/${REGISTRAR}`);
    await tctl("rm", `role/${REGISTRAR}`);
    rmSync(folder, { recursive: true, force: true });
  });

  it("can read at once, and have no more rights than their role", async () => {
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${PERSON}'`), "0");
    await reads();
    const refused = await sqlThroughTeleport(login, "INSERT INTO stock VALUES ('theirs')");
    assert.match(refused.output, /permission denied for table stock/);
  });

  it("cannot log in once their session is over", async () => {
    const state = `SELECT rolcanlogin, array_agg(pg_get_userbyid(m.roleid)) FROM pg_roles r
      JOIN pg_auth_members m ON m.member = r.oid WHERE rolname = '${PERSON}' GROUP BY 1`;
    await eventually("the user is disabled", async () => (await superuser(state)) === "f|{teleport-auto-user}");
  });

  it("cannot log in as another user: neither as the admin user nor as a declared one", async () => {
    for (const other of ["teleport_admin", "teleport_user_read", "app"]) {
      const refused = await sqlThroughTeleport({ ...login, user: other }, "SELECT 1");
      assert.notEqual(refused.code, 0, `${other}: ${refused.output}`);
    }
  });

  it("are created by an admin user that logs in only by certificate", async () => {
    for (const [sslmode, answer] of [
      ["require", /connection requires a valid client certificate/],
      ["disable", /pg_hba.conf rejects connection/],
    ] as const) {
      const address = `host=${SHOP}-rw user=teleport_admin dbname=app password=x sslmode=${sslmode}`;
      const psql = ["-n", SHOP, "exec", `${SHOP}-1`, "-c", "postgres", "--", "psql", address, "-c", "SELECT 1"];
      assert.match((await attempt("kubectl", psql)).output, answer);
    }
  });

  it("still work when CloudNativePG has reconciled its roles twice", async () => {
    for (const connectionLimit of [21, 22]) {
      // A change of a managed role makes the operator reconcile all of them.
      configure({ users: [{ ...READER, connectionLimit }] });
      await stack.up();
      const limit = await superuser("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'teleport_user_read'");
      assert.equal(limit, String(connectionLimit));
      await reads();
    }
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are possible again after the admin user's rights were revoked manually", async () => {
    await superuser("ALTER ROLE teleport_admin NOCREATEROLE; DROP SCHEMA teleport_admin CASCADE");
    assert.match(await stack.up(), /1 updated/);
    await reads();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("find no objects of others instead of Teleport's procedures, in databases that `up` knows and others", async () => {
    await superuser("DROP DATABASE IF EXISTS other");
    await superuser("CREATE DATABASE other OWNER app");
    await sqlAsSuperuser(SHOP, "other", "SET ROLE app; CREATE SCHEMA teleport_admin; CREATE TABLE ran_as (who text)");
    const trap = `CREATE PROCEDURE teleport_admin.teleport_activate_user(text, text[]) LANGUAGE plpgsql
      AS 'BEGIN INSERT INTO public.ran_as VALUES (current_user); END'`;
    await sqlAsSuperuser(SHOP, "other", `SET ROLE app; ${trap}`);
    await sqlAsSuperuser(SHOP, "other", "SET ROLE app; GRANT ALL ON SCHEMA teleport_admin, public TO PUBLIC");
    await sqlAsSuperuser(SHOP, "other", "SET ROLE app; GRANT ALL ON ran_as TO PUBLIC");
    assert.notEqual((await sqlThroughTeleport({ ...login, database: "other" }, "SELECT 1")).code, 0);
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(
      refused.output,
      /the schema teleport_admin of the database other exists and was not created for Teleport/,
    );
    assert.notEqual((await sqlThroughTeleport({ ...login, database: "other" }, "SELECT 1")).code, 0);
    assert.equal(await superuser("SELECT count(*) FROM ran_as", "other"), "0");
    await superuser("DROP SCHEMA teleport_admin CASCADE", "other");
    await stack.up();
    const now = await sqlThroughTeleport({ ...login, database: "other" }, "SELECT current_user");
    assert.equal(now.stdout.trim(), PERSON, now.output);
    await superuser("DROP DATABASE other");
  });

  it("leave an existing schema of the admin user's name unchanged, whoever owns it", async () => {
    await sqlAsOwner(SHOP, "app", "CREATE SCHEMA ops; CREATE TABLE ops.precious (note text)");
    configure({ autoUsers: { roles: [READER.name], adminUser: "ops" } });
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(refused.output, /the schema ops of the database app exists and was not created for Teleport/);
    configure({});
    await stack.up();
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'precious'"), "app");
    assert.equal(await superuser("SELECT count(*) FROM pg_roles WHERE rolname = 'ops'"), "0");
    await reads();
    await sqlAsOwner(SHOP, "app", "DROP SCHEMA ops CASCADE");
  });

  it("are as declared again after a manual change or a change by the database's owner", async () => {
    for (const otherwise of [
      "REVOKE CONNECT ON DATABASE app FROM teleport_admin, PUBLIC",
      "ALTER ROLE teleport_admin IN DATABASE app SET search_path = public",
      'GRANT app TO "teleport-auto-user"',
      "ALTER ROLE teleport_admin INHERIT PASSWORD 'x'; ALTER ROLE teleport_admin RESET ALL",
    ]) {
      await superuser(otherwise);
      assert.match(await stack.up(), /1 updated/, otherwise);
      await reads();
    }
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await superuser("GRANT CONNECT ON DATABASE app TO PUBLIC");
    const groups = `SELECT count(*) FROM pg_auth_members WHERE member = '"teleport-auto-user"'::regrole`;
    assert.equal(await superuser(groups), "0");
  });

  it("do not depend on the owner's settings for every session of the database", async () => {
    const settings = { transaction_timeout: "1ms", role: "app", local_preload_libraries: "nowhere" };
    for (const [name, value] of Object.entries(settings)) {
      await sqlAsSuperuser(SHOP, "postgres", `SET ROLE app; ALTER DATABASE app SET ${name} = '${value}'`);
      await superuser("ALTER ROLE teleport_admin NOCREATEROLE", "postgres");
      assert.match(await stack.up(), /1 updated/, name);
      await sqlAsSuperuser(SHOP, "postgres", `SET ROLE app; ALTER DATABASE app RESET ${name}`);
    }
    await reads();
  });

  it("from before an upgrade can be dropped by their admin user; other roles that it adds to their group cannot", async () => {
    // As after an upgrade to PostgreSQL 16: the superuser is the grantor of their membership in the group, and nobody
    // has ADMIN OPTION on them.
    await superuser('CREATE ROLE "au-before"; GRANT "teleport-auto-user" TO "au-before"; CREATE ROLE "au-bystander"');
    await superuser('SET SESSION AUTHORIZATION teleport_admin; GRANT "teleport-auto-user" TO "au-bystander"');
    assert.match(await stack.up(), /1 updated/);
    const reached = `SELECT string_agg(r.rolname, ',') FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
      WHERE m.member = 'teleport_admin'::regrole AND m.admin_option AND r.rolname IN ('au-before', 'au-bystander')`;
    assert.equal(await superuser(reached), "au-before");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await superuser('DROP ROLE "au-before"; DROP ROLE "au-bystander"');
  });

  it("cannot get roles that lead to an administrator's rights", async () => {
    await superuser("CREATE ROLE operators NOLOGIN CREATEROLE; CREATE ROLE staff IN ROLE operators");
    configure({ autoUsers: { roles: [READER.name, "staff"] } });
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(refused.output, /the role staff has, through operators, rights of an administrator/);
    configure({});
    await stack.up();
    await superuser("DROP ROLE staff; DROP ROLE operators");
  });

  it("are not created by someone else's role with the admin user's name", async () => {
    await superuser("CREATE ROLE theirs LOGIN");
    configure({ autoUsers: { roles: [READER.name], adminUser: "theirs" } });
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /the role theirs already exists and does not belong to Teleport/);
    assert.equal(await superuser("SELECT rolcreaterole FROM pg_roles WHERE rolname = 'theirs'"), "f");
    await superuser("DROP ROLE theirs");
    await stack.up();
    await reads();
    configure({});
    await stack.up();
    await reads();
    assert.equal(await superuser("SELECT count(*) FROM pg_roles WHERE rolname = 'theirs'"), "0");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are dropped when the setting is removed, and their objects stay", async () => {
    await superuser(`GRANT CREATE ON SCHEMA public TO "${PERSON}"`);
    assert.equal((await sqlThroughTeleport(login, "CREATE TABLE notes (note text)")).code, 0);
    await tctl("rm", `user/${PERSON}`);
    configure({ autoUsers: undefined });
    await stack.up();
    const left = "SELECT rolname FROM pg_roles WHERE rolname ~ 'teleport.(auto|admin)|au-person'";
    assert.equal(await superuser(left), "");
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'"), "app");
    assert.equal(await superuser("SELECT count(*) FROM pg_namespace WHERE nspname = 'teleport_admin'"), "0");
    assert.notEqual((await tctl("get", `role/${ACCESS_ROLE}`)).code, 0);
    assert.doesNotMatch(JSON.stringify(await teleport.database(TELEPORT_DATABASE)), /teleport_admin/);
  });

  async function reads(): Promise<void> {
    const told = await sqlThroughTeleport(login, "SELECT current_user, count(*) FROM stock");
    assert.equal(told.stdout.trim(), `${PERSON}|2`, told.output);
  }

  /** A user in Teleport, with an identity file. */
  async function user(name: string, role: string, file: string): Promise<void> {
    await teleport.put({ kind: "user", version: "v2", metadata: { name }, spec: { roles: [role] } });
    await eventually(`${name} can be signed for`, async () => (await tctl("get", `user/${name}`)).code === 0);
    await teleport.sign(name, file, "1h");
  }
});
