/**
 * A major upgrade in place: another image in the settings, and `up`. Real Kubernetes, CloudNativePG, PgBouncer, Teleport and
 * Vault; PostgreSQL 15 of Debian 12, and 17 of Debian 13.
 */
import { strict as assert } from "node:assert";
import { IMAGES } from "../../lab/build/images";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult } from "../../lab/host/command";
import { asRoot, forwardTo, makeProgram, removeProgram } from "../lab/app-vault";
import { kubectl, loginAs, oneDatabase, sqlAsOwner, sqlAsSuperuser } from "../lab/lab";

const NAME = "mu-shop";
const ENVIRONMENT = "mu";
const DATABASE = `${NAME}-${ENVIRONMENT}`;
const MOUNT = "mu-postgres";
const PROGRAM = "mu-program";
const FUNCTIONS =
  "lo_create(oid), pg_logical_emit_message(boolean, text, text), pg_logical_emit_message(boolean, text, bytea)";

interface Credentials {
  lease_id: string;
  data: { username: string; password: string };
}

describe("a major upgrade in place", () => {
  const environment: NodeJS.ProcessEnv = {};
  const stack = new Stack("mu-upgrade", { env: environment });
  const superuser = async (sql: string, database = "app") => (await sqlAsSuperuser(NAME, database, sql)).trim();
  const service = (name: string) => `${name}.${NAME}.svc.cluster.local`;
  const credentials = () => asRoot<Credentials>("GET", `${MOUNT}/creds/app`);
  let forwarder: { port: number; close: () => void };
  let former: Credentials | undefined;

  const configure = (image: string) =>
    stack.configure(
      oneDatabase(NAME, {
        environment: ENVIRONMENT,
        image,
        majorUpgrade: { backupWithin: "none" },
        serverAltNames: ["localhost"],
        poolers: [{ type: "rw", instances: 1 }],
        vaultDatabase: { host: "localhost", port: forwarder.port, mount: { path: MOUNT }, roles: { app: {} } },
      }),
    );

  before(async () => {
    forwarder = await forwardTo(service(`${NAME}-rw`));
    const scope = { mount: MOUNT, makesMount: true, connection: DATABASE, roles: ["app"] };
    Object.assign(environment, await makeProgram(PROGRAM, scope));
    configure(IMAGES.olderPostgresql);
    await stack.init();
    await stack.up();
  });

  after(async () => {
    await stack.destroy();
    await stack.remove();
    forwarder.close();
    await removeProgram(PROGRAM);
  });

  it("starts at 15, with people, an application behind PgBouncer, and users of Vault", async () => {
    await sqlAsOwner(NAME, "app", "CREATE TABLE stock (item text); INSERT INTO stock VALUES ('nails')");
    former = await credentials();
    await everybodyReads(15, 1);
    assert.equal((await asVaultUser(former!, "CREATE TABLE made_by_vault_user (id int)")).code, 0);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("is refused with and without a preview after an earlier release revoked functions from everybody, until `up` granted them again", async () => {
    for (const database of ["app", "postgres"])
      await superuser(
        `REVOKE EXECUTE ON FUNCTION ${FUNCTIONS} FROM PUBLIC; GRANT EXECUTE ON FUNCTION ${FUNCTIONS} TO app, teleport_user_write`,
        database,
      );
    assert.match(await dumped(), /pg_logical_emit_message/, "pg_upgrade would carry it over, where it is not");
    configure(IMAGES.postgresql);
    for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const refused = await stack.pulumi(command);
      assert.notEqual(refused.code, 0);
      assert.match(refused.output, /cannot be upgraded to PostgreSQL 17 yet: in the database app, postgres/);
    }
    assert.match(await superuser("SHOW server_version"), /^15/);
    configure(IMAGES.olderPostgresql);
    assert.match(await stack.up(), /1 updated/);
    assert.doesNotMatch(await dumped(), /pg_logical_emit_message|lo_create/);
  });

  it("needs one `up`, after which everybody logs in as before", async () => {
    configure(IMAGES.postgresql);
    await stack.up();
    await everybodyReads(17, 1);
    assert.equal(
      (await asVaultUser(former!, "SELECT count(*) FROM made_by_vault_user")).code,
      0,
      "those of before go on",
    );
    assert.equal((await sqlThroughTeleport(writer, "INSERT INTO stock VALUES ('screws')")).code, 0);
    await everybodyReads(17, 2);
  });

  it("leaves nothing to do after the next `up`, which adds settings of the new version", async () => {
    await stack.up();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await asRoot("POST", "sys/leases/revoke", { lease_id: former!.lease_id, sync: true });
    assert.equal(await superuser(`SELECT count(*) FROM pg_roles WHERE rolname = '${former!.data.username}'`), "0");
    assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'made_by_vault_user'"), "app");
  });

  const reader = loginAs("reader", DATABASE, "app");
  const writer = loginAs("writer", DATABASE, "app");

  async function everybodyReads(major: number, count: number): Promise<void> {
    const sql = "SELECT current_setting('server_version_num')::int / 10000, count(*) FROM stock";
    for (const login of [reader, writer]) {
      const told = await sqlThroughTeleport(login, sql);
      assert.equal(told.stdout.trim(), `${major}|${count}`, `${login.user}: ${told.output}`);
    }
    const pooled = await asOwner(sql);
    assert.equal(pooled.stdout.trim(), `${major}|${count}`, `through PgBouncer: ${pooled.output}`);
    const user = await credentials();
    const told = await asVaultUser(user!, sql);
    assert.equal(told.stdout.trim(), `${major}|${count}`, `with credentials from Vault: ${told.output}`);
    await asRoot("POST", "sys/leases/revoke", { lease_id: user!.lease_id, sync: true });
  }

  /** Through the Pooler, with the password of CloudNativePG's Secret. */
  async function asOwner(sql: string): Promise<CommandResult> {
    const secret = await kubectl("-n", NAME, "get", "secret", `${NAME}-app`, "-o", "jsonpath={.data.password}");
    return psql(`host=${service(`pooler-${NAME}-rw`)} user=app`, Buffer.from(secret, "base64").toString("utf8"), sql);
  }

  function asVaultUser({ data }: Credentials, sql: string): Promise<CommandResult> {
    return psql(`host=${service(`${NAME}-rw`)} user=${data.username}`, data.password, sql);
  }

  function psql(address: string, password: string, sql: string): Promise<CommandResult> {
    const options = ["--no-psqlrc", "-qtA", "--set=ON_ERROR_STOP=1", "--no-password"];
    const target = `${address} dbname=app sslmode=require connect_timeout=30`;
    return attempt("psql", [...options, target], { input: sql, env: { PGPASSWORD: password } });
  }

  /** What pg_upgrade carries over of the database. */
  async function dumped(): Promise<string> {
    const primary = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.currentPrimary}");
    const dump = ["pg_dump", "--schema-only", "--binary-upgrade", "-d", "app"];
    return kubectl("-n", NAME, "exec", primary, "-c", "postgres", "--", ...dump);
  }
});
