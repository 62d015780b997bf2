/**
 * The restore drill of a database whose users Vault and Teleport create: both create users again after the recovery, and
 * those that come along in the data cannot log in. Real Kubernetes, CloudNativePG, Vault, Teleport.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PostgresClusterOutputs } from "../../components";
import { workloadRegistrarRole } from "../../components/teleport/program-roles";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult } from "../../lab/host/command";
import { asRoot, forwardTo, makeProgram, removeProgram } from "./app-vault";
import {
  apply,
  eventually,
  identities,
  kubectl,
  oneDatabase,
  PROXY,
  sqlAsOwner,
  sqlAsSuperuser,
  teleport,
} from "./lab";
import {
  eventuallyArchived,
  loseCluster,
  objectStoreIn,
  objectStoreOnDisk,
  objectStoreSecret,
  timeToRecoverTo,
} from "./object-store";

const NAME = "ru-shop";
const ENVIRONMENT = "ru";
const MOUNT = "ru-postgres";
const PROGRAM = "ru-program";
const REGISTRAR = "ru-registrar";
const PERSON = "ru-person";
const TELEPORT_DATABASE = `${NAME}-${ENVIRONMENT}`;
const FOLDER = `${NAME}-${Date.now()}`;
const READER = { name: "teleport_user_read", access: "read" };

/** A user that Vault created. */
interface Credentials {
  lease_id: string;
  data: { username: string; password: string };
}

