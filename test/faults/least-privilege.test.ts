/**
 * Credentials that attempt more than they may. Each attempt is refused, and an administrator can do it, so it is
 * refused because of missing rights. Real Teleport, Kubernetes, CloudNativePG, Vault.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  workloadRegistrarRole,
  accessRegistrarRole,
  PROVISIONED_BY,
  registrarRole,
} from "../../components/teleport/program-roles";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult } from "../../lab/host/command";
import { asRoot, forwardTo, makeProgram, removeProgram } from "../lab/app-vault";
import { eventually, identities, kubectl, oneDatabase, PROXY, sqlAsSuperuser, teleport } from "../lab/lab";
import { answersOf, DENIED, scriptOf } from "./reader-attempts";

const NAME = "sec-least";
const MOUNT = "sec-least-postgres";
const PROGRAM = "sec-least-program";
const ROLES = {
  registrar: registrarRole("sec-least-registrar"),
  access: accessRegistrarRole("sec-least-access-registrar"),
  workload: workloadRegistrarRole("sec-least-workload-registrar"),
};
type Who = keyof typeof ROLES;
const WHO = Object.keys(ROLES) as Who[];

/** A manually created resource in Teleport: its reference for `tctl rm`, and the document. */
const document = (kind: string, version: string, name: string, spec: object, labels: object = {}) => ({
  reference: `${kind}/${name}`,
  text: JSON.stringify({ kind, version, metadata: { name, labels }, spec }),
});
const EXPIRES = "2099-01-01T00:00:00Z";
const postgres = { protocol: "postgres", uri: "nowhere.invalid:5432" };

/** Who may write each of these: nobody, or the larger roles for which it is documented. */
const DOCUMENTS: { made: ReturnType<typeof document>; by: Who[] }[] = [
  { made: document("db", "v3", "sec-least-ours", postgres, PROVISIONED_BY), by: WHO },
  { made: document("db", "v3", "sec-least-bare", postgres), by: [] },
  { made: document("db", "v3", "sec-least-other", postgres, { provisioned_by: "somebody" }), by: [] },
  { made: document("role", "v6", "sec-least-made", { allow: {} }), by: ["access", "workload"] },
  { made: document("user", "v2", "sec-least-made", { roles: ["access"] }), by: ["workload"] },
  {
    made: {
      reference: "token/sec-least-made",
      text: JSON.stringify({
        kind: "token",
        version: "v2",
        metadata: { name: "sec-least-made", expires: EXPIRES },
        spec: { roles: ["Db"], join_method: "token" },
      }),
    },
    by: ["access", "workload"],
  },
  { made: document("lock", "v2", "sec-least-made", { target: { user: "sec-nobody" } }), by: [] },
  { made: document("app", "v3", "sec-least-made", { uri: "http://nowhere.invalid" }), by: [] },
  { made: document("installer", "v1", "sec-least-made", { script: "exit" }), by: [] },
];

/** In PEM, and in base64 as Teleport prints it. */
const PRIVATE_KEY = /PRIVATE KEY|UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW/;

/** Commands that only read or only sign, and who may run them in addition to the administrator. */
const COMMANDS: { args: string[]; by: Who[] }[] = [
  { args: ["get", "cert_authorities"], by: WHO },
  { args: ["get", "roles"], by: ["access", "workload"] },
  { args: ["get", "tokens"], by: ["access", "workload"] },
  { args: ["get", "users"], by: ["workload"] },
  { args: ["get", "connectors"], by: [] },
  { args: ["get", "locks"], by: [] },
  { args: ["get", "trusted_cluster"], by: [] },
  { args: ["get", "cert_authorities", "--with-secrets"], by: [] },
  { args: ["auth", "export", "--type=db", "--keys"], by: [] },
];

