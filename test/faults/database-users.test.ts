/**
 * PostgreSQL users for people: how they log in, that no other way works, and that readers can only read. Real
 * Kubernetes, CloudNativePG, PgBouncer, Teleport.
 */
import { strict as assert } from "node:assert";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessRegistrarRole } from "../../components/teleport/program-roles";
import { DENIED_USERS } from "../../components/teleport/resources/access-role";
import { IMAGES } from "../../lab/build/images";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult, run } from "../../lab/host/command";
import { eventually, identities, kubectl, oneDatabase, PROXY, sqlAsOwner, sqlAsSuperuser, teleport } from "../lab/lab";
import { anotherAuthority, Authority, ClientCertificate, signedFor } from "./client-certificates";
import { ATTEMPTS, answersOf, DENIED, OBJECTS, scriptOf } from "./reader-attempts";

const NAME = "sec-users";
const ENVIRONMENT = "sec";
const SERVICE = `${NAME}-${ENVIRONMENT}`;
const ELSEWHERE = "sec-elsewhere";
const REGISTRAR = "sec-users-registrar";
/** A person with only this program's role. */
const PERSON = "sec-users-person";
/** A person with this program's role and someone else's role that allows every user. */
const BOTH = "sec-users-both";
/** A person with only someone else's role. */
const ANYBODY = "sec-users-anybody";
const READER = "teleport_user_read";
const WRITER = "teleport_user_write";
const ADMIN_USER = "sec_admin";
/** Set manually for users that must not have a password. */
const PASSWORD = "by-hand-4711";
const SCRIPT_LIMIT = 180_000;

