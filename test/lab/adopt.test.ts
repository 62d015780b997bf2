/**
 * There and back: a Cluster made with kubectl becomes part of a stack, leaves it with `onDelete: retain`, is taken over by
 * another tool, and becomes part of a stack of another project. It keeps its UID, its data and the application's login.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { OWNER_LABEL } from "../../components/owner-label";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult, run } from "../../lab/host/command";
import { PROJECT } from "../../lab/layout";
import { EverySecond, Sample } from "../faults/every-second";
import { lives } from "../faults/lives";
import {
  apply,
  eventually,
  kubectl,
  loginAs,
  oneDatabase,
  PROBES,
  PROXY,
  sqlAsOwner,
  sqlAsSuperuser,
  teleport,
} from "./lab";

const NAME = "adopted";
const IN_TELEPORT = "adopted-here";
const POOLER = "adopted-by-hand";
const DATABASE = "shop";
const CNPG = "postgresql.cnpg.io/v1";

const parameters = { shared_buffers: "32MB", max_connections: "50" };
/** What somebody wrote for kubectl. */
const spec = {
  instances: 2,
  imageName: "lab.local/postgresql:17",
  storage: { size: "1Gi" },
  resources: { requests: { cpu: "50m", memory: "128Mi" } },
  bootstrap: { initdb: { database: DATABASE, owner: DATABASE } },
  postgresql: {
    parameters: { ...parameters, log_min_duration_statement: "5s" },
    pg_hba: [`hostssl ${DATABASE} ${DATABASE} all scram-sha-256`],
  },
  certificates: { serverAltDNSNames: ["db.example.com"] },
  logLevel: "debug",
  smartShutdownTimeout: 2,
  probes: PROBES,
};
const manifests = [
  { apiVersion: CNPG, kind: "Cluster", metadata: { name: NAME, namespace: NAME }, spec },
  {
    ...{ apiVersion: CNPG, kind: "Pooler", metadata: { name: POOLER, namespace: NAME } },
    spec: { cluster: { name: NAME }, instances: 1, type: "rw", pgbouncer: { poolMode: "session" } },
  },
];

