/**
 * The engine is killed while it manages a Cluster: objects in Kubernetes, SQL in the primary, Vault's user and
 * connection. Each run first recovers from the run before, and is then killed at a later step.
 */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { UPSERT_EXISTING_OBJECTS } from "../../components/protection/upsert-existing-objects";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { asRoot, forwardTo, makeProgram, removeProgram } from "../lab/app-vault";
import { CACHE_LAG, kubectl, oneDatabase, sqlAsSuperuser, teleport } from "../lab/lab";
import { EngineRun } from "./engine-run";
import { labOf, ownKubeconfig, OwnKubeconfig } from "./lab-kubeconfig";
import { writerOfEach } from "./object-writers";
import { Moment, StoppingGateway } from "./stopping-gateway";

const NAME = "eng-cluster";
const MOUNT = "eng-cluster-postgres";
const CONNECTION = `${NAME}-${NAME}`;
const UP = ["up", "--yes", "--skip-preview", "--parallel=100"];
const DESTROY = ["destroy", "--yes", "--skip-preview", "--parallel=100"];
/**
 * Adopts what a killed run had created, which the Kubernetes plugin refuses since 4.29. The lab's older plugin does
 * so anyway.
 */
const WITH_UPSERT = { [UPSERT_EXISTING_OBJECTS]: "true" };
const ROLES_LEFT = `SELECT rolname FROM pg_roles WHERE rolname ~ '^(v-|vault|teleport)' ORDER BY 1`;

const done = (what: RegExp): Moment => ({ when: "after", what });