describe("a recovery of a database with users of Vault and Teleport", () => {
  const folder = mkdtempSync(join(tmpdir(), "restore-users-"));
  const person = join(folder, "person");
  const environment: NodeJS.ProcessEnv = { TELEPORT_IDENTITY_FILE: join(folder, "registrar") };
  const stack = new Stack("restore-users", { env: environment });
  let forwarder: Awaited<ReturnType<typeof forwardTo>>;
  let configure: (more?: object) => void;
  let archive = "";
  /** Users from before the recovery target, of which one is revoked after it, and one from after the target. */
  let kept: Credentials;
  let revoked: Credentials;
  let lost: Credentials;

  const superuser = async (sql: string) => (await sqlAsSuperuser(NAME, "app", sql)).trim();
  const tctl = (...args: string[]) =>
    attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
  const credentials = async () => (await asRoot<Credentials>("GET", `${MOUNT}/creds/app`))!;
  const revoke = ({ lease_id }: Credentials) => asRoot("POST", "sys/leases/revoke", { lease_id, sync: true });
  const teleportLogin = { identity: person, proxy: PROXY, teleportDatabase: TELEPORT_DATABASE, user: PERSON };
  const asPerson = (sql: string) => sqlThroughTeleport({ ...teleportLogin, database: "app" }, sql);

  before(async () => {
    await teleport.put(workloadRegistrarRole(REGISTRAR));
    await user(REGISTRAR, REGISTRAR, environment.TELEPORT_IDENTITY_FILE ?? "");
    const scope = { mount: MOUNT, makesMount: true, connection: TELEPORT_DATABASE, roles: ["app"] };
    Object.assign(environment, await makeProgram(PROGRAM, scope));
    forwarder = await forwardTo(`${NAME}-rw.${NAME}.svc.cluster.local`);
    // A killed run may have left it.
    await kubectl("delete", "namespace", NAME, "--ignore-not-found");
    await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: NAME } }, objectStoreSecret(NAME));
    configure = (more = {}) =>
      stack.configure(
        oneDatabase(NAME, {
          namespace: NAME,
          environment: ENVIRONMENT,
          backup: { objectStore: objectStoreIn(FOLDER) },
          users: [READER],
          autoUsers: { roles: [READER.name] },
          teleport: { proxy: PROXY, accessRoles: true },
          serverAltNames: ["localhost"],
          vaultDatabase: {
            mount: { path: MOUNT },
            host: "localhost", // Vault is outside of Kubernetes here
            port: forwarder.port,
            roles: { app: { defaultTtl: "1h", maxTtl: "2h" } },
          },
          ...more,
        }),
      );
    configure();
    await stack.init();
    await stack.up();
    archive = (await outputs()).backup?.archiveName ?? "";
    await user(PERSON, `${TELEPORT_DATABASE}-auto-${READER.name}`, person);
  });

  after(async () => {
    await tctl("rm", `user/${PERSON}`);
    await stack.destroy().catch(() => {});
    await stack.remove();
    forwarder?.close();
    await removeProgram(PROGRAM);
    await tctl("rm", `user/${REGISTRAR}`);
    await tctl("rm", `role/${REGISTRAR}`);
    await kubectl("delete", "namespace", NAME, "--wait=false", "--ignore-not-found");
    rmSync(objectStoreOnDisk(FOLDER), { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  it("begins with users of both, in the backup and after it", async () => {
    [kept, revoked] = [await credentials(), await credentials()];
    const made = await asVaultUser(kept, "CREATE TABLE stock (item text); INSERT INTO stock VALUES ('nails')");
    assert.equal(made.code, 0, made.output);
    await sqlAsOwner(NAME, "app", "CREATE TABLE notes (note text)");
    assert.match((await asPerson("SELECT current_user, count(*) FROM stock")).stdout, /^ru-person\|1$/m);
    const recoverTo = await timeToRecoverTo(NAME);
    await revoke(revoked);
    lost = await credentials();
    assert.equal((await asVaultUser(lost, "INSERT INTO stock VALUES ('mistake')")).code, 0);
    await eventuallyArchived(NAME, join(objectStoreOnDisk(FOLDER), archive));
    configure({ recovery: { archiveName: archive, recoveryTarget: { targetTime: recoverTo } } });
  });

  it("drops the users of Vault that come along in the data, also the one whose lease was revoked after the backup", async () => {
    await loseCluster(NAME);
    await stack.must(["refresh", "--yes", "--skip-preview"]);
    const output = await stack.up();
    assert.match(output, /2 users that Vault created before the Cluster ru-shop\/ru-shop came along in its data/);
    assert.equal(await superuser("SELECT item FROM stock"), "nails");
    assert.equal(await superuser("SELECT count(*) FROM pg_roles WHERE rolname ~ '^v-'"), "0");
    for (const former of [kept, revoked, lost])
      assert.match((await asVaultUser(former, "SELECT 1")).output, /password authentication failed/);
  });

  it("lets Vault create users again, with the rights that they had", async () => {
    const now = await credentials();
    const result = await asVaultUser(
      now,
      "INSERT INTO stock VALUES ('screws'); ALTER TABLE stock ADD COLUMN price int",
    );
    assert.equal(result.code, 0, result.output);
    await revoke(now);
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'stock'"), "app");
  });

  it("leaves leases of the lost Cluster that Vault can still revoke", async () => {
    for (const former of [kept, lost]) await revoke(former);
    const left = await asRoot<{ data?: { keys: string[] } }>("LIST", `sys/leases/lookup/${MOUNT}/creds/app`);
    assert.deepEqual(left?.data?.keys ?? [], []);
  });

  it("lets people log in through Teleport again, with the user that came along in the data", async () => {
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${PERSON}'`), "1");
    const read = await asPerson("SELECT current_user, count(*) FROM stock");
    assert.match(read.stdout, /^ru-person\|2$/m, read.output);
    assert.match((await asPerson("INSERT INTO stock VALUES ('theirs')")).output, /permission denied for table stock/);
    const other = await sqlThroughTeleport({ ...teleportLogin, user: "teleport_admin", database: "app" }, "SELECT 1");
    assert.notEqual(other.code, 0, other.output);
  });

  it("plans no changes afterwards, without the setting `recovery`", async () => {
    configure();
    await stack.up();
    const { same, ...others } = await stack.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
  });

  async function outputs(): Promise<PostgresClusterOutputs> {
    return (await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>()).databases[NAME]!;
  }

  /** Logs in like an application: over TLS with verify-full. */
  async function asVaultUser({ data: { username, password } }: Credentials, sql: string): Promise<CommandResult> {
    const ca = join(folder, "ca.crt");
    writeFileSync(ca, (await outputs()).serverCa);
    const host = `host=${NAME}-rw.${NAME}.svc.cluster.local user=${username} dbname=app connect_timeout=10`;
    const target = `${host} sslmode=verify-full sslrootcert=${ca}`;
    const args = ["--no-psqlrc", "-qtA", "--set=ON_ERROR_STOP=1", "--no-password", target];
    return attempt("psql", args, { input: sql, env: { PGPASSWORD: password } });
  }

  /** A user in Teleport, with an identity file. */
  async function user(name: string, role: string, file: string): Promise<void> {
    await teleport.put({ kind: "user", version: "v2", metadata: { name }, spec: { roles: [role] } });
    await eventually(`${name} can be signed for`, async () => (await tctl("get", `user/${name}`)).code === 0);
    await teleport.sign(name, file, "1h");
  }
});
