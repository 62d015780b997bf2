/**
 * The example of an application team, examples/app: from the platform's outputs to rows of the database, in each way.
 * Real Kubernetes, CloudNativePG, Vault, Teleport, tbot.
 */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PostgresClusterOutputs } from "../../components/postgres-cluster/outputs";
import { workloadRegistrarRole } from "../../components/teleport/program-roles";
import type { MachineIdOutputs } from "../../components/workload/machine-id";
import { intoPod, PodPart } from "../../components/workload/pod-part";
import { tbotPod } from "../../components/workload/tbot-pod";
import { vaultAgentPod } from "../../components/workload/vault-agent-pod";
import { IMAGES } from "../../lab/build/images";
import { Stack, StackConfig } from "../../lab/drive/stack";
import { attempt, CommandResult, run } from "../../lab/host/command";
import { VAULT } from "../../lab/layout";
import { installExample } from "./app-example";
import { asRoot, forwardTo, makeKubernetesAuth, makeProgram, removeKubernetesAuth, removeProgram } from "./app-vault";
import { eventually, identities, kubectl, oneDatabase, PROXY, sqlAsSuperuser, teleport } from "./lab";

const NAME = "app-shop";
const PLATFORM = "organization/cnpg-teleport/app-platform";
const BY_VAULT = "app-vault";
const BY_TBOT = "app-tbot";
const ELSEWHERE = "app-elsewhere";
const MOUNT = "app-postgres";
const AUTH = "app-kubernetes";
const PROGRAM = "app-program";
const REGISTRAR = "app-registrar";
const JOIN = "app-join";