describe("an engine that is killed while it manages a Cluster", () => {
  let kubernetes: StoppingGateway;
  let vault: StoppingGateway;
  let kubeconfig: OwnKubeconfig;
  let forwarder: { port: number; close: () => void };
  let stack: Stack;
  const superuser = async (sql: string, database = "app") => (await sqlAsSuperuser(NAME, database, sql)).trim();

  const configure = (settings: Record<string, unknown> = {}, vaultSettings: Record<string, unknown> = {}) =>
    stack.configure(
      oneDatabase(NAME, {
        serverAltNames: ["localhost"],
        users: [{ name: "teleport_user_read", access: "read" }],
        autoUsers: { roles: ["teleport_user_read"] },
        poolers: [{ type: "rw", instances: 1 }],
        vaultDatabase: {
          host: "localhost",
          port: forwarder.port,
          mount: { path: MOUNT },
          roles: { app: {} },
          ...vaultSettings,
        },
        ...settings,
      }),
    );

  before(async () => {
    forwarder = await forwardTo(`${NAME}-rw.${NAME}.svc.cluster.local`);
    const { server, ca, token } = labOf();
    kubernetes = await StoppingGateway.open(server, { ca, token });
    vault = await StoppingGateway.open(process.env.VAULT_ADDR ?? "", { ca: process.env.VAULT_CACERT ?? "" });
    kubeconfig = ownKubeconfig({ url: kubernetes.address });
    const scope = { mount: MOUNT, makesMount: true, connection: CONNECTION, roles: ["app"] };
    stack = new Stack(NAME, {
      env: {
        ...(await makeProgram("eng-cluster-program", scope)),
        VAULT_ADDR: vault.address,
        VAULT_CACERT: undefined,
        KUBECONFIG: kubeconfig.path,
      },
    });
    configure();
    await stack.init();
    await stack.must(DESTROY); // remains of a killed run of this test
  });

  after(async () => {
    kubernetes?.goOn();
    vault?.goOn();
    await stack?.init(); // removes the lock of a killed engine
    await stack?.pulumi(DESTROY);
    await stack?.remove();
    await kubernetes?.close();
    await vault?.close();
    kubeconfig?.remove();
    forwarder?.close();
    await removeProgram("eng-cluster-program");
    await asRoot("DELETE", `sys/mounts/${MOUNT}`);
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  /** Runs until the given steps, kills all processes, and removes the lock. */
  async function killed(
    args: string[],
    at: { kubernetes?: Moment[]; vault?: Moment[] },
    env: NodeJS.ProcessEnv = {},
  ): Promise<void> {
    kubernetes.stopAt(at.kubernetes ?? []);
    vault.stopAt(at.vault ?? []);
    const engine = new EngineRun(stack, args, env);
    try {
      await Promise.all([kubernetes.untilStopped(engine.ended), vault.untilStopped(engine.ended)]).catch(
        async (error: Error) => {
          assert.fail(`${error.message}\n${(await engine.end("SIGKILL of all")).output}`);
        },
      );
      await engine.end("SIGKILL of all");
      assert.deepEqual(engine.secretsLeft(), [], "no file with a key is left");
    } finally {
      engine.remove();
      kubernetes.goOn();
      vault.goOn();
    }
    await stack.must(["cancel", "--yes"]);
  }

  /** Vault refuses to create an existing mount, and nothing shows who owns it. It is still empty. */
  async function mountIsTaken(): Promise<void> {
    const refused = await stack.pulumi(UP, { env: WITH_UPSERT });
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /path is already in use at eng-cluster-postgres/);
    assert.equal(await asRoot("LIST", `${MOUNT}/config`), undefined);
    await asRoot("DELETE", `sys/mounts/${MOUNT}`);
  }

  /** Everything declared exists once, another run changes nothing, and credentials from Vault work. */
  async function converged(adminUser: string): Promise<void> {
    const planned = await stack.plannedChanges();
    assert.deepEqual(Object.keys(planned), ["same"], JSON.stringify(planned));
    assert.equal(
      await superuser(ROLES_LEFT),
      ["teleport-auto-user", adminUser, "teleport_user_read", "vault_app", "vault_app_users"].sort().join("\n"),
    );
    assert.equal(await superuser("SELECT rolvaliduntil = 'infinity' FROM pg_roles WHERE rolname = 'vault_app'"), "t");
    const credentials = await asRoot<{ lease_id: string; data: { username: string; password: string } }>(
      "GET",
      `${MOUNT}/creds/app`,
    );
    const { username, password } = credentials!.data;
    const env = { PGPASSWORD: password, PGSSLMODE: "require", PGCONNECT_TIMEOUT: "60" };
    const address = ["-h", "localhost", "-p", String(forwarder.port), "-U", username, "-d", "app"];
    const login = await attempt("psql", [...address, "-Atc", "SELECT current_user"], { env });
    assert.equal(login.stdout.trim(), username, login.output);
    await asRoot("POST", "sys/leases/revoke", { lease_id: credentials!.lease_id, sync: true });
    await sleep(CACHE_LAG);
    const database = await teleport.database(`${NAME}-${NAME}`);
    assert.ok(JSON.stringify(database).includes(adminUser), "Teleport knows the admin user");
  }

  it("converges after it was killed at each step of a create", async () => {
    await killed(UP, {
      kubernetes: [done(/^(POST|PATCH) .*\/namespaces\/eng-cluster\/secrets/)],
      vault: [done(/^(PUT|POST) .*\/sys\/mounts\//)],
    });
    await mountIsTaken();
    await killed(UP, { kubernetes: [done(/^(POST|PATCH) .*\/namespaces\/eng-cluster\/clusters/)] }, WITH_UPSERT);
    const uid = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.metadata.uid}");
    await killed(UP, { kubernetes: [done(/^SQL in app: [^]*GRANT SELECT ON TABLE/)] }, WITH_UPSERT);
    assert.equal(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.metadata.uid}"), uid);
    await killed(UP, { kubernetes: [done(/^SQL in postgres: [^]*CREATE ROLE "teleport_admin"/)] }, WITH_UPSERT);
    await killed(UP, { vault: [done(/^(PUT|POST) .*\/config\/eng-cluster/)] }, WITH_UPSERT);
    await killed(UP, { vault: [done(/^(PUT|POST) .*\/rotate-root\//)] }, WITH_UPSERT);
    await killed(UP, { vault: [done(/^(PUT|POST) .*\/roles\/app/)] }, WITH_UPSERT);
    await stack.must(UP, { env: WITH_UPSERT });
    await stack.must(["refresh", "--yes", "--skip-preview", "--clear-pending-creates"]);
    await converged("teleport_admin");
    await writerOfEach(NAME);
  });

  it("converges after it was killed at each step of an update", async () => {
    configure(
      {
        parameters: { shared_buffers: "32MB", max_connections: "50", work_mem: "5MB" },
        users: [{ name: "teleport_user_read", access: "read", scope: [{ database: "app", schemas: ["public"] }] }],
        poolers: [{ type: "rw", instances: 1, parameters: { max_client_conn: "150" } }],
      },
      { roles: { app: { defaultTtl: "30m" } } },
    );
    await killed(UP, { kubernetes: [done(/^PATCH .*\/clusters\/eng-cluster/)] });
    await killed(UP, { kubernetes: [done(/^SQL in app: [^]*REVOKE/)] });
    await killed(UP, { kubernetes: [done(/^PATCH .*\/poolers\/pooler-eng-cluster-rw/)] });
    await killed(UP, { vault: [done(/^(PUT|POST) .*\/roles\/app/)] });
    await stack.must(UP);
    await converged("teleport_admin");
    assert.equal(await superuser("SHOW work_mem"), "5MB");
    assert.equal(
      (await asRoot<{ data: { default_ttl: number } }>("GET", `${MOUNT}/roles/app`))?.data.default_ttl,
      1_800,
    );
  });

  it("leaves nothing behind after it was killed at each step of a destroy", async () => {
    await killed(DESTROY, { vault: [done(/^DELETE .*\/roles\/app/)] });
    await killed(DESTROY, { vault: [done(/^DELETE .*\/config\/eng-cluster/)] });
    await killed(DESTROY, { kubernetes: [done(/^DELETE .*\/poolers\/pooler-eng-cluster-rw/)] });
    await killed(DESTROY, { kubernetes: [done(/^DELETE .*\/clusters\/eng-cluster/)] });
    await killed(DESTROY, { kubernetes: [done(/^DELETE .*\/namespaces\/eng-cluster(\?|$)/)] });
    await stack.must(DESTROY);
    assert.deepEqual(JSON.parse(await stack.state()).deployment?.resources ?? [], []);
    const mounts = await asRoot<{ data: object }>("GET", "sys/mounts");
    assert.ok(mounts && !(`${MOUNT}/` in mounts.data));
    assert.equal(await kubectl("get", "namespace", NAME, "--ignore-not-found", "-o", "name"), "");
    await sleep(CACHE_LAG);
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
  });
});
