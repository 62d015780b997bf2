/**
 * Applications without a password: a pod that queries through tbot's tunnel, pods without access, and the end of
 * access. Real Kubernetes, CloudNativePG, Teleport, tbot.
 */
import { strict as assert } from "node:assert";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { botAccounts } from "../../components/teleport/before-15/bots"; // Teleport 13 and 14
import { botDocument } from "../../components/teleport/resources/bot";
import { workloadRegistrarRole, PROVISIONED_BY } from "../../components/teleport/program-roles";
import { parseDocuments, TeleportDocument } from "../../components/teleport/client/tctl";
import type { MachineIdOutputs } from "../../components/workload/machine-id";
import { certificateFolder } from "../../components/workload/tbot";
import { tbotPod, TbotPodSettings } from "../../components/workload/tbot-pod";
import { IMAGES } from "../../lab/build/images";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult } from "../../lab/host/command";
import { apply, CACHE_LAG, eventually, identities, kubectl, oneDatabase, PROXY, sqlAsSuperuser, teleport } from "./lab";

const SHOP = "mi-shop";
const SERVICE = `${SHOP}-mi-platform`;
const APP = "mi-app";
const ELSEWHERE = "mi-elsewhere";
/** Secret with a manually created join token. */
const JOIN = "app-join";
const REGISTRAR = "mi-registrar";
/** A database in Teleport that is not the application's. */
const OTHER_SERVICE = "mi-other";
/** A bot like the application's. */
const TWIN = "mi-twin";
/** The shortest lifetime that Teleport allows. */
const CERTIFICATE_SECONDS = 60;
const TBOT = "cnpg-teleport-tbot";
/** The namespace enforces the strictest of Kubernetes' Pod Security Standards. */
const RESTRICTED = { "pod-security.kubernetes.io/enforce": "restricted" };
const POD: TbotPodSettings = {
  generation: "13", // Teleport 13 and 14
  image: IMAGES.tbot,
  configMap: "app-tbot",
  trustedCas: { configMap: "app-cas", key: "ca.crt" },
  resources: { requests: { cpu: "10m", memory: "32Mi" } },
};