describe("an application's stack that reads the platform's outputs", () => {
  const folder = mkdtempSync(join(tmpdir(), "app-"));
  // The program's login. The ways without a password need more rights than the lab's own program has.
  const environment: NodeJS.ProcessEnv = {};
  const platform = new Stack("app-platform", { env: environment });
  const example = join(folder, "example");
  let app: Stack;
  const settings = {
    platform: PLATFORM,
    database: NAME,
    image: "lab.local/postgresql:17",
    query: "SELECT item, amount FROM stock ORDER BY item",
    interval: 1,
  };

  before(async () => {
    await installExample(example);
    app = new Stack("app-team", { project: example });
    platform.configure(oneDatabase(NAME));
    await platform.init();
    await platform.up();
    const primary = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.currentPrimary}");
    await kubectl(
      ...["-n", NAME, "exec", primary, "-c", "postgres", "--", "psql", "--quiet", "--set=ON_ERROR_STOP=1", "app", "-c"],
      "SET ROLE app; CREATE TABLE stock (item text, amount int); INSERT INTO stock VALUES ('nails', 12), ('screws', 7)",
    );
    await app.init();
  });
  after(async () => {
    await app?.destroy();
    await app?.remove();
    await platform.destroy();
    await platform.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("reports a wrong database, and a namespace without the owner's Secret, before it creates anything", async () => {
    app.configure({ ...settings, database: "shop" });
    const wrongName = await app.pulumi(["preview"]);
    assert.notEqual(wrongName.code, 0);
    assert.match(wrongName.output, /database = shop: is not in .*app-platform\. Databases there: app-shop\./);

    app.configure({ ...settings, namespace: "default" });
    const wrongNamespace = await app.pulumi(["preview"]);
    assert.notEqual(wrongNamespace.code, 0);
    assert.match(wrongNamespace.output, /namespace = default: .* app-shop-app is in app-shop\./);
  });

  it("is ready when its query works, and prints rows of the database", async () => {
    app.configure(settings);
    await app.up();
    const { namespace, deployment } = await app.outputs<{ namespace: string; deployment: string }>();
    assert.equal(namespace, NAME);
    const ready = await kubectl("-n", NAME, "get", "deployment", deployment, "-o", "jsonpath={.status.readyReplicas}");
    assert.equal(ready, "1");
    await eventually("rows of the database in the application's log", async () =>
      /^nails\|12\nscrews\|7$/m.test(await kubectl("-n", NAME, "logs", `deployment/${deployment}`)),
    );
  });

  it("has nothing to do the second time, and no password in its state", async () => {
    assert.deepEqual(Object.keys(await app.plannedChanges()), ["same"]);
    const encoded = await kubectl("-n", NAME, "get", "secret", `${NAME}-app`, "-o", "jsonpath={.data.password}");
    assert.ok(encoded.length > 20);
    const state = await app.state();
    assert.ok(!state.includes(encoded) && !state.includes(Buffer.from(encoded, "base64").toString()));
  });

  it("is not ready with a CA that did not sign the server's certificate: verify-full is in effect", async () => {
    const { deployment } = await app.outputs<{ deployment: string }>();
    const pod = `deployment/${deployment}`;
    const query = ["psql", "--no-psqlrc", "--no-password", "-tAc", "SELECT 1"];
    const as = (variable: string) =>
      kubectl("-n", NAME, "exec", pod, "--", "env", variable, ...query).then(
        (rows) => rows.trim(),
        (error: Error) => error.message,
      );
    assert.equal(await as("PGAPPNAME=test"), "1");
    assert.match(await as("PGSSLROOTCERT=/etc/ssl/certs/ca-certificates.crt"), /certificate verify failed/);
    const address = await kubectl("-n", NAME, "get", "service", `${NAME}-rw`, "-o", "jsonpath={.spec.clusterIP}");
    assert.match(await as(`PGHOST=${address}`), /does not match host name|server certificate for/);
  });

  it("leaves nothing behind when it is destroyed", async () => {
    await app.destroy();
    const left = await kubectl("-n", NAME, "get", "deployment,replicaset,configmap", "-o", "name");
    assert.doesNotMatch(left, /\/(app|server-ca)-[0-9a-f]{8}/);
  });

  describe("without a stored password", () => {
    const trustedCa = readFileSync(process.env.VAULT_CACERT ?? "", "utf8");
    const common = { ...settings, trustedCa };
    const byVault = { ...common, access: "vault", vaultAddress: VAULT.address, sidecarImage: IMAGES.vault };
    const byTbot = {
      ...common,
      access: "tbot",
      database: "stock",
      application: "app-web",
      namespace: BY_TBOT,
      tbotGeneration: "13",
      sidecarImage: IMAGES.tbot,
    };
    let forwarder: { port: number; close: () => void };
    let vaultApp: Stack;
    let tbotApp: Stack;
    let outputs: { databases: Record<string, PostgresClusterOutputs>; applications: Record<string, MachineIdOutputs> };

    before(async () => {
      for (const namespace of [BY_VAULT, BY_TBOT, ELSEWHERE]) await kubectl("create", "namespace", namespace);
      await makeKubernetesAuth(AUTH, BY_VAULT);
      const scope = { mount: MOUNT, makesMount: true, connection: "app-shop", roles: ["app"], kubernetesAuth: AUTH };
      Object.assign(environment, await makeProgram(PROGRAM, scope), { TELEPORT_IDENTITY_FILE: await makeRegistrar() });
      forwarder = await forwardTo(`${NAME}-rw.${NAME}.svc.cluster.local`);
      platform.configure(withoutPasswords(forwarder.port));
      await platform.up();
      outputs = await platform.outputs();
      vaultApp = new Stack("app-vault", { project: example });
      tbotApp = new Stack("app-tbot", { project: example });
      for (const stack of [vaultApp, tbotApp]) await stack.init();
    });
    after(async () => {
      for (const stack of [vaultApp, tbotApp]) {
        await stack?.destroy();
        await stack?.remove();
      }
      platform.configure(oneDatabase(NAME));
      await platform.up();
      forwarder?.close();
      for (const name of ["VAULT_ROLE_ID", "VAULT_SECRET_ID", "TELEPORT_IDENTITY_FILE"]) delete environment[name];
      await removeKubernetesAuth(AUTH);
      await removeProgram(PROGRAM);
      await asAdmin("rm", `user/${REGISTRAR}`);
      await asAdmin("rm", `role/${REGISTRAR}`);
      await kubectl("delete", "namespace", BY_VAULT, BY_TBOT, ELSEWHERE, "--wait=false");
    });

    it("reads what others wrote as a user from Vault, with credentials in memory that only it can read", async () => {
      vaultApp.configure(byVault);
      await vaultApp.up();
      const { namespace } = await vaultApp.outputs<{ namespace: string }>();
      assert.equal(namespace, BY_VAULT, "where the platform lets it in");
      assert.match(await vaultSql("SELECT current_user"), /^v-app-/);
      assert.equal(await vaultSql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
      await eventually("rows of the database in the application's log", async () =>
        /^nails\|12\nscrews\|7$/m.test(await kubectl("-n", BY_VAULT, "logs", await pod(BY_VAULT), "-c", "app")),
      );
      const seen = await inApp("ls -l /var/run/cnpg-teleport/vault/; ls /var/run/secrets /tmp/vault; mount");
      assert.match(seen.output, /-rw-r----- .* pg_service\.conf/);
      assert.match(seen.output, /secrets.*No such file[^]*\/tmp\/vault.*No such file/, "no token of either kind");
      assert.match(seen.output, /^tmpfs on \/run\/cnpg-teleport\/vault .*\bro\b/m);
      assert.match((await inApp("echo > /var/run/cnpg-teleport/vault/x")).output, /Read-only file system/);
      assert.deepEqual(Object.keys(await vaultApp.plannedChanges()), ["same"]);
    });

    it("continues with new credentials after the first are revoked, with the table that the first user created", async () => {
      await vaultSql("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)");
      const first = await credentials();
      assert.equal((await logIn(first)).stdout.trim(), first.user);
      for (const lease of await leases()) {
        await asRoot("POST", "sys/leases/revoke", { lease_id: `${MOUNT}/creds/app/${lease}`, sync: true });
      }
      assert.match((await logIn(first)).output, /password authentication failed/);
      await eventually("the agent has written others", async () => (await credentials()).user !== first.user);
      const second = await credentials();
      const altered = await vaultSql(
        "ALTER TABLE notes ADD COLUMN note text; UPDATE notes SET note = current_user; SELECT id, note FROM notes",
      );
      assert.equal(altered, `1|${second.user}`);
      assert.match((await logIn(first)).output, /password authentication failed/);
      await eventually("the application is ready again", () => isReady(BY_VAULT));
      for (const text of [await vaultApp.state(), await platform.state(), JSON.stringify(outputs), await agentLog()]) {
        for (const { password } of [first, second]) assert.ok(!text.includes(password));
      }
    });

    it("has its credentials revoked with its pod, not only when they expire", async () => {
      const last = await credentials();
      assert.equal((await logIn(last)).stdout.trim(), last.user);
      await vaultApp.destroy();
      await eventually(
        "the pod is gone",
        async () => (await kubectl("-n", BY_VAULT, "get", "pods", "-o", "name")) === "",
        30_000,
      );
      // With a renewal after 70 % of 120 s, they would have more than 30 s left.
      await eventually("the user is gone", async () => (await userCount()) === "0", 15_000);
      assert.deepEqual(await leases(), []);
      assert.match((await logIn(last)).output, /password authentication failed/);
      assert.equal(await superuser("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'"), "app");
      const left = await kubectl("-n", BY_VAULT, "get", "deployment,configmap,serviceaccount", "-o", "name");
      assert.doesNotMatch(left, /\/app/);
    });

    it("queries through tbot's tunnel", async () => {
      const secret = randomBytes(16).toString("hex");
      const expires = new Date(Date.now() + 600_000).toISOString();
      const spec = { roles: ["Bot"], bot_name: "app-web-app-platform", join_method: "token" };
      await teleport.put({ kind: "token", version: "v2", metadata: { name: secret, expires }, spec });
      await apply({ kind: "Secret", metadata: { name: JOIN, namespace: BY_TBOT }, stringData: { token: secret } });
      tbotApp.configure(byTbot);
      await tbotApp.up();
      await eventually("rows of the database in the application's log", async () =>
        /^nails\|12\nscrews\|7$/m.test(await kubectl("-n", BY_TBOT, "logs", await pod(BY_TBOT), "-c", "app")),
      );
      const who = ["psql", "-tAc", "SELECT current_user"];
      const told = await kubectl("-n", BY_TBOT, "exec", await pod(BY_TBOT), "-c", "app", "--", ...who);
      assert.equal(told.trim(), "teleport_user_write");
      assert.deepEqual(Object.keys(await tbotApp.plannedChanges()), ["same"]);
      assert.ok(!(await tbotApp.state()).includes(secret));
      await tbotApp.destroy();
      assert.doesNotMatch(await kubectl("-n", BY_TBOT, "get", "deployment,configmap", "-o", "name"), /\/app/);
    });

    it("gets neither tunnel nor credentials from another namespace", async () => {
      vaultApp.configure({ ...byVault, namespace: ELSEWHERE });
      assert.match(
        (await vaultApp.pulumi(["preview"])).output,
        /the platform gives access only to pods in app-vault\./,
      );

      const { vaultDatabase, hostReadWrite: host, port } = outputs.databases[NAME]!;
      const vaultPart = vaultAgentPod({ ...vaultDatabase!, host, port }, "app", {
        image: IMAGES.vault,
        address: VAULT.address,
        configMap: "by-vault",
        trustedCas: { configMap: "by-vault", key: "cas" },
      });
      await deploy("by-vault", vaultPart, "app");
      await eventually(
        "Vault refuses the agent",
        async () =>
          /namespace not authorized|permission denied/.test(
            (await attempt("kubectl", ["-n", ELSEWHERE, "logs", "deployment/by-vault", "-c", "cnpg-teleport-vault"]))
              .output,
          ),
        60_000,
      );
      const tbotPart = tbotPod(outputs.applications["app-web"]!, {
        generation: "13", // Teleport 13 and 14
        image: IMAGES.tbot,
        configMap: "by-tbot",
        trustedCas: { configMap: "by-tbot", key: "cas" },
      });
      await deploy("by-tbot", tbotPart, "stock");
      await eventually("the Secret is not there", async () =>
        (await kubectl("-n", ELSEWHERE, "get", "events")).includes(`secret "${JOIN}" not found`),
      );
      const started = "jsonpath={.items[*].status.containerStatuses[*].started}";
      assert.doesNotMatch(await kubectl("-n", ELSEWHERE, "get", "pods", "-o", started), /true/);
      assert.equal(await userCount(), "0");
    });

    /** The platform's declarations for both. */
    function withoutPasswords(port: number): StackConfig {
      const database = oneDatabase(NAME, {
        // Vault is outside of Kubernetes here, and needs a host for the database that it can resolve.
        serverAltNames: ["localhost"],
        vaultDatabase: {
          host: "localhost",
          port,
          connection: "app-shop",
          mount: { path: MOUNT },
          kubernetesAuth: { path: AUTH },
          revokeWithin: 20,
          roles: {
            app: {
              defaultTtl: "120s",
              maxTtl: "1h",
              consumer: { namespace: BY_VAULT, serviceAccount: "app", tokenTtl: "20m" },
            },
          },
        },
      });
      const application = {
        join: { method: "token", secret: JOIN },
        databases: { stock: { database: NAME, user: "teleport_user_write" } },
      };
      return { ...database, applications: { "app-web": application } };
    }

    async function makeRegistrar(): Promise<string> {
      const file = join(folder, "registrar");
      await teleport.put(workloadRegistrarRole(REGISTRAR));
      await teleport.put({ kind: "user", version: "v2", metadata: { name: REGISTRAR }, spec: { roles: [REGISTRAR] } });
      await eventually("the registrar is there", async () => (await asAdmin("get", `user/${REGISTRAR}`)).code === 0);
      await teleport.sign(REGISTRAR, file, "1h");
      return file;
    }

    async function deploy(name: string, part: PodPart, database: string): Promise<void> {
      const labels = { app: name };
      const template = {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: "app", image: IMAGES.postgresql, command: ["sleep", "infinity"] }],
        },
      };
      const account = part.spec.serviceAccountName;
      const metadata = { name, namespace: ELSEWHERE };
      await apply(
        ...(account ? [{ kind: "ServiceAccount", metadata: { ...metadata, name: account } }] : []),
        { kind: "ConfigMap", metadata, data: { ...part.data, cas: trustedCa } },
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata,
          spec: { selector: { matchLabels: labels }, template: intoPod(template, part, { app: database }) },
        },
      );
    }

    /** Runs the application's query in its own container. */
    async function credentials(): Promise<{ user: string; password: string }> {
      const { stdout } = await inApp("cat /var/run/cnpg-teleport/vault/pg_service.conf");
      const value = (key: string) => new RegExp(`^${key}=(.+)$`, "m").exec(stdout)?.[1] ?? "";
      return { user: value("user"), password: value("password") };
    }

    /** From outside of the pod, over TLS; the password is in no argument. */
    function logIn({ user, password }: { user: string; password: string }): Promise<CommandResult> {
      const target = `host=${NAME}-rw.${NAME}.svc.cluster.local user=${user} dbname=app sslmode=require connect_timeout=10`;
      const args = ["--no-psqlrc", "-tA", "--no-password", "-c", "SELECT current_user", target];
      return attempt("psql", args, { env: { PGPASSWORD: password } });
    }

    async function leases(): Promise<string[]> {
      const found = await asRoot<{ data: { keys: string[] } }>("LIST", `sys/leases/lookup/${MOUNT}/creds/app`);
      return found?.data.keys ?? [];
    }

    async function vaultSql(sql: string): Promise<string> {
      // The application times out after 5 s, which is too short for a test.
      const patiently = ["env", "PGCONNECT_TIMEOUT=60"];
      const psql = [...patiently, "psql", "--no-psqlrc", "--no-password", "-qtA", "--set=ON_ERROR_STOP=1", "-c", sql];
      return (await kubectl("-n", BY_VAULT, "exec", await pod(BY_VAULT), "-c", "app", "--", ...psql)).trim();
    }

    async function inApp(script: string): Promise<CommandResult> {
      const shell = ["-c", "app", "--", "sh", "-c", script];
      return attempt("kubectl", ["-n", BY_VAULT, "exec", await pod(BY_VAULT), ...shell]);
    }

    async function agentLog(): Promise<string> {
      return kubectl("-n", BY_VAULT, "logs", await pod(BY_VAULT), "-c", "cnpg-teleport-vault");
    }

    async function superuser(sql: string): Promise<string> {
      return (await sqlAsSuperuser(NAME, "app", sql)).trim();
    }

    function userCount(): Promise<string> {
      return superuser("SELECT count(*) FROM pg_roles WHERE rolname ~ '^v-app-'");
    }
  });
});

async function pod(namespace: string): Promise<string> {
  return (await kubectl("-n", namespace, "get", "pods", "-o", "name")).trim();
}

async function isReady(namespace: string): Promise<boolean> {
  const ready = "jsonpath={.items[*].status.readyReplicas}";
  return (await kubectl("-n", namespace, "get", "deployment", "-o", ready)) === "1";
}

function asAdmin(...args: string[]): Promise<CommandResult> {
  return attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
}

function apply(...items: object[]): Promise<string> {
  const list = { apiVersion: "v1", kind: "List", items: items.map((item) => ({ apiVersion: "v1", ...item })) };
  return run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(list) });
}