describe("least privilege", () => {
  const folder = mkdtempSync(join(tmpdir(), "sec-least-"));
  const environment: NodeJS.ProcessEnv = {};
  const stack = new Stack(NAME, { env: environment });
  const file = (name: string) => join(folder, name);
  const as = (identity: string, args: string[], input?: string) =>
    attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identity}`], { input });
  const asAdmin = (args: string[], input?: string) => as(identities.admin, args, input);
  const superuser = async (sql: string, database = "app") => (await sqlAsSuperuser(NAME, database, sql)).trim();
  let forwarder: { port: number; close: () => void };
  let database: Promise<string>;

  before(async () => {
    forwarder = await forwardTo(`${NAME}-rw.${NAME}.svc.cluster.local`);
    const scope = { mount: MOUNT, makesMount: true, connection: `${NAME}-${NAME}`, roles: ["app"] };
    Object.assign(environment, await makeProgram(PROGRAM, scope));
    stack.configure(
      oneDatabase(NAME, {
        serverAltNames: ["localhost"],
        databases: [{ name: "other", owner: "app" }],
        poolers: [{ type: "rw", instances: 1 }],
        vaultDatabase: {
          host: "localhost",
          port: forwarder.port,
          mount: { path: MOUNT },
          group: "sec_group",
          roles: { app: {} },
        },
      }),
    );
    await stack.init();
    database = stack.up(); // used by the later tests: the first ones run meanwhile
    database.catch(() => {});
    for (const who of WHO) {
      const { name } = ROLES[who].metadata;
      await teleport.put(ROLES[who]);
      await teleport.put({ kind: "user", version: "v2", metadata: { name }, spec: { roles: [name] } });
      await eventually(`${name} is there`, async () => (await asAdmin(["get", `user/${name}`])).code === 0);
      await teleport.sign(name, file(who), "1h");
    }
  });

  after(async () => {
    for (const { made } of DOCUMENTS) await asAdmin(["rm", made.reference]);
    await database.catch(() => {});
    await stack.destroy();
    await stack.remove();
    forwarder.close();
    await removeProgram(PROGRAM);
    await asRoot("DELETE", `sys/mounts/${MOUNT}`);
    for (const who of WHO)
      for (const kind of ["user", "role"]) await asAdmin(["rm", `${kind}/${ROLES[who].metadata.name}`]);
    rmSync(folder, { recursive: true, force: true });
  });

  for (const who of WHO) {
    it(`${ROLES[who].metadata.name.replace("sec-least-", "")}: writes in Teleport what is documented, and nothing else`, async () => {
      for (const { made, by } of DOCUMENTS) {
        const created = await as(file(who), ["create", "--force"], made.text);
        if (by.includes(who)) {
          assert.equal(created.code, 0, `${made.reference}: ${created.output}`);
          await asAdmin(["rm", made.reference]);
        } else {
          assert.notEqual(created.code, 0, made.reference);
          assert.match(created.output, /access denied|access to db denied/, `${made.reference}: ${created.output}`);
        }
      }
    });

    it(`${ROLES[who].metadata.name.replace("sec-least-", "")}: reads in Teleport what is documented, and no CA's key`, async () => {
      for (const { args, by } of COMMANDS) {
        const { code, output } = await as(file(who), args);
        if (by.includes(who)) assert.equal(code, 0, `${args.join(" ")}: ${output}`);
        else assert.match(output, /access denied|not authorized|permission denied/i, args.join(" "));
        assert.doesNotMatch(output, PRIVATE_KEY, args.join(" "));
      }
    });
  }

  it("an administrator of Teleport can do all of it", async () => {
    for (const { made } of DOCUMENTS) {
      const created = await asAdmin(["create", "--force"], made.text);
      assert.equal(created.code, 0, `${made.reference}: ${created.output}`);
      await asAdmin(["rm", made.reference]);
    }
    for (const { args } of COMMANDS) {
      const { code, output } = await asAdmin(args);
      assert.equal(code, 0, `${args.join(" ")}: ${output}`);
      if (args.some((arg) => /secrets|keys/.test(arg)))
        assert.match(output, PRIVATE_KEY, "what the others may not see");
    }
  });

  it("the program's roles cannot sign certificates, and log in to no database, not even to one that they registered", async () => {
    await database;
    for (const who of WHO) {
      const signed = await as(file(who), ["auth", "sign", "--user=reader", `--out=${file("signed")}`, "--ttl=1h"]);
      assert.notEqual(signed.code, 0, who);
      for (const user of ["teleport_user_read", "streaming_replica"]) {
        const login = { identity: file(who), proxy: PROXY, teleportDatabase: `${NAME}-${NAME}`, user, database: "app" };
        const refused = await sqlThroughTeleport(login, "SELECT 1");
        assert.match(refused.output, /access to db denied/i, `${who} as ${user}`);
      }
    }
    const login = { identity: identities.reader, proxy: PROXY, teleportDatabase: `${NAME}-${NAME}` };
    const reader = await sqlThroughTeleport({ ...login, user: "teleport_user_read", database: "app" }, "SELECT 1");
    assert.equal(reader.stdout.trim(), "1", reader.output);
  });

  it("Vault's own user creates users only with the declared roles, and reaches no other role and no data", async () => {
    await database;
    await sqlAsSuperuser(NAME, "app", "SET ROLE app; DROP TABLE IF EXISTS stock; CREATE TABLE stock (item text)");
    const admin = await superuser("SELECT rolname FROM pg_roles WHERE rolname ~ '^vault_' AND rolcreaterole");
    await refusedIn("app", `SET SESSION AUTHORIZATION ${admin};`, [
      "SELECT * FROM stock",
      "INSERT INTO stock VALUES ('x')",
      "SELECT * FROM pg_authid",
      "CREATE ROLE sec_made SUPERUSER",
      "CREATE ROLE sec_made CREATEDB",
      "CREATE ROLE sec_made REPLICATION",
      "CREATE ROLE sec_made BYPASSRLS",
      "ALTER ROLE CURRENT_USER SUPERUSER",
      "ALTER ROLE app PASSWORD 'x'",
      "ALTER ROLE postgres PASSWORD 'x'",
      "ALTER ROLE teleport_user_read SET work_mem = '1MB'",
      "GRANT app TO CURRENT_USER",
      "GRANT teleport_user_write TO CURRENT_USER",
      "GRANT pg_read_all_data TO CURRENT_USER",
      "GRANT pg_execute_server_program TO CURRENT_USER",
      "SET ROLE app",
      "SET ROLE postgres",
      "CREATE SCHEMA mine",
      "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION vault_app.hand_over()",
      "CREATE EXTENSION hstore",
      "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
      "SELECT pg_read_file('/etc/hostname')",
      "SELECT pg_reload_conf()",
    ]);
    const made = `SET SESSION AUTHORIZATION ${admin}; BEGIN; CREATE ROLE sec_made IN ROLE sec_group; ROLLBACK`;
    await superuser(made);

    // This user decides who is in the group of its users. The next `up` must not give it rights over those roles.
    const grouped = (change: string) => `${change} postgres, app, pg_execute_server_program`;
    await superuser(`SET SESSION AUTHORIZATION ${admin}; ${grouped(`GRANT ${admin}_users TO`)}`);
    await stack.up();
    const reached = `SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
      WHERE m.member = '${admin}'::regrole AND r.rolname IN ('postgres', 'pg_execute_server_program')`;
    assert.equal(await superuser(reached), "");
    await refusedIn("app", `SET SESSION AUTHORIZATION ${admin};`, ["SET ROLE postgres", "ALTER ROLE app PASSWORD 'x'"]);
    await superuser(grouped(`REVOKE ${admin}_users FROM`));
  });

  it("streaming_replica changes nothing, and connects to no database but `postgres`", async () => {
    await database;
    const login = await loginOf("streaming_replica", `${NAME}-replication-tls`);
    assert.equal((await login("postgres", "SELECT current_user")).stdout.trim(), "streaming_replica");
    assert.match((await login("app", "SELECT 1")).output, /pg_hba.conf|password|no entry/i);
    await refused("postgres", login, [
      "CREATE TABLE public.mine (id int)",
      "CREATE SCHEMA mine",
      "CREATE ROLE mine",
      "ALTER ROLE CURRENT_USER SUPERUSER",
      "SET ROLE postgres",
      "SELECT * FROM pg_authid",
      "SELECT pg_reload_conf()",
      "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
      "COPY (SELECT 1) TO '/dev/null'",
    ]);
    const file = await login("postgres", "SELECT length(pg_read_binary_file('PG_VERSION')) > 0");
    assert.equal(file.stdout.trim(), "t", `as documented: ${file.output}`);
  });

  it("the poolers' login reads only the hashes of users that may log in", async () => {
    await database;
    const login = await loginOf("cnpg_pooler_pgbouncer", `${NAME}-pooler`);
    const lookUp = async (user: string) =>
      (await login("postgres", `SELECT usename FROM public.user_search('${user}')`)).stdout.trim();
    assert.equal(await lookUp("app"), "app");
    for (const user of ["postgres", "streaming_replica"]) assert.equal(await lookUp(user), "", user);
    await refused("postgres", login, [
      "SELECT * FROM pg_authid",
      "SELECT * FROM pg_shadow",
      "CREATE TABLE public.mine (id int)",
      "CREATE SCHEMA mine",
      "CREATE ROLE mine",
      "ALTER ROLE app PASSWORD 'x'",
      "SET ROLE postgres",
      "SET ROLE app",
      "CREATE OR REPLACE FUNCTION public.user_search(uname text) RETURNS TABLE (usename name, passwd text) LANGUAGE sql AS 'SELECT rolname, rolpassword FROM pg_authid'",
      "SELECT pg_read_file('/etc/hostname')",
      "SELECT pg_reload_conf()",
    ]);
    await refused("app", login, ["SELECT * FROM stock", "INSERT INTO stock VALUES ('x')", "CREATE SCHEMA mine"]);
  });

  type Login = (database: string, sql: string) => Promise<CommandResult>;

  /** Each attempt is refused because of missing rights, and the superuser can do it. */
  async function refused(inDatabase: string, login: Login, statements: string[]): Promise<void> {
    const attempts = statements.map((sql) => ({ sql }));
    const { stdout, output } = await login(inDatabase, scriptOf(attempts));
    const open = [...answersOf(stdout, attempts)].filter(([, state]) => state !== DENIED);
    assert.deepEqual(open, [], output);
    await possible(inDatabase, statements);
  }

  /**
   * Runs as a user whose password only Vault knows: the superuser changes the session's user, which the session
   * cannot change back.
   */
  async function refusedIn(inDatabase: string, takeOn: string, statements: string[]): Promise<void> {
    const attempts = statements.map((sql) => ({ sql }));
    const { stdout, output } = await inPod(inDatabase, `${takeOn}\n${scriptOf(attempts)}`);
    const open = [...answersOf(stdout, attempts)].filter(([, state]) => state !== DENIED);
    assert.deepEqual(open, [], output);
    await possible(inDatabase, statements);
  }

  async function possible(inDatabase: string, statements: string[]): Promise<void> {
    const attempts = statements.map((sql) => ({ sql }));
    const { stdout, output } = await inPod(inDatabase, scriptOf(attempts));
    const impossible = [...answersOf(stdout, attempts)].filter(([, state]) => state !== "00000");
    assert.deepEqual(impossible, [], `what the superuser cannot do shows nothing: ${output}`);
  }

  function inPod(inDatabase: string, input: string): Promise<CommandResult> {
    const psql = ["psql", "--no-psqlrc", "--quiet", "-d", inDatabase];
    return attempt("kubectl", ["-n", NAME, "exec", "-i", `${NAME}-1`, "-c", "postgres", "--", ...psql], { input });
  }

  /** Logs in with the certificate of a Secret of kind `kubernetes.io/tls`. */
  async function loginOf(user: string, secret: string): Promise<Login> {
    for (const key of ["tls.crt", "tls.key"]) {
      const path = `jsonpath={.data.${key.replace(".", "\\.")}}`;
      const encoded = await kubectl("-n", NAME, "get", "secret", secret, "-o", path);
      writeFileSync(file(`${user}.${key}`), Buffer.from(encoded, "base64"), { mode: 0o600 });
    }
    const shown = `sslmode=require sslcert=${file(`${user}.tls.crt`)} sslkey=${file(`${user}.tls.key`)}`;
    const host = `host=${NAME}-rw.${NAME}.svc.cluster.local`;
    return (inDatabase, sql) => {
      const address = `${host} user=${user} dbname=${inDatabase} connect_timeout=10 ${shown}`;
      return attempt("psql", ["--no-psqlrc", "-qtA", "--no-password", address], { input: sql });
    };
  }
});