describe("an existing Cluster", () => {
  const first = new Stack("adopt");
  const next = new Stack("adopt-next", { project: join(PROJECT, "test", "lab", "other-project-program") });
  let uid = "";
  let password = "";
  let during = "made with kubectl";
  let watched: Record<"direct" | "pooler", EverySecond>;

  const settings = {
    environment: "here",
    namespace: NAME,
    instances: 2,
    initdb: { database: DATABASE },
    teleport: { proxy: PROXY, name: IN_TELEPORT },
    // The default, which the tests' own configuration turns off.
    deletionProtection: undefined,
  };
  const configure = (more: object = {}, stack = first) =>
    stack.configure(oneDatabase(NAME, { ...settings, adopt: true, ...more }));
  const of = (kind: string, name: string, path: string) =>
    kubectl("-n", NAME, "get", kind, name, "-o", `jsonpath=${path}`);
  const cluster = (path: string) => of("clusters.postgresql.cnpg.io", NAME, path);
  const isReady = () => {
    const ready = '{.status.readyInstances} {.status.conditions[?(@.type=="Ready")].status}';
    return eventually("the Cluster is ready", async () => (await cluster(ready)) === "2 True", 600_000);
  };
  const refused = async (args: string[], stack = first): Promise<string> => {
    const { code, output } = await stack.pulumi(args);
    assert.notEqual(code, 0, `${args.join(" ")} ended with 0:\n${output}`);
    return output;
  };
  const UP = ["up", "--yes", "--skip-preview"];

  /** As the application: with the password in the owner's Secret as it was at first. */
  async function login(service: string, sql: string): Promise<CommandResult> {
    const hostaddr = await of("service", service, "{.spec.clusterIP}");
    const address = `host=${service} hostaddr=${hostaddr} user=${DATABASE} dbname=${DATABASE} sslmode=require connect_timeout=60`;
    const psql = ["--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "-c", sql, address];
    return attempt("psql", psql, { env: { PGPASSWORD: password }, limit: 120_000 });
  }
  const rows = "SELECT count(*) FROM kept";
  /** Nothing that matters to the application has changed. */
  const isWhole = async () => {
    assert.equal(await cluster("{.metadata.uid}"), uid);
    // PgBouncer must log in again, with and to the present certificates.
    const pod = ["get", "pods", `--selector=cnpg.io/poolerName=${POOLER}`, "-o", "jsonpath={.items[0].status.podIP}"];
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr = '${await kubectl("-n", NAME, ...pod)}'`;
    await sqlAsSuperuser(NAME, "postgres", end);
    for (const service of [`${NAME}-rw`, POOLER]) {
      let found: CommandResult | undefined;
      await eventually(`the application logs in to ${service}`, async () => {
        found = await login(service, rows);
        return found.code === 0;
      });
      assert.equal(found?.stdout.trim(), "3", found?.output);
    }
  };
  const readThroughTeleport = async () => {
    const { stdout, output } = await sqlThroughTeleport(loginAs("reader", IN_TELEPORT, DATABASE), rows);
    assert.equal(stdout.trim(), "3", output);
  };

  before(async () => {
    // A killed run may have left it.
    await kubectl("delete", "namespace", NAME, "--ignore-not-found");
    await teleport.remove(IN_TELEPORT);
    await teleport.remove(`${IN_TELEPORT}-ro`);
    await run("kubectl", ["create", "namespace", NAME]);
    await apply(...manifests);
    for (const stack of [first, next]) await stack.init();
    await isReady();
    uid = await cluster("{.metadata.uid}");
    password = Buffer.from(await of("secret", `${NAME}-app`, "{.data.password}"), "base64").toString("utf8");
    await sqlAsOwner(NAME, DATABASE, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1), (2), (3)");
    await isWhole();
    const look = (service: string) =>
      new EverySecond(
        () => during,
        async () => {
          const { code, output } = await login(service, "SELECT 1");
          return code === 0 ? undefined : output.trim();
        },
      );
    watched = { direct: look(`${NAME}-rw`), pooler: look(POOLER) };
  });
  after(async () => {
    for (const each of Object.values(watched ?? {})) await each.end();
    for (const stack of [first, next]) await stack.remove();
    await kubectl("delete", "namespace", NAME, "--wait=false", "--ignore-not-found");
    await teleport.remove(IN_TELEPORT);
    await teleport.remove(`${IN_TELEPORT}-ro`);
  });

  it("is refused without adopt, and with it if data would be lost; nothing is changed", async () => {
    const before = await cluster("{.metadata.managedFields}");
    configure({ adopt: undefined });
    assert.match(await refused(["preview"]), /adopted\/adopted exists already and\s+names no owner.*adopt: true/s);
    configure({ initdb: undefined, storage: { size: "512Mi" }, image: "lab.local/postgresql:16" });
    const told = await refused(["preview"]);
    assert.match(told, /The Cluster adopted\/adopted cannot be adopted\. Nothing was changed\./);
    assert.match(told, /Write initdb: \{ database: shop \}/);
    assert.match(told, /It runs PostgreSQL 17, and the settings declare 16/);
    assert.match(told, /storage\.size = "512Mi" is smaller than the Cluster's 1Gi/);
    configure({ namespace: "elsewhere" });
    assert.match(
      await refused(["preview"]),
      /does not exist in the namespace elsewhere\. .* in adopted: set namespace/,
    );
    assert.equal(await cluster("{.metadata.managedFields}"), before);
  });

  it("is refused with CloudNativePG's own reason", async () => {
    configure({ spec: { probes: PROBES, postgresUID: 27 } });
    assert.match(await refused(["preview"]), /CloudNativePG refuses the change.*UID is an immutable field/s);
  });

  it("is described in the preview: what changes, what is taken over, and what stays", async () => {
    const before = await cluster("{.metadata.managedFields}");
    configure();
    const { code, output } = await first.pulumi(["preview"]);
    assert.equal(code, 0, output);
    for (const line of [
      /Certificates are issued by this program\. .* in the Secret adopted-ca must use the CA in the Secret adopted-server-ca/,
      /spec\.certificates\.serverAltDNSNames: "db\.example\.com" goes/,
      /spec\.postgresql\.pg_hba: "hostssl shop shop all scram-sha-256" goes, .* is added/,
      /spec\.managed\.roles: teleport_user_read is added/,
      /also takes over:.*- Secret adopted-pooler/s,
      /These fields stay.*spec\.logLevel: "debug".*spec\.postgresql\.parameters\.log_min_duration_statement: "5s"/s,
    ])
      assert.match(output, line);
    assert.doesNotMatch(output, /spec\.instances|spec\.imageName|spec\.storage/);
    assert.equal(await cluster("{.metadata.managedFields}"), before);
  });

  it("says what an administrator must do if Teleport's role does not cover a registration by hand", async () => {
    const database = {
      ...{ kind: "db", version: "v3", metadata: { name: IN_TELEPORT, labels: { team: "shop" } } },
      spec: { protocol: "postgres", uri: "db.example.com:5432" },
    };
    await teleport.put(database);
    await eventually("it is registered", async () => (await teleport.database(IN_TELEPORT)) !== undefined);
    configure({ teleport: { ...settings.teleport, adopt: true } });
    during = "adoption";
    const told = await refused(UP);
    const command = /tctl get db\/adopted-here --format=json \| jq '\.\[0\] \| (\S+) = "(\S+)"' \| tctl create --force/;
    assert.match(told, command);
    await isWhole();
    // What the command does.
    const [found] = JSON.parse(await teleport.tctl(["get", `db/${IN_TELEPORT}`, "--format=json"])) as [typeof database];
    const [, path, value = ""] = command.exec(told) ?? [];
    assert.equal(path, ".metadata.labels.provisioned_by");
    const labels = { ...found.metadata.labels, provisioned_by: value };
    await teleport.put({ ...found, metadata: { ...found.metadata, labels } });
  });

  it("becomes part of the stack, with its data, its UID and the application's login, and without a restart", async () => {
    const before = await lives(NAME);
    await first.up();
    await isWhole();
    await readThroughTeleport();
    assert.deepEqual(await lives(NAME), before);
    assert.equal((await teleport.database(IN_TELEPORT))?.metadata.labels?.team, undefined);
    assert.equal(
      await cluster("{.spec.certificates}"),
      JSON.stringify({
        clientCASecret: `${NAME}-client-ca-bundle`,
        replicationTLSSecret: `${NAME}-replication-tls`,
        serverCASecret: `${NAME}-server-ca`,
        serverTLSSecret: `${NAME}-server-tls`,
      }),
    );
    assert.equal(await cluster("{.spec.logLevel}"), "debug");
    assert.doesNotMatch(await cluster("{.metadata.annotations}"), /cnpg-teleport\/adoption/);
    const { same, ...others } = await first.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
  });

  it("is protected from deletion from then on", async () => {
    assert.match(await refused(["destroy", "--yes", "--skip-preview"]), /adopted is protected from deletion/);
    await isWhole();
  });

  it("is an ordinary Cluster of the stack, also without adopt: a field that stayed can be declared, and removed", async () => {
    during = "settings";
    const before = await lives(NAME);
    configure({ adopt: undefined });
    const { same, ...others } = await first.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, { delete: 2 }, "the provider and the adoption, in the state");
    await first.up();
    assert.equal(await cluster("{.spec.logLevel}"), "debug");
    const more = {
      parameters: { ...parameters, log_min_duration_statement: "6s" },
      spec: { probes: PROBES, description: "changed" },
    };
    configure({ adopt: undefined, ...more });
    await first.up();
    const duration = "{.spec.postgresql.parameters.log_min_duration_statement}";
    assert.equal(await cluster(duration), "6s");
    assert.equal(await cluster("{.spec.logLevel}"), "debug", "it stays when the Cluster is updated");
    configure({ adopt: undefined });
    await first.up();
    assert.equal(await cluster(duration), "");
    await isWhole();
    assert.deepEqual(await lives(NAME), before);
  });

  it("serves after it left the stack with onDelete: retain", async () => {
    during = "leaving";
    configure({ adopt: undefined, onDelete: "retain", deletionProtection: false });
    await first.up();
    await first.destroy();
    await isWhole();
    await eventually("it is gone from Teleport", async () => !(await teleport.database(IN_TELEPORT)));
  });

  it("gets certificates from CloudNativePG again, as another tool needs", async () => {
    during = "another tool";
    const before = await lives(NAME);
    await kubectl(
      ...["-n", NAME, "patch", "clusters.postgresql.cnpg.io", NAME, "--type=merge"],
      '--patch={"spec":{"certificates":null,"managed":{"roles":null},"postgresql":{"pg_hba":null}}}',
    );
    await kubectl("-n", NAME, "delete", "secret", `${NAME}-pooler`);
    await eventually(
      "the operator's CA is in use",
      async () => (await cluster("{.status.certificates.serverCASecret}")) === `${NAME}-ca`,
    );
    await isReady();
    await isWhole();
    assert.deepEqual(await lives(NAME), before);
  });

  it("becomes part of a stack of another project only after it was handed over", async () => {
    during = "adoption by another stack";
    configure({}, next);
    const told =
      /belongs to\s+\S+\/adopt\/adopted, not to\s+\S+\/other-platform\/adopt-next\/adopted.*A Cluster that a stack kept/s;
    assert.match(await refused(["preview"], next), told);
    await kubectl("-n", NAME, "annotate", "clusters.postgresql.cnpg.io", NAME, `${OWNER_LABEL}-`);
    const { code, output } = await next.pulumi(["preview"]);
    assert.equal(code, 0, output);
    assert.match(output, /also takes over:.*- Secret adopted-server-tls/s);
    const before = await lives(NAME);
    await next.up();
    await isWhole();
    await readThroughTeleport();
    assert.deepEqual(await lives(NAME), before);
    const owner = `{.metadata.annotations.${OWNER_LABEL.replaceAll(".", "\\.")}}`;
    for (const secret of ["server-tls", "server-ca", "replication-tls", "client-ca-bundle", "pooler"])
      assert.match(await of("secret", `${NAME}-${secret}`, owner), /\/other-platform\/adopt-next\/adopted$/, secret);
    const { same, ...others } = await next.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
  });

  it("never kept the application out: every login with its password succeeded, through the Pooler within a minute", async () => {
    const [direct, pooler] = await Promise.all([watched.direct.end(), watched.pooler.end()]);
    assert.ok(direct.length > 30 && pooler.length > 30);
    // PgBouncer waits 15 s after a login that failed (server_login_retry).
    const longest = longestOutage(pooler);
    assert.ok(longest.seconds < 60, JSON.stringify(longest));
    assert.deepEqual(watched.direct.problems, []);
  });

  it("is deleted with its new stack", async () => {
    configure({ deletionProtection: false }, next);
    await next.up();
    await next.destroy();
    assert.equal((await attempt("kubectl", ["-n", NAME, "get", "clusters.postgresql.cnpg.io", NAME])).code, 1);
  });
});

/** The longest time in which every check failed. */
function longestOutage(samples: Sample[]): { seconds: number; during: string; problem?: string } {
  let [longest, since]: [ReturnType<typeof longestOutage>, number | undefined] = [
    { seconds: 0, during: "" },
    undefined,
  ];
  for (const { at, during, problem } of samples) {
    since = problem === undefined ? undefined : (since ?? at);
    if (since !== undefined && at - since > longest.seconds) longest = { seconds: at - since, during, problem };
  }
  return longest;
}