describe("applications without passwords", () => {
  const folder = mkdtempSync(join(tmpdir(), "machine-id-"));
  const identity = join(folder, "registrar");
  const platform = new Stack("mi-platform");
  const workload = new Stack("mi-workload", {
    project: join(__dirname, "machine-id-program"),
    env: { TELEPORT_IDENTITY_FILE: identity },
  });
  const asAdmin = (...args: string[]) =>
    attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
  const get = async (reference: string): Promise<TeleportDocument | undefined> => {
    const found = await asAdmin("get", reference, "--format=json");
    return found.code === 0 ? parseDocuments(found.stdout)[0] : undefined;
  };
  const orders = {
    service: SERVICE,
    labels: { cluster: SHOP, namespace: SHOP, environment: "mi-platform", sql_type: "primary" },
    database: "app",
    user: "teleport_user_write",
    port: 5432,
  };
  const settings = {
    name: APP,
    proxy: PROXY,
    join: { method: "kubernetes", namespace: APP, serviceAccount: "app" },
    databases: { orders },
    certificateTtl: `${CERTIFICATE_SECONDS}s`,
  };
  const byToken = { ...settings, join: { method: "token", secret: JOIN } };
  let database: Promise<string>;
  /** When the application's first certificate expires. */
  let beganWith = Infinity;

  before(async () => {
    await kubectl("delete", "namespace", APP, ELSEWHERE, "--ignore-not-found"); // of a killed run
    for (const namespace of [APP, ELSEWHERE])
      await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels: RESTRICTED } });
    await teleport.put(workloadRegistrarRole(REGISTRAR));
    await teleport.put({ kind: "user", version: "v2", metadata: { name: REGISTRAR }, spec: { roles: [REGISTRAR] } });
    await eventually("the registrar can be signed for", async () => (await get(`user/${REGISTRAR}`)) !== undefined);
    await teleport.sign(REGISTRAR, identity, "1h");
    const spec = { protocol: "postgres", uri: "nowhere.invalid:5432" };
    const metadata = { name: OTHER_SERVICE, labels: { ...PROVISIONED_BY, cluster: OTHER_SERVICE } };
    await teleport.put({ kind: "db", version: "v3", metadata, spec });

    platform.configure(oneDatabase(SHOP));
    await platform.init();
    database = platform.up(); // used by the later tests: the first ones run meanwhile
    database.catch(() => {});
    workload.configure(settings);
    await workload.init();
    await workload.destroy(); // the bot of a killed run has used its only start
  });

  after(async () => {
    await kubectl("delete", "namespace", APP, ELSEWHERE, "--ignore-not-found", "--wait=false");
    await database.catch(() => {});
    await Promise.all([workload.destroy().then(() => workload.remove()), platform.destroy()]);
    await platform.remove();
    for (const user of [REGISTRAR, `bot-${TWIN}`]) {
      await asAdmin("rm", `user/${user}`);
      await asAdmin("rm", `role/${user}`);
    }
    await asAdmin("rm", `db/${OTHER_SERVICE}`);
    rmSync(folder, { recursive: true, force: true });
  });

  it("are a bot, a role and a join token, created with the role that this project provides for it", async () => {
    await workload.up();
    const token = await get(`token/${APP}`);
    assert.deepEqual(token?.spec.roles, ["Bot"]);
    assert.equal(token.spec.bot_name, APP);
    assert.deepEqual(token.spec.kubernetes, { allow: [{ service_account: `${APP}:app` }] });
    const allow = (await get(`role/${APP}-orders`))?.spec.allow as Record<string, unknown>;
    assert.deepEqual(allow.db_users, ["teleport_user_write"]);
    assert.deepEqual(allow.db_names, ["app"]);
    assert.deepEqual(await impersonated(), [`${APP}-orders`]);
    const bots = (await asAdmin("bots", "ls")).stdout;
    assert.match(bots, new RegExp(`^${APP} +bot-${APP} `, "m"));
    await workload.must(["refresh", "--yes", "--skip-preview"]);
    assert.deepEqual(Object.keys(await workload.plannedChanges()), ["same"], "after a refresh");
    assert.doesNotMatch(await workload.state(), /PRIVATE KEY/);
  });

  it("are corrected after the bot manually got more rights, and after its user was deleted", async () => {
    const bot = await get(`role/bot-${APP}`);
    const { allow } = bot!.spec as { allow: object };
    const rules = [{ resources: ["*"], verbs: ["*"] }];
    await teleport.put({ ...bot!, spec: { ...bot!.spec, allow: { ...allow, rules } } });
    await asAdmin("rm", `user/bot-${APP}`);
    await sleep(CACHE_LAG);
    await workload.must(["refresh", "--yes", "--skip-preview"]);
    assert.match(await workload.up(), /1 updated/);
    const found = (await get(`role/bot-${APP}`))?.spec.allow as { rules: unknown };
    assert.deepEqual(found.rules, [{ resources: ["cert_authority"], verbs: ["readnosecrets"] }]);
    assert.deepEqual((await get(`user/bot-${APP}`))?.spec.roles, [`bot-${APP}`]);
  });

  it("prove their identity by their service account: no other one, and none of another namespace", async () => {
    const outputs = await told();
    const refused = async (namespace: string, name: string, why: RegExp) => {
      await deploy(namespace, name, outputs);
      const args = ["-n", namespace, "logs", `deployment/${name}`, "-c", TBOT, "--tail=60"];
      const says = async () => why.test((await attempt("kubectl", args)).output);
      await eventually(`tbot of ${namespace}/${name} is told ${why}`, says);
      const ready = ["-n", namespace, "get", "deployment", name, "-o", "jsonpath={.status.readyReplicas}"];
      assert.equal(await kubectl(...ready), "", `${namespace}/${name} never begins`);
      await kubectl("-n", namespace, "delete", "deployment", name);
    };
    await refused(ELSEWHERE, "app", /did not match any allow rules/);
    await refused(APP, "other", /did not match any allow rules/);
    // Teleport 13 lets agents join this way, and bots only from 14 on: it refuses the bot after it has accepted the
    // account.
    await refused(APP, "app", /unsupported join method "kubernetes" for bot/);
  });

  it("query through the tunnel on localhost, as the declared user, with a dummy password", async () => {
    workload.configure(byToken);
    await Promise.all([workload.up(), database]);
    const stock = "CREATE TABLE IF NOT EXISTS stock (item text); TRUNCATE stock; INSERT INTO stock VALUES ('nails')";
    await sqlAsSuperuser(SHOP, "app", `SET ROLE app; ${stock}`);
    assert.equal(await get(`token/${APP}`), undefined, "a secret token is not ours to make");
    const secret = await joinToken(APP);
    await apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: JOIN, namespace: APP },
      stringData: { token: secret },
    });
    await deploy(APP, "app", await told());
    await eventually("the application is ready", isReady);
    assert.equal(await query("SELECT current_user"), "teleport_user_write");
    const once = "INSERT INTO stock SELECT 'screws' WHERE NOT EXISTS (SELECT FROM stock WHERE item = 'screws')";
    assert.equal(await query(`${once}; SELECT count(*) FROM stock`), "2");
    const mounted = await attempt("kubectl", [
      ...["-n", APP, "exec", "deployment/app", "-c", "app", "--"],
      ...["ls", "/var/run/secrets", "/var/run/cnpg-teleport"],
    ]);
    assert.match(mounted.output, /secrets.*No such file[^]*cnpg-teleport.*No such file/, "no token, no certificate");
    assert.ok(!(await workload.state()).includes(secret));
  });

  it("connect to the proxy with the certificate itself, by libpq's variables", async () => {
    const { libpq, expires } = await certificate();
    beganWith = expires;
    const { stdout, output } = await attempt("psql", ["-XqtAc", "SELECT current_user"], { env: libpq });
    assert.equal(stdout.trim(), "teleport_user_write", output);
  });

  it("get another database while they run", async () => {
    workload.configure({
      ...byToken,
      databases: { orders, audit: { ...orders, user: "teleport_user_read", port: undefined } },
    });
    await workload.up();
    assert.deepEqual(await impersonated(), [`${APP}-audit`, `${APP}-orders`]);
    const { databases } = await told();
    assert.deepEqual([databases.orders?.port, databases.audit?.port], [5432, 5433]);
  });

  it("cannot log in from another namespace, which does not have the Secret", async () => {
    await deploy(ELSEWHERE, "app", await told());
    await eventually(`the pod waits for the Secret`, async () =>
      (await kubectl("-n", ELSEWHERE, "get", "events")).includes(`secret "${JOIN}" not found`),
    );
    const started = "jsonpath={.items[*].status.initContainerStatuses[*].started}";
    assert.doesNotMatch(await kubectl("-n", ELSEWHERE, "get", "pods", "-o", started), /true/);
    await kubectl("-n", ELSEWHERE, "delete", "deployment", "app");
  });

  it("have no other access: other users, databases, services and resources are refused", async () => {
    for (const [user, name] of [
      ["teleport_user_read", "app"], // another role of the same bot allows it
      ["postgres", "app"],
      ["streaming_replica", "app"],
      ["teleport_user_write", "postgres"],
    ] as const) {
      const { libpq } = await certificate();
      const env = { ...libpq, PGUSER: user, PGDATABASE: name };
      const refused = await attempt("psql", ["-XqtAc", "SELECT 1"], { env });
      assert.match(refused.output, /access to db denied/, `${user}, ${name}: ${refused.output}`);
    }
    const { file } = await certificate();
    const asBot = [`--identity=${file}`, `--proxy=${PROXY}`];
    const target = ["--db-user=teleport_user_write", "--db-name=app", OTHER_SERVICE];
    const other = await attempt("tsh", [...asBot, "proxy", "db", "--tunnel", ...target], { limit: 20_000 });
    assert.match(other.output, /not found|denied/i, other.output);
    for (const kind of ["users", "roles", "tokens", "db"]) {
      const shown = await attempt("tctl", ["get", kind, `--auth-server=${PROXY}`, `--identity=${file}`]);
      const names = shown.code === 0 ? shown.stdout.match(/^ {2}name: .*$/gm) : null;
      // It sees its own database, and, like every bot, the role of its certificate.
      const own = [`  name: ${SERVICE}`, `  name: ${APP}-orders`];
      assert.deepEqual(names?.filter((name) => !own.includes(name)) ?? [], [], `${kind}: ${shown.output}`);
    }
    const login = { identity: file, proxy: PROXY, teleportDatabase: SERVICE, user: "teleport_user_write" };
    const allowed = await sqlThroughTeleport({ ...login, database: "app" }, "SELECT 1");
    assert.equal(allowed.code, 0, `what was refused was so for its own sake: ${allowed.output}`);
  });

  it("cannot use a role that the bot does not have", async () => {
    const { role, user } = botAccounts(botDocument({ name: TWIN, roles: [`${APP}-orders`] }));
    await teleport.put(role);
    await teleport.put(user);
    const token = await joinToken(TWIN);
    const ask = (asked: string) => {
      const configuration = {
        auth_server: PROXY,
        onboarding: { join_method: "token", token },
        storage: { directory: { path: "/tmp/tbot/twin", symlinks: "insecure", acls: "off" } },
        destinations: [{ directory: { path: "/tmp/tbot/asked", symlinks: "insecure", acls: "off" }, roles: [asked] }],
        certificate_ttl: "5m",
        renewal_interval: "1m",
      };
      const script = "cat > /tmp/tbot/twin.yaml; tbot start --oneshot --config /tmp/tbot/twin.yaml";
      const command = ["-n", APP, "exec", "-i", "deployment/app", "-c", TBOT, "--", "sh", "-c", script];
      return attempt("kubectl", command, { input: JSON.stringify(configuration), limit: 60_000 });
    };
    const own = await ask(`${APP}-orders`);
    assert.equal(own.code, 0, own.output);
    const more = await ask("lab-admin");
    assert.notEqual(more.code, 0, more.output);
    assert.match(more.output, /impersonat|access denied/i);
  });

  it("keep working after their first certificate has expired", async () => {
    await sleep(Math.max(0, beganWith - Date.now() + 2_000));
    // More than one attempt: each renewal restarts the tunnel.
    const counted = () => tryQuery("SELECT count(*) FROM stock");
    await eventually("a query after a renewal", async () => (await counted()).stdout.trim() === "2");
    assert.ok((await certificate()).expires > beganWith);
  });

  it("lose open connections and get no new ones within the certificate's lifetime after they are deleted", async () => {
    const { libpq, expires } = await certificate();
    const ended = async (session: Promise<CommandResult>) => ({ ...(await session), at: Date.now() });
    const running = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT ''%pg_sleep(300)' AND state = 'active'";
    const open = async (name: string) =>
      Number(await sqlAsSuperuser(SHOP, "app", `SELECT count(*) FROM (${running} AND query LIKE '%${name}%') AS s`)) >
      0;
    const direct = ended(attempt("psql", ["-XqtAc", "SELECT 'direct', pg_sleep(300)"], { env: libpq, limit: 180_000 }));
    await eventually("the direct one is open", () => open("direct"));
    let tunnel: ReturnType<typeof ended> | undefined;
    let isOver = true; // a renewal may restart the tunnel meanwhile
    await eventually("the one through the tunnel is open", async () => {
      if (isOver) {
        isOver = false;
        tunnel = ended(tryQuery("SELECT 'tunnel', pg_sleep(300)")).finally(() => (isOver = true));
      }
      return open("tunnel");
    });
    const begun = Date.now();
    await workload.destroy();
    for (const reference of [`role/${APP}-orders`, `role/${APP}-audit`, `user/bot-${APP}`, `role/bot-${APP}`]) {
      assert.equal(await get(reference), undefined, reference);
    }
    const last = begun + (CERTIFICATE_SECONDS + 10) * 1_000;
    for (const session of [(await tunnel)!, await direct]) {
      assert.notEqual(session.code, 0, "the connection that was open is closed");
      assert.ok(session.at < last, `after ${session.at - begun} ms`);
    }
    // Teleport closes the connection, and PostgreSQL notices it when the statement ends. Until then it would keep the
    // server from stopping.
    await sqlAsSuperuser(SHOP, "app", `SELECT pg_terminate_backend(pid) FROM (${running}) AS session`);
    const drift = (await direct).at - expires;
    assert.ok(drift > -3_000 && drift < 10_000, `it is the certificate's end that closes it: ${drift} ms`);
    await sleep(Math.max(0, last - Date.now()));
    for (let time = 0; time < 3; time++) {
      assert.notEqual((await tryQuery("SELECT 1")).code, 0, "new ones are refused, and stay refused");
      await sleep(1_000);
    }
    const again = await attempt("psql", ["-XqtAc", "SELECT 1"], { env: libpq });
    assert.notEqual(again.code, 0, "with the old certificate, too");
  });

  async function told(): Promise<MachineIdOutputs> {
    return (await workload.outputs<{ workload: MachineIdOutputs }>()).workload;
  }

  async function impersonated(): Promise<unknown> {
    const { impersonate } = (await get(`role/bot-${APP}`))?.spec.allow as { impersonate: { roles: unknown } };
    return [impersonate.roles].flat().sort();
  }

  /** A token as `tctl bots add` creates it, for one start. */
  async function joinToken(bot: string): Promise<string> {
    const secret = randomBytes(16).toString("hex");
    const expires = new Date(Date.now() + 600_000).toISOString();
    const spec = { roles: ["Bot"], bot_name: bot, join_method: "token" };
    await teleport.put({ kind: "token", version: "v2", metadata: { name: secret, expires }, spec });
    await sleep(CACHE_LAG);
    return secret;
  }

  /** tbot's current files, copied from its container: an identity file, and libpq's variables with the files. */
  async function certificate(): Promise<{ file: string; libpq: Record<string, string>; expires: number }> {
    const names = ["identity", "tls.crt", "tls.key", "tls.cas"];
    const script = `cd ${certificateFolder("orders")} && for f in ${names.join(" ")}; do echo "== $f"; cat $f; done`;
    const printed = await kubectl("-n", APP, "exec", "deployment/app", "-c", TBOT, "--", "sh", "-c", script);
    const taken = mkdtempSync(join(folder, "taken-"));
    for (const part of printed.split(/^== /m).slice(1)) {
      const end = part.indexOf("\n");
      writeFileSync(join(taken, part.slice(0, end)), part.slice(end + 1), { mode: 0o600 });
    }
    const { environment } = tbotPod(await told(), { ...POD, mode: "certificate" });
    const libpq = environment.orders!.map(({ name, value }) => [
      name,
      value.replace(certificateFolder("orders"), taken),
    ]);
    const { validTo } = new X509Certificate(readFileSync(join(taken, "tls.crt")));
    return { file: join(taken, "identity"), libpq: Object.fromEntries(libpq), expires: Date.parse(validTo) };
  }

  /**
   * Queries through the tunnel. Each renewal restarts it: it refuses connections for that moment and closes open
   * ones, so a query may run twice.
   */
  async function query(sql: string): Promise<string> {
    let answer: CommandResult | undefined;
    await eventually("the tunnel takes connections", async () => {
      answer = await tryQuery(sql);
      return !/Connection refused|closed the connection unexpectedly/.test(answer.output);
    });
    assert.equal(answer!.code, 0, answer!.output);
    return answer!.stdout.trim();
  }

  function tryQuery(sql: string): Promise<CommandResult> {
    return attempt("kubectl", ["-n", APP, "exec", "deployment/app", "-c", "app", "--", "psql", "-qtAc", sql], {
      limit: 180_000,
    });
  }

  async function isReady(): Promise<boolean> {
    const ready = ["-n", APP, "get", "deployment", "app", "-o", "jsonpath={.status.readyReplicas}"];
    return (await kubectl(...ready)) === "1";
  }
});

/** An application with one container, in a namespace and with a service account of its name. */
async function deploy(namespace: string, name: string, workload: MachineIdOutputs): Promise<void> {
  const pod = tbotPod(workload, POD);
  const labels = { app: name };
  const metadata = (called: string) => ({ name: called, namespace });
  const cas = { "ca.crt": readFileSync(process.env.VAULT_CACERT ?? "", "utf8") };
  await apply(
    { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(name) },
    { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("app-tbot"), data: pod.data },
    { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("app-cas"), data: cas },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: metadata(name),
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: pod.annotations },
          spec: {
            ...pod.spec,
            serviceAccountName: name,
            terminationGracePeriodSeconds: 3,
            containers: [
              {
                name: "app",
                image: IMAGES.postgresql,
                command: ["sleep", "infinity"],
                env: pod.environment.orders,
                securityContext: pod.spec.initContainers[0]?.securityContext,
              },
            ],
          },
        },
      },
    },
  );
}
