/**
 * The whole lifecycle of credentials from Vault, with real Vault, Kubernetes and CloudNativePG. The program has an
 * AppRole with exactly the documented policy.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect, Server } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import type { PostgresClusterOutputs } from "../../components/postgres-cluster/outputs";
import { vaultHbaRules } from "../../components/vault-database/plan";
import { vaultDatabasePolicy } from "../../components/vault-database/policies";
import type { VaultDatabaseArgs, VaultDatabaseOutputs } from "../../components/vault-database/settings";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult } from "../../lab/host/command";
import { VAULT } from "../../lab/layout";
import { VaultError, vaultRequest } from "../../lab/vault/api";
import { apply, eventually, kubectl, oneDatabase, sqlAsSuperuser } from "./lab";

const SHOP = "vd-shop";
const APP = "vd-app";
const ELSEWHERE = "vd-elsewhere";
const MOUNT = "vd-postgres";
const AUTH = "vd-kubernetes";
const PROGRAM = "vd-program";
const PROGRAM_FOLDER = join(__dirname, "vault-database-program");

interface Credentials {
  lease_id: string;
  lease_duration: number;
  data: { username: string; password: string };
}

describe("credentials from Vault", () => {
  const folder = mkdtempSync(join(tmpdir(), "vault-database-"));
  const root = readFileSync(VAULT.rootToken, "utf8").trim();
  const platform = new Stack("vd-platform");
  const environment: NodeJS.ProcessEnv = {};
  const stack = new Stack("vd-vault", { project: PROGRAM_FOLDER, env: environment });
  let forwarder: Server;
  let shop: PostgresClusterOutputs;
  let settings: VaultDatabaseArgs;

  const asRoot = <Answer>(method: "GET" | "POST", path: string, body?: unknown) =>
    vaultRequest<Answer>(method, path, body, root);
  const credentials = async (role: string, token = root): Promise<Credentials> =>
    (await vaultRequest<Credentials>("GET", `${MOUNT}/creds/${role}`, undefined, token))!;
  const revoke = (lease: string) => asRoot("POST", "sys/leases/revoke", { lease_id: lease, sync: true });
  const superuser = (sql: string, database = "app") => sqlAsSuperuser(SHOP, database, sql);
  const configure = (more: Partial<VaultDatabaseArgs> = {}) =>
    stack.configure({ name: "vd-shop", settings: { ...settings, ...more } });

  before(async () => {
    const accounts = [
      [APP, "app"],
      [APP, "other"],
      [APP, "reviewer"],
      [ELSEWHERE, "app"],
    ] as const;
    await apply(
      ...[APP, ELSEWHERE].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
      ...accounts.map(([namespace, name]) => ({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { namespace, name },
      })),
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "vd-reviewer" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:auth-delegator" },
        subjects: [{ kind: "ServiceAccount", namespace: APP, name: "reviewer" }],
      },
    );
    await clearAfterKilledRun();
    await makeKubernetesAuth();
    await makeProgram();
    platform.configure(
      oneDatabase(SHOP, {
        teleport: undefined,
        // Vault is outside of Kubernetes here, and needs a host for the database that it can resolve.
        serverAltNames: ["localhost"],
        pgHba: vaultHbaRules({}, "app"),
        parameters: { shared_buffers: "32MB", max_connections: "50", log_statement: "all" },
      }),
    );
    await platform.init();
    await platform.up();
    shop = (await platform.outputs<{ databases: Record<string, PostgresClusterOutputs> }>()).databases[SHOP]!;
    writeFileSync(join(folder, "ca.crt"), shop.serverCa);
    forwarder = await forwardTo(await serviceAddress());
    settings = {
      database: { ...shop, hostReadWrite: "localhost", port: (forwarder.address() as AddressInfo).port },
      mount: { path: MOUNT },
      kubernetesAuth: { path: AUTH },
      revokeWithin: 20,
      roles: {
        app: { defaultTtl: "10m", maxTtl: "1h", consumer: { namespace: APP, serviceAccount: "app", tokenTtl: "20m" } },
        report: { memberOf: ["pg_read_all_data"] },
        play: { memberOf: ["player"] },
      },
    };
    await superuser("CREATE ROLE player; CREATE SCHEMA play; GRANT USAGE, CREATE ON SCHEMA play TO player");
    await superuser("ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO player");
    configure();
    await stack.init();
    await stack.up();
  });

  after(async () => {
    await stack.destroy().catch(() => {});
    await stack.remove();
    await platform.destroy().catch(() => {});
    await platform.remove();
    forwarder?.close();
    await vault(["auth", "disable", AUTH]);
    await vault(["delete", `auth/approle/role/${PROGRAM}`]);
    await vault(["policy", "delete", PROGRAM]);
    await kubectl("delete", "clusterrolebinding", "vd-reviewer");
    await kubectl("delete", "namespace", APP, ELSEWHERE, "--wait=false");
    rmSync(folder, { recursive: true, force: true });
  });

  it("can create a table that later credentials can use after they themselves have ended", async () => {
    const first = await credentials("app");
    assert.equal(first.lease_duration, 600);
    const made = await sql(
      first,
      `CREATE TABLE orders (id serial PRIMARY KEY, note text, junk int); INSERT INTO orders (note) VALUES ('one');
       CREATE VIEW recent AS SELECT * FROM orders; CREATE TYPE mood AS ENUM ('good'); CREATE SCHEMA more;
       CREATE TABLE more.copy AS SELECT id FROM orders; CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
       CREATE TEMP TABLE mine (id int); INSERT INTO mine VALUES (1); CREATE EXTENSION IF NOT EXISTS hstore;
       SELECT tableowner FROM pg_tables WHERE tablename = 'mine'`,
    );
    assert.equal(made.code, 0, made.output);
    assert.equal(made.stdout.trim(), first.data.username, "a temporary table stays its maker's");
    const owners = await superuser(
      `SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('orders', 'orders_id_seq', 'recent', 'copy')
       UNION SELECT pg_get_userbyid(typowner) FROM pg_type WHERE typname = 'mood'
       UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'one'
       UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'more'`,
    );
    assert.equal(owners, "app\n");
    const granted =
      "SELECT has_table_privilege('player', 'orders', 'SELECT') AND has_table_privilege('player', 'recent', 'SELECT')";
    assert.equal(await superuser(granted), "t\n", "the owner's default privileges hold for what it is given");
    const running = sql(first, "SELECT pg_sleep(120)");
    await sleep(1_500);
    await revoke(first.lease_id);
    assert.match((await running).output, /terminating connection|closed the connection/);
    assert.match((await sql(first, "SELECT 1")).output, /password authentication failed/);
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${first.data.username}'`), "0\n");

    const second = await credentials("app");
    const altered = await sql(
      second,
      `SELECT note FROM orders; ALTER TABLE orders ADD COLUMN price int; DROP VIEW recent; ALTER TABLE orders DROP COLUMN junk;
       INSERT INTO orders (note, price) VALUES ('two', 2); SELECT count(*) FROM orders; DROP TABLE more.copy`,
    );
    assert.equal(altered.code, 0, altered.output);
    assert.equal(altered.stdout, "one\n2\n");
    await revoke(second.lease_id);
  });

  it("can only read if their role is for reading", async () => {
    const { lease_id, ...reader } = await credentials("report");
    assert.equal((await sql(reader, "SELECT count(*) FROM orders")).stdout, "2\n");
    for (const statement of [
      "INSERT INTO orders (note) VALUES ('x')",
      "CREATE TABLE t (id int)",
      "SET ROLE app",
      "SET ROLE vault_app",
    ])
      assert.match((await sql(reader, statement)).output, /permission denied/, statement);
    await revoke(lease_id);
  });

  it("leave behind nothing with more rights than they had", async () => {
    const { lease_id, ...player } = await credentials("play");
    const trap = `CREATE FUNCTION play.trap() RETURNS name LANGUAGE plpgsql SECURITY DEFINER AS
      $$ BEGIN DROP TABLE public.orders; RETURN current_user; END $$; CREATE TABLE play.toy (id int)`;
    assert.equal((await sql(player, trap)).code, 0);
    await revoke(lease_id);
    const owners = `SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'trap'
      UNION SELECT tableowner FROM pg_tables WHERE tablename = 'toy'`;
    assert.equal(await superuser(owners), "player\n");
    const { lease_id: later, ...next } = await credentials("play");
    assert.match((await sql(next, "SELECT play.trap()")).output, /must be owner of table orders/);
    assert.equal((await sql(next, "DROP FUNCTION play.trap(); DROP TABLE play.toy")).code, 0);
    await revoke(later);
  });

  it("are complete, or not created at all: no incomplete user is left", async () => {
    const made = () => superuser("SELECT count(*) FROM pg_roles WHERE rolname ~ '^v-report-'");
    assert.equal(await made(), "0\n");
    await superuser("REVOKE pg_read_all_data FROM vault_app");
    await assert.rejects(credentials("report"), /permission denied to grant role/);
    assert.equal(await made(), "0\n");
    await superuser("GRANT pg_read_all_data TO vault_app WITH ADMIN OPTION");
    const { lease_id } = await credentials("report");
    assert.equal(await made(), "1\n");
    await revoke(lease_id);
  });

  it("end even if their user's settings of the database would stop every statement", async () => {
    const settings = { role: "app", transaction_timeout: "1ms", local_preload_libraries: "nowhere" };
    for (const [name, value] of Object.entries(settings)) {
      const { lease_id, ...user } = await credentials("app");
      const set = await sql(user, `SET ROLE app; ALTER DATABASE app SET ${name} = '${value}'`);
      assert.equal(set.code, 0, set.output);
      await revoke(lease_id);
      const left = `SELECT count(*) FROM pg_roles WHERE rolname = '${user.data.username}'`;
      assert.equal(await sqlAsSuperuser(SHOP, "postgres", left), "0\n", name);
      const next = await credentials("app");
      await revoke(next.lease_id);
      await sqlAsSuperuser(SHOP, "postgres", `ALTER DATABASE app RESET ${name}`);
    }
  });

  it("end whatever their user does, and the database's owner keeps its objects", async () => {
    const end = async (what: string, attack: (name: string) => string) => {
      const { lease_id, ...user } = await credentials("app");
      const name = user.data.username;
      const held = sql(user, `${attack(name)}; SELECT pg_sleep(300)`);
      const sleeping = `SELECT count(*) FROM pg_stat_activity WHERE usename = '${name}' AND query ~ 'pg_sleep'`;
      const done = async () => (await superuser(sleeping, "postgres")).trim() === "1";
      await eventually(`the user has done this: ${what}`, done);
      await revoke(lease_id);
      assert.match((await held).output, /terminating connection|closed the connection/, what);
      assert.equal(await superuser(`SELECT rolname FROM pg_roles WHERE rolname = '${name}' AND rolcanlogin`), "", what);
    };
    const count = "SELECT count(*) FROM orders";
    const before = await superuser(count);
    await end("changes its own role, and does not commit that", () => "BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'x'");
    await end(
      "takes itself from Vault's user",
      (name) => `DO $$BEGIN REVOKE "${name}" FROM vault_app;
      EXCEPTION WHEN insufficient_privilege THEN NULL; END$$`,
    );
    await end(
      "names roles in a table of its own",
      (name) => `BEGIN; CREATE TEMP TABLE mine (id int);
      GRANT SELECT ON mine TO vault_app, app, vault_app_users, "${name}"`,
    );
    await end("takes over a table of the owner", (name) => `ALTER TABLE orders OWNER TO "${name}"`);
    const owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'";
    assert.equal(await superuser(owner), "app\n");
    assert.equal(await superuser(count), before);
  });

  it("end by the next `up` if an error ended their session, or if they took over the database", async () => {
    const { lease_id, ...user } = await credentials("app");
    const name = user.data.username;
    const before = await superuser("SELECT count(*) FROM orders");
    assert.equal((await sql(user, "SET ROLE app; ALTER DATABASE app SET exit_on_error = on")).code, 0);
    await superuser(`REASSIGN OWNED BY app TO "${name}"`); // before PostgreSQL 16 the user itself can do this
    await superuser(`GRANT SELECT ON pg_class TO "${name}"`, "postgres"); // prevents Vault from dropping it
    await revoke(lease_id);
    assert.match((await sql(user, "SELECT 1")).output, /not permitted to log in|password authentication failed/);
    assert.match(await stack.up(), /updated/);
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${name}'`), "0\n");
    const owners = `SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'
      UNION SELECT tableowner FROM pg_tables WHERE tablename = 'orders'`;
    assert.equal(await superuser(owners), "app\n");
    assert.equal(await superuser("SELECT count(*) FROM orders"), before);
    await superuser("ALTER DATABASE app RESET exit_on_error", "postgres");
  });

  it("end by the next `up` if Vault could not log in until long after their lease", async () => {
    const { lease_id, ...user } = await credentials("app");
    const name = user.data.username;
    const held = sql(user, "SELECT pg_sleep(300)");
    const sleeping = `SELECT count(*) FROM pg_stat_activity WHERE usename = '${name}' AND query ~ 'pg_sleep'`;
    await eventually("it has a session", async () => (await superuser(sleeping)).trim() === "1");
    await superuser(`ALTER ROLE "${name}" VALID UNTIL '2020-01-01'`); // as if Vault could not log in since then
    assert.match(await stack.up(), /updated/);
    assert.match((await held).output, /terminating connection|closed the connection/);
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${name}'`), "0\n");
    await revoke(lease_id);
    await unchanged();
  });

  it("last longer if they are renewed, also in PostgreSQL", async () => {
    const user = await credentials("app");
    const until = `SELECT round(extract(epoch FROM rolvaliduntil - now()) / 60) FROM pg_roles WHERE rolname = '${user.data.username}'`;
    assert.equal(await superuser(until), "10\n");
    const renewed = await asRoot<{ lease_duration: number }>("POST", "sys/leases/renew", {
      lease_id: user.lease_id,
      increment: 1_800,
    });
    assert.equal(renewed!.lease_duration, 1_800);
    assert.equal(await superuser(until), "30\n");
    const most = await asRoot<{ lease_duration: number }>("POST", "sys/leases/renew", {
      lease_id: user.lease_id,
      increment: 36_000,
    });
    assert.ok(most!.lease_duration <= 3_600, "maxTtl is the end");
    await revoke(user.lease_id);
  });

  it("are valid only over TLS and in their database", async () => {
    const { lease_id, ...user } = await credentials("app");
    assert.match((await sql(user, "SELECT 1", "postgres")).output, /pg_hba.conf rejects/);
    assert.match((await sql(user, "SELECT 1", "app", "sslmode=disable")).output, /pg_hba.conf rejects/);
    await revoke(lease_id);
  });

  it("end for good if their user left obstacles, which the next `up` removes", async () => {
    const { lease_id, ...user } = await credentials("app");
    const name = user.data.username;
    await superuser(`GRANT SELECT ON pg_class TO "${name}"`, "postgres");
    await revoke(lease_id);
    assert.match((await sql(user, "SELECT 1")).output, /not permitted to log in|password authentication failed/);
    assert.equal(await superuser(`SELECT rolcanlogin FROM pg_roles WHERE rolname = '${name}'`), "f\n");
    assert.match(await stack.up(), /updated/);
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${name}'`), "0\n");
  });

  it("leave no password in state, outputs or the server's log", async () => {
    const user = await credentials("app");
    const state = await stack.state();
    const outputs = JSON.stringify(await stack.outputs());
    const log = await kubectl("-n", SHOP, "logs", `${SHOP}-1`, "-c", "postgres");
    assert.match(log, /CREATE ROLE .*SCRAM-SHA-256/);
    assert.match(
      log,
      /ALTER ROLE [^"]*"?vault_app[^"]*"? WITH PASSWORD 'SCRAM-SHA-256/,
      "what Vault rotates is logged",
    );
    assert.doesNotMatch(log, /ALTER ROLE [^"]*"?vault_app[^"]*"? WITH PASSWORD '(?!SCRAM)/);
    for (const text of [state, outputs, log]) assert.ok(!text.includes(user.data.password));
    for (const text of [state, outputs]) assert.doesNotMatch(text, /"password":|SCRAM-SHA-256\$|hvs\./);
    await revoke(user.lease_id);
  });

  it("come from a password that no `up` overwrites, and nothing changes when nothing changed", async () => {
    const stored = () => superuser("SELECT rolpassword FROM pg_authid WHERE rolname = 'vault_app'");
    const before = await stored();
    assert.match(before, /^SCRAM-SHA-256/);
    await unchanged();
    configure({ roles: { ...settings.roles, batch: {} } });
    await writeProgramPolicy(["app", "report", "play", "batch"]);
    await stack.up();
    assert.equal(await stored(), before);
    const batch = await credentials("batch");
    assert.equal((await sql(batch, "SELECT count(*) FROM orders")).stdout, "2\n");
    configure();
    await stack.up();
    assert.equal(await stored(), before);
    assert.match((await sql(batch, "SELECT 1")).output, /password authentication failed/, "they end with their role");
    assert.equal((await sql(await credentials("app"), "SELECT 1")).code, 0);
    await stack.must(["preview", "--refresh", "--expect-no-changes"]);
  });

  it("are possible again after the password or the rights of Vault's user were changed manually", async () => {
    const earlier = await credentials("app");
    await superuser("ALTER ROLE vault_app PASSWORD 'by hand' SUPERUSER; DROP EVENT TRIGGER vault_app_owner");
    assert.match(await stack.up(), /updated/);
    assert.equal((await sql(earlier, "SELECT 1")).code, 0, "those that were there go on");
    await revoke(earlier.lease_id);
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${earlier.data.username}'`), "0\n");
    const user = await credentials("app");
    assert.equal((await sql(user, "SELECT 1")).code, 0);
    assert.equal(await superuser("SELECT rolsuper FROM pg_roles WHERE rolname = 'vault_app'"), "f\n");
    assert.equal(await superuser("SELECT count(*) FROM pg_event_trigger WHERE evtname = 'vault_app_owner'"), "1\n");
  });

  it("are not created at a server whose certificate is not from the declared CA", async () => {
    const other = await asRoot<{ data: object }>("GET", `${MOUNT}/config/vd-shop`);
    assert.match(JSON.stringify(other), /sslmode=verify-full/);
    const forged = readFileSync(process.env.VAULT_CACERT ?? "", "utf8");
    const write = asRoot("POST", `${MOUNT}/config/vd-shop`, { tls_ca: forged, verify_connection: true });
    await assert.rejects(write, /certificate signed by unknown authority|failed to verify certificate/);
  });

  it("are available to the pod's service account in its namespace, and to no other", async () => {
    const { database } = await stack.outputs<{ database: VaultDatabaseOutputs }>();
    const login = database.roles.app!.login!;
    assert.deepEqual([login.mount, login.namespace, login.serviceAccount], [AUTH, APP, "app"]);
    const token = await logIn(login.role, APP, "app");
    const user = await credentials("app", token);
    assert.equal((await sql(user, "SELECT 1")).code, 0);
    for (const [namespace, account] of [
      [APP, "other"],
      [ELSEWHERE, "app"],
    ] as const)
      await assert.rejects(
        logIn(login.role, namespace, account),
        (error) => error instanceof VaultError && error.status === 403,
      );

    const as = (method: "GET" | "POST", path: string, body?: unknown) => vaultRequest(method, path, body, token);
    await as("POST", "sys/leases/renew", { lease_id: user.lease_id, increment: 900 });
    const other = await credentials("report");
    for (const [method, path, body] of [
      ["GET", `${MOUNT}/creds/report`],
      ["GET", `${MOUNT}/config/vd-shop`],
      ["GET", `${MOUNT}/roles/app`],
      ["POST", `${MOUNT}/rotate-root/vd-shop`, {}],
      ["GET", "sys/mounts"],
      ["GET", "pki/roles?list=true"],
      ["POST", "auth/token/create", {}],
      ["POST", "sys/leases/renew", { lease_id: other.lease_id }],
      ["POST", "sys/leases/revoke", { lease_id: other.lease_id }],
    ] as const) {
      const refused = as(method, path, body);
      await assert.rejects(
        refused,
        (error) => error instanceof VaultError && error.status === 403,
        `${method} ${path}`,
      );
    }
    await as("POST", "sys/leases/revoke", { lease_id: user.lease_id, sync: true });
    assert.match((await sql(user, "SELECT 1")).output, /password authentication failed/);
    await revoke(other.lease_id);
  });

  it("cannot be read by the program itself: its policy only creates the roles", async () => {
    const token = await programToken();
    const as = (method: "GET" | "POST", path: string, body?: unknown) => vaultRequest(method, path, body, token);
    for (const [method, path, body] of [
      ["GET", `${MOUNT}/creds/app`],
      ["POST", "sys/policies/acl/database-vd-shop-app", { policy: 'path "*" { capabilities = ["read"] }' }],
      ["POST", `auth/${AUTH}/role/database-vd-shop-app`, roleGiving({ token_policies: ["root-like"] })],
      ["POST", `auth/${AUTH}/role/database-vd-shop-app`, roleGiving({ policies: ["root-like"] })],
      ["GET", "sys/policies/acl/default"],
      ["POST", "sys/leases/revoke-prefix/secret", {}],
    ] as const) {
      const refused = as(method, path, body);
      await assert.rejects(
        refused,
        (error) => error instanceof VaultError && error.status === 403,
        `${method} ${path} ${JSON.stringify(body)}`,
      );
    }
  });

  it("all end with the stack, which leaves nothing in PostgreSQL and Vault except the objects of users", async () => {
    const [one, two] = [await credentials("app"), await credentials("report")];
    await superuser(`GRANT SELECT ON pg_class TO "${two.data.username}"`, "postgres");
    await stack.destroy();
    const log = await kubectl("-n", SHOP, "logs", `${SHOP}-1`, "-c", "postgres");
    for (const { data } of [one, two]) {
      const [byVault, rolesGone] = [
        log.indexOf(`end_user('${data.username}')`),
        log.lastIndexOf('DROP ROLE \\"'), // in a JSON log
      ];
      assert.ok(byVault > 0 && byVault < rolesGone, "Vault ended them, before its own user went");
    }
    for (const user of [one, two]) assert.match((await sql(user, "SELECT 1")).output, /password authentication failed/);
    assert.equal(await superuser("SELECT rolname FROM pg_roles WHERE rolname ~ '^(v-|vault_)'"), "");
    assert.equal(
      await superuser(
        "SELECT nspname FROM pg_namespace WHERE nspname = 'vault_app' UNION SELECT evtname FROM pg_event_trigger",
      ),
      "",
    );
    assert.equal(await superuser("SELECT count(*) FROM orders"), "2\n");
    await nothingInVault();
  });

  it("end by the superuser if Vault cannot reach the database, and also if the database is gone", async () => {
    configure({ revokeWithin: 3, group: "vd_owners" });
    await stack.up();
    const user = await credentials("app");
    assert.equal((await sql(user, "CREATE TABLE later (id int)")).code, 0);
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'later'"), "vd_owners\n");
    assert.match((await sql(user, "SELECT count(*) FROM orders")).output, /permission denied/);
    const { port } = forwarder.address() as AddressInfo;
    await closed(forwarder);
    await stack.destroy();
    assert.match((await sql(user, "SELECT 1")).output, /password authentication failed/);
    assert.equal(await superuser("SELECT rolname FROM pg_roles WHERE rolname ~ '^(v-|vault_|vd_)'"), "");
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'later'"), "app\n");
    await nothingInVault();

    forwarder = await forwardTo(await serviceAddress(), port);
    configure();
    await stack.up();
    await credentials("app");
    await platform.destroy();
    const begun = Date.now();
    await stack.destroy();
    assert.ok(Date.now() - begun < 60_000, `${Date.now() - begun} ms`);
    await nothingInVault();
  });

  /** Checks that a preview shows no change; a failure shows which. */
  async function unchanged(): Promise<void> {
    if (Object.keys(await stack.plannedChanges()).join() !== "same")
      assert.fail(await stack.must(["preview", "--diff"]));
  }

  async function nothingInVault(): Promise<void> {
    const mounts = await asRoot<{ data: object }>("GET", "sys/mounts");
    assert.ok(!Object.keys(mounts!.data).includes(`${MOUNT}/`));
    assert.equal(await asRoot("GET", "sys/policies/acl/database-vd-shop-app"), undefined);
    assert.equal(await asRoot("GET", `auth/${AUTH}/role/database-vd-shop-app`), undefined);
  }

  async function serviceAddress(): Promise<string> {
    return kubectl("-n", SHOP, "get", "service", `${SHOP}-rw`, "-o", "jsonpath={.spec.clusterIP}");
  }

  /** Logs in like an application: over TLS with verify-full; the password is in no argument. */
  function sql(
    { data: { username, password } }: Pick<Credentials, "data">,
    statement: string,
    database = "app",
    tls = "",
  ): Promise<CommandResult> {
    const verified = `sslmode=verify-full sslrootcert=${join(folder, "ca.crt")}`;
    const target = `host=${SHOP}-rw.${SHOP}.svc.cluster.local user=${username} dbname=${database} connect_timeout=10 ${tls || verified}`;
    const args = ["--no-psqlrc", "-qtA", "--set=ON_ERROR_STOP=1", "--no-password", target];
    return attempt("psql", args, { input: statement, env: { PGPASSWORD: password } });
  }

  async function logIn(role: string, namespace: string, account: string): Promise<string> {
    const jwt = (await kubectl("-n", namespace, "create", "token", account)).trim();
    const answer = await vaultRequest<{ auth: { client_token: string; token_policies: string[] } }>(
      "POST",
      `auth/${AUTH}/login`,
      { role, jwt },
    );
    assert.deepEqual(answer!.auth.token_policies, ["database-vd-shop-app"]);
    return answer!.auth.client_token;
  }

  /**
   * Removes what a killed run left: users of Vault in a database that is no longer reachable at its former address.
   * Their leases are removed, and the stacks start again.
   */
  async function clearAfterKilledRun(): Promise<void> {
    const left = new Stack(stack.name, { project: PROGRAM_FOLDER });
    await left.init();
    await left.remove();
    await vault(["lease", "revoke", "-force", "-prefix", `${MOUNT}/`]);
    await vault(["secrets", "disable", MOUNT]);
    for (const role of ["app", "report", "play", "batch"])
      await vault(["policy", "delete", `database-vd-shop-${role}`]);
    await vault(["auth", "disable", AUTH]);
    const namespaces = await kubectl("get", "namespace", SHOP, "--ignore-not-found", "-o", "name");
    if (namespaces === "") return;
    platform.configure(oneDatabase(SHOP));
    await platform.init();
    await platform.destroy();
  }

  async function makeKubernetesAuth(): Promise<void> {
    const kubeconfig = parse(readFileSync(process.env.KUBECONFIG ?? "", "utf8")) as {
      clusters: { cluster: Record<string, string> }[];
    };
    const { server, ...trust } = kubeconfig.clusters[0]!.cluster;
    const inline = trust["certificate-authority-data"];
    const ca = inline
      ? Buffer.from(inline, "base64").toString()
      : readFileSync(trust["certificate-authority"] ?? "", "utf8");
    const reviewer = (await kubectl("-n", APP, "create", "token", "reviewer", "--duration=2h")).trim();
    await asRoot("POST", `sys/auth/${AUTH}`, { type: "kubernetes" });
    await asRoot("POST", `auth/${AUTH}/config`, {
      kubernetes_host: server,
      kubernetes_ca_cert: ca,
      token_reviewer_jwt: reviewer,
    });
  }

  async function writeProgramPolicy(roles: string[]): Promise<void> {
    const policy = vaultDatabasePolicy({
      mount: MOUNT,
      makesMount: true,
      connection: "vd-shop",
      roles,
      kubernetesAuth: AUTH,
    });
    await asRoot("POST", `sys/policies/acl/${PROGRAM}`, { policy });
  }

  async function makeProgram(): Promise<void> {
    await writeProgramPolicy(["app", "report", "play"]);
    await asRoot("POST", `auth/approle/role/${PROGRAM}`, { token_policies: [PROGRAM], token_ttl: "30m" });
    const id = await asRoot<{ data: { role_id: string } }>("GET", `auth/approle/role/${PROGRAM}/role-id`);
    const secret = await asRoot<{ data: { secret_id: string } }>("POST", `auth/approle/role/${PROGRAM}/secret-id`, {});
    Object.assign(environment, { VAULT_ROLE_ID: id!.data.role_id, VAULT_SECRET_ID: secret!.data.secret_id });
  }

  async function programToken(): Promise<string> {
    const login = { role_id: environment.VAULT_ROLE_ID, secret_id: environment.VAULT_SECRET_ID };
    const answer = await vaultRequest<{ auth: { client_token: string } }>("POST", "auth/approle/login", login);
    return answer!.auth.client_token;
  }

  function roleGiving(policies: object): object {
    return { bound_service_account_names: ["app"], bound_service_account_namespaces: [APP], ...policies };
  }

  async function vault(args: string[]): Promise<CommandResult> {
    return attempt("vault", args, { env: { VAULT_TOKEN: root } });
  }
});

/** Lets the lab's Vault, which cannot resolve names of the cluster, reach the database as `localhost`. */
async function forwardTo(address: string, port = 0): Promise<Server> {
  const server = createServer((client) => {
    const upstream = connect(5432, address);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream])
      socket.on("error", () => [client, upstream].forEach((each) => each.destroy()));
    sockets.add(client);
  });
  const sockets = new Set<{ destroy(): void }>();
  server.on("close", () => sockets.forEach((socket) => socket.destroy()));
  (server as Server & { drop?: () => void }).drop = () => sockets.forEach((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

/** Closes it and its open connections. */
async function closed(server: Server): Promise<void> {
  const end = new Promise((resolve) => server.close(resolve));
  (server as Server & { drop?: () => void }).drop?.();
  await end;
}