describe("PostgreSQL users for people", () => {
  const folder = mkdtempSync(join(tmpdir(), "sec-users-"));
  const file = (name: string) => join(folder, name);
  const stack = new Stack(NAME, { env: { TELEPORT_IDENTITY_FILE: file(REGISTRAR) } });
  const superuser = async (sql: string, database = "app") => (await sqlAsSuperuser(NAME, database, sql)).trim();
  const owner = (sql: string) => sqlAsOwner(NAME, "app", sql);
  const asAdmin = (...args: string[]) =>
    attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
  const host = `${NAME}-rw.${NAME}.svc.cluster.local`;
  const pooler = `pooler-${NAME}-rw.${NAME}.svc.cluster.local`;
  let authority: Authority;
  let reader: ClientCertificate;

  const configure = (
    users: object[] = [
      { name: READER, access: "read" },
      { name: WRITER, access: "write" },
    ],
  ) =>
    stack.configure(
      oneDatabase(NAME, {
        environment: ENVIRONMENT,
        users,
        autoUsers: { roles: [WRITER], adminUser: ADMIN_USER },
        poolers: [
          { type: "rw", instances: 1 },
          { type: "rw", name: "sec-explicit", instances: 1, authentication: "explicit" },
        ],
        teleport: { proxy: PROXY, accessRoles: true },
      }),
    );

  before(async () => {
    await teleport.put(accessRegistrarRole(REGISTRAR));
    await person(REGISTRAR, [REGISTRAR]);
    configure();
    await stack.init();
    await Promise.all([stack.up(), makeClient()]);
    await owner(`DROP SCHEMA IF EXISTS stock CASCADE; SELECT lo_unlink(oid) FROM pg_largeobject_metadata; ${OBJECTS}`);
    await superuser(`ALTER LARGE OBJECT 4343 OWNER TO ${READER}`);
    const allow = { db_labels: { primary: SERVICE }, db_names: ["*"], db_users: ["*"] };
    await teleport.put({ kind: "role", version: "v6", metadata: { name: ANYBODY }, spec: { allow } });
    await person(PERSON, [`${SERVICE}-${READER}`]);
    await person(BOTH, [`${SERVICE}-${READER}`, ANYBODY]);
    await person(ANYBODY, [ANYBODY]);
    authority = await clientAuthority();
    reader = await signedFor(READER, authority, folder);
  });

  after(async () => {
    for (const name of [PERSON, BOTH, ANYBODY]) await asAdmin("rm", `user/${name}`);
    await asAdmin("rm", `role/${ANYBODY}`);
    await kubectl("delete", "namespace", ELSEWHERE, "--ignore-not-found", "--wait=false");
    await stack.destroy();
    await stack.remove();
    for (const kind of ["user", "role"]) await asAdmin("rm", `${kind}/${REGISTRAR}`);
    rmSync(folder, { recursive: true, force: true });
  });

  it("log in only with a certificate of the client CA and their own name", async () => {
    const welcome = await withCertificate(READER, reader, "SELECT current_user");
    assert.equal(welcome.stdout.trim(), READER, welcome.output);

    const other = await anotherAuthority(folder);
    const forged = await withCertificate(READER, await signedFor(READER, other, folder), "SELECT 1");
    assert.match(forged.output, /unknown ca|unknown certificate authority/);
    const stranger = await withCertificate(READER, await signedFor("sec_stranger", authority, folder), "SELECT 1");
    assert.match(stranger.output, /certificate authentication failed for user "teleport_user_read"/);
    const another = await withCertificate(WRITER, reader, "SELECT 1");
    assert.match(another.output, /certificate authentication failed for user "teleport_user_write"/);
  });

  it("cannot log in with a password from anywhere, not even with a manually set one", async () => {
    for (const user of [READER, WRITER]) await superuser(`ALTER ROLE ${user} PASSWORD '${PASSWORD}'`);
    await superuser(`DROP ROLE IF EXISTS sec_control; CREATE ROLE sec_control LOGIN PASSWORD '${PASSWORD}'`);
    const ways = [
      [`host=${host} sslmode=require`, /connection requires a valid client certificate/],
      [`host=${host} sslmode=disable`, /pg_hba.conf rejects connection .* no encryption/],
      [`host=${host} sslmode=require replication=database`, /connection requires a valid client certificate/],
      [`host=${host} sslmode=disable replication=database`, /pg_hba.conf rejects connection .* no encryption/],
      // PgBouncer knows the hash and accepts the password; PostgreSQL does not accept PgBouncer as the user.
      [`host=${pooler} sslmode=require`, /certificate authentication failed for user/],
      [`host=sec-explicit.${NAME}.svc.cluster.local sslmode=require`, /certificate authentication failed for user/],
    ] as const;
    for (const [way, answer] of ways) {
      for (const user of [READER, WRITER]) {
        const refused = await fromPod(`${way} user=${user}`);
        assert.notEqual(refused.code, 0, `${way}: ${refused.output}`);
        assert.match(refused.output, answer, way);
      }
      if (way.includes("replication")) continue; // it needs a right that the user does not have
      const control = await fromPod(`${way} user=sec_control`);
      const open = !(way.startsWith(`host=pooler`) || way.includes("explicit"));
      if (open) assert.equal(control.stdout.trim(), "sec_control", `${way}: ${control.output}`);
    }
    for (const user of [READER, WRITER]) {
      const physical = await fromPod(`host=${host} sslmode=require replication=true user=${user}`);
      assert.match(physical.output, /no pg_hba.conf entry for replication connection/);
    }
  });

  it("cannot log in over a local socket of an instance's pod", async () => {
    const inPod = (user: string) => {
      const psql = ["psql", `user=${user} dbname=app password=${PASSWORD}`, "-tAc", "SELECT current_user"];
      return attempt("kubectl", ["-n", NAME, "exec", `${NAME}-1`, "-c", "postgres", "--", ...psql]);
    };
    assert.equal((await inPod("postgres")).stdout.trim(), "postgres");
    for (const user of [READER, WRITER, ADMIN_USER])
      assert.match((await inPod(user)).output, new RegExp(`Peer authentication failed for user "${user}"`));
  });

  it("cannot replicate with their certificate", async () => {
    const replicate = (protocol: string) =>
      withCertificate(READER, reader, "IDENTIFY_SYSTEM", `replication=${protocol}`);
    assert.match((await replicate("database")).output, /permission denied to start WAL sender/);
    assert.match((await replicate("true")).output, /no pg_hba.conf entry for replication connection/);
  });

  it("lose a manually set password by the next `up`", async () => {
    await superuser(`ALTER ROLE ${READER} PASSWORD '${PASSWORD}'; ALTER ROLE ${READER} SET work_mem = '1MB'`);
    await stack.up();
    const left = `SELECT rolname FROM pg_authid WHERE rolname = '${READER}' AND rolpassword IS NOT NULL`;
    assert.equal(await superuser(left), "");
    const settings = `SELECT setconfig FROM pg_db_role_setting WHERE setrole = '${READER}'::regrole`;
    assert.equal(await superuser(settings), "{default_transaction_read_only=on}");
  });

  it("are the only users that this program's roles open: nobody reaches CloudNativePG's users or the admin users", async () => {
    const others = [...DENIED_USERS, ADMIN_USER, "postgres", "app", WRITER];
    const asPerson = (who: string, user: string) =>
      sqlThroughTeleport(
        { identity: file(who), proxy: PROXY, teleportDatabase: SERVICE, user, database: "postgres" },
        "SELECT current_user",
      );
    const self = await asPerson(PERSON, READER);
    assert.equal(self.stdout.trim(), READER, self.output);
    for (const user of others) {
      const refused = await asPerson(PERSON, user);
      assert.notEqual(refused.code, 0, user);
      assert.match(refused.output, /access to db denied/i, user);
    }
    for (const user of [...DENIED_USERS, ADMIN_USER]) {
      const refused = await asPerson(BOTH, user);
      assert.match(refused.output, /access to db denied/i, `${user}, whatever another role opens`);
    }
    for (const user of ["streaming_replica", "cnpg_pooler_pgbouncer", "pooler_authentication", ADMIN_USER]) {
      const opened = await asPerson(ANYBODY, user);
      assert.equal(opened.stdout.trim(), user, `it is our role that denies ${user}: ${opened.output}`);
    }
    assert.match((await asPerson(ANYBODY, "postgres")).output, /no client certificate|password|pg_hba|denied/i);
  });

  it("that are readers cannot write, even if they make their transactions writable", async () => {
    const ended = sacrifice();
    await eventually(
      "somebody else has a session",
      async () =>
        (await superuser("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sec-other'")) === "1",
    );
    const script = scriptOf(ATTEMPTS);
    const asReader = await sqlThroughTeleport(
      { identity: file(PERSON), proxy: PROXY, teleportDatabase: SERVICE, user: READER, database: "app" },
      script,
    );
    const refused = answersOf(asReader.stdout, ATTEMPTS);
    const open = [...refused].filter(([, state]) => state !== DENIED);
    assert.deepEqual(open, [], asReader.output);

    const asSuperuser = await attempt(
      "kubectl",
      ["-n", NAME, "exec", "-i", `${NAME}-1`, "-c", "postgres", "--", "psql", "-X", "-q", "-d", "app"],
      { input: script, limit: SCRIPT_LIMIT },
    );
    const impossible = [...answersOf(asSuperuser.stdout, ATTEMPTS)].filter(([, state]) => state !== "00000");
    assert.deepEqual(impossible, [], `what the superuser cannot do shows nothing: ${asSuperuser.output}`);
    await ended;
    await superuser("DROP DATABASE IF EXISTS sec_mine", "postgres");
    assert.equal(await superuser("SELECT name FROM stock.items"), "nails");
  });

  it("that are readers change nothing with commands for which PostgreSQL only warns: VACUUM, ANALYZE, GRANT", async () => {
    await superuser("DELETE FROM pg_statistic WHERE starelid = 'stock.items'::regclass");
    const sql = "ANALYZE stock.items; VACUUM stock.items; GRANT INSERT ON stock.items TO PUBLIC";
    const tried = await withCertificate(READER, reader, sql, writable, ["-a"]);
    assert.match(tried.output, /permission denied to analyze "items", skipping it/);
    assert.match(tried.output, /permission denied to vacuum "items", skipping it/);
    assert.match(tried.output, /no privileges were granted for "items"/);
    const analyzed = "SELECT count(*) > 0 FROM pg_statistic WHERE starelid = 'stock.items'::regclass";
    const granted = "SELECT relacl::text ~ '[{,]=' FROM pg_class WHERE oid = 'stock.items'::regclass";
    assert.deepEqual([await superuser(analyzed), await superuser(granted)], ["f", "f"]);
    await superuser("VACUUM stock.items");
    await owner(sql.replace("VACUUM stock.items;", "")); // it cannot run in a transaction, which `-c` creates for several statements
    assert.deepEqual([await superuser(analyzed), await superuser(granted)], ["t", "t"]);
    await owner("REVOKE INSERT ON stock.items FROM PUBLIC");
  });

  it("that are readers can create large objects and messages in the WAL, like everybody, and change no others", async () => {
    const make = "SELECT lo_unlink(lo_from_bytea(0, 'x')); SELECT pg_logical_emit_message(false, 'x', 'x') IS NOT NULL";
    assert.match(
      (await withCertificate(READER, reader, make)).output,
      /read-only transaction/,
      "as its sessions begin",
    );
    assert.equal((await withCertificate(READER, reader, make, writable)).stdout.trim(), "1\nt");
    const others = await withCertificate(READER, reader, "SELECT lo_unlink(4242)", writable);
    assert.match(others.output, /must be owner of large object 4242/);
    await superuser("REVOKE EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) FROM PUBLIC"); // permanently, by an administrator
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    const refused = await withCertificate(READER, reader, "SELECT lo_from_bytea(0, 'x')", writable);
    assert.match(refused.output, /permission denied for function lo_from_bytea/);
    await superuser("GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO PUBLIC");
  });

  it("and everybody else get back what an earlier release revoked, in each database, by the next `up`", async () => {
    for (const database of ["app", "postgres"])
      await superuser(
        `REVOKE EXECUTE ON FUNCTION lo_create(oid), pg_logical_emit_message(boolean, text, text, boolean) FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION lo_create(oid), pg_logical_emit_message(boolean, text, text, boolean) TO app, ${WRITER}`,
        database,
      );
    assert.match(await stack.up(), /1 updated/);
    const other = `SELECT count(*) FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace
      AND proname IN ('lo_create', 'pg_logical_emit_message') AND (
        SELECT array_agg(grantee ORDER BY grantee) FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
      ) IS DISTINCT FROM ARRAY[0, proowner]::oid[]`;
    for (const database of ["app", "postgres"]) assert.equal(await superuser(other, database), "0", database);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("that hold locks cannot block changes of rights, not even of their own", async () => {
    const writer = await signedFor(WRITER, authority, folder);
    const holding = [
      `SELECT pg_advisory_lock(hashtext('cnpg-teleport access')); SELECT pg_sleep(600)`,
      "BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'x'; SELECT pg_sleep(600)",
    ].map((sql) => withCertificate(WRITER, writer, sql, "application_name=sec-held"));
    const held = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sec-held' AND query ~ 'pg_sleep'";
    await eventually("the writer holds locks", async () => (await superuser(held)) === "2");
    await superuser(`REVOKE SELECT ON stock.items FROM ${READER}`);
    assert.match(await stack.up(), /1 updated/);
    assert.equal((await withCertificate(READER, reader, "SELECT count(*) FROM stock.items")).code, 0);
    assert.equal(await superuser(held), "1", "who held its own role was ended, and no other");
    await superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sec-held'");
    await Promise.all(holding);
  });

  it("are not changed while another session holds a lock, and the message names it", async () => {
    const sql = "SET ROLE app; BEGIN; ALTER TABLE stock.items ADD COLUMN held int; SELECT pg_sleep(600)";
    const psql = ["psql", "application_name=sec-holder dbname=app", "-c", sql];
    const holding = attempt("kubectl", ["-n", NAME, "exec", `${NAME}-1`, "-c", "postgres", "--", ...psql], {
      limit: 900_000,
    });
    const held = "FROM pg_stat_activity WHERE application_name = 'sec-holder' AND query ~ 'pg_sleep'";
    await eventually("the lock is held", async () => (await superuser(`SELECT count(*) ${held}`)) === "1");
    await superuser(`ALTER ROLE ${READER} SET work_mem = '1MB'`);
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    await superuser(`SELECT pg_terminate_backend(pid) ${held}`);
    await holding;
    assert.notEqual(code, 0);
    assert.match(output, /lock timeout.*held by process [0-9]+ of the user postgres .*application sec-holder/s);
    assert.match(output, /pg_terminate_backend/);
    await stack.up();
  });

  it("that are readers may use temporary tables until the database's owner revokes it, and `up` does not change that", async () => {
    const make = "CREATE TEMP TABLE mine (id int); INSERT INTO mine VALUES (1); SELECT count(*) FROM mine";
    assert.match((await withCertificate(READER, reader, make)).output, /read-only transaction/);
    assert.equal((await withCertificate(READER, reader, make, writable)).stdout.trim(), "1");
    await owner("REVOKE TEMPORARY ON DATABASE app FROM PUBLIC");
    await superuser(`ALTER ROLE ${READER} SET work_mem = '1MB'`); // so that there is something to correct
    await stack.up();
    const refused = await withCertificate(READER, reader, make, writable);
    assert.match(refused.output, /permission denied to create temporary tables in database "app"/);
  });

  it("that are readers also have what the owner grants to everybody, and their own role's settings", async () => {
    const call = (sql: string) => withCertificate(READER, reader, sql, writable);
    assert.equal((await call("SELECT stock.defined()")).code, 0, "SECURITY DEFINER, which PUBLIC may call");
    assert.equal(await superuser("SELECT count(*) FROM stock.items WHERE name = 'by definer'"), "1");
    await owner("REVOKE EXECUTE ON FUNCTION stock.defined() FROM PUBLIC");
    assert.match((await call("SELECT stock.defined()")).output, /permission denied for function defined/);
    for (const open of [
      "NOTIFY anybody, 'x'",
      "SELECT pg_advisory_lock(1)",
      "ALTER ROLE CURRENT_USER SET work_mem = '1MB'",
      "ALTER ROLE CURRENT_USER PASSWORD 'x'",
    ])
      assert.equal((await call(open)).code, 0, open);
  });

  const writable = "options='-c default_transaction_read_only=off'";

  /** From outside of Kubernetes, over TLS. */
  function withCertificate(
    user: string,
    { certificate, key }: ClientCertificate,
    sql: string,
    more = "",
    options: string[] = [],
  ): Promise<CommandResult> {
    const shown = `sslmode=require sslcert=${certificate} sslkey=${key}`;
    const address = `host=${host} user=${user} dbname=app connect_timeout=120 ${shown} ${more}`;
    const psql = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--no-password"];
    return attempt("psql", [...psql, ...options, address], { input: sql });
  }

  /** From a pod of another namespace, with the password. */
  function fromPod(address: string): Promise<CommandResult> {
    const psql = `psql -X -tA --no-password "${address} dbname=app connect_timeout=120" -c`;
    const sql = address.includes("replication") ? "IDENTIFY_SYSTEM" : "SELECT current_user";
    const script = `export PGPASSWORD='${PASSWORD}'\n${psql} '${sql}'\n`;
    return attempt("kubectl", ["-n", ELSEWHERE, "exec", "-i", "client", "--", "sh"], { input: script });
  }

  /** Another user's session, for attempts to end it; resolves when it has ended. */
  function sacrifice(): Promise<unknown> {
    const psql = ["psql", "application_name=sec-other dbname=app", "-c", "SELECT pg_sleep(600)"];
    return attempt("kubectl", ["-n", NAME, "exec", `${NAME}-1`, "-c", "postgres", "--", ...psql]);
  }

  async function makeClient(): Promise<void> {
    const container = {
      name: "client",
      image: IMAGES.postgresql,
      command: ["sleep", "3600"],
      imagePullPolicy: "Never",
    };
    const items = [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: ELSEWHERE } },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "client", namespace: ELSEWHERE },
        spec: { containers: [container], terminationGracePeriodSeconds: 0, automountServiceAccountToken: false },
      },
    ];
    await run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
    await kubectl("-n", ELSEWHERE, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s");
  }

  /** The stack's client CA, as the administrator has it. */
  async function clientAuthority(): Promise<Authority> {
    const state = await stack.pulumi(["stack", "export", "--show-secrets"]);
    const { deployment } = JSON.parse(state.stdout) as {
      deployment: { resources: { type: string; urn: string; outputs?: Record<string, { plaintext?: string }> }[] };
    };
    const found = deployment.resources.find(({ urn }) => urn.endsWith(`PrivateKey::${NAME}-client-ca`));
    const files = { certificate: file("client-ca.crt"), key: file("client-ca.key") };
    writeFileSync(files.key, JSON.parse(found!.outputs!.privateKeyPem!.plaintext!) as string);
    chmodSync(files.key, 0o600);
    const bundle = ["get", "secret", `${NAME}-client-ca-bundle`, "-o", "jsonpath={.data.ca\\.crt}"];
    writeFileSync(files.certificate, Buffer.from(await kubectl("-n", NAME, ...bundle), "base64"));
    return files;
  }

  /** Creates a user in Teleport with these roles, and an identity in a file of its name. */
  async function person(name: string, roles: string[]): Promise<void> {
    await teleport.put({ kind: "user", version: "v2", metadata: { name }, spec: { roles } });
    await eventually(`${name} can be signed for`, async () => (await asAdmin("get", `user/${name}`)).code === 0);
    await teleport.sign(name, file(name), "1h");
  }
});
