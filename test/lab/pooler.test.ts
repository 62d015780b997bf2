/** Poolers: applications log in through PgBouncer with verify-full, however the Pooler was created. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PostgresClusterOutputs } from "../../components";
import { poolerDnsNames } from "../../components/cnpg/pooler";
import { Stack } from "../../lab/drive/stack";
import { attempt, CommandResult, run } from "../../lab/host/command";
import { eventually, kubectl, oneDatabase, sqlAsSuperuser, vaultIssuer, verifiedByRoot } from "./lab";

const NAME = "pooled";

describe("Poolers", () => {
  const stack = new Stack("pooler");
  const folder = mkdtempSync(join(tmpdir(), "pooler-"));
  const configure = (poolers: object[] | undefined, more: object = {}) =>
    stack.configure(
      oneDatabase(NAME, {
        teleport: undefined,
        issuer: vaultIssuer,
        initdb: { database: "shop", owner: "shop" },
        poolers,
        ...more,
      }),
    );
  const phase = () => kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.phase}");

  /** Logs in as the owner, with verify-full. */
  async function loginThrough(
    host: string,
    sql: string,
    sslmode = "verify-full",
    expect?: string,
  ): Promise<CommandResult> {
    const { databases } = await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>();
    const { serverCa, ownerSecret, owner, database } = databases[NAME]!;
    const ca = join(folder, "ca.crt");
    writeFileSync(ca, serverCa);
    const secret = await kubectl("-n", NAME, "get", "secret", ownerSecret, "-o", "jsonpath={.data.password}");
    // The certificate also contains names that only pods can resolve.
    const hostaddr = await kubectl(
      "-n",
      NAME,
      "get",
      "service",
      host.split(".")[0] ?? "",
      "-o",
      "jsonpath={.spec.clusterIP}",
    );
    const address = `host=${expect ?? host} hostaddr=${hostaddr} port=5432 user=${owner} dbname=${database} sslmode=${sslmode} sslrootcert=${ca} connect_timeout=10`;
    return attempt("psql", ["--no-psqlrc", "--tuples-only", "--no-align", "-c", sql, address], {
      env: { PGPASSWORD: Buffer.from(secret, "base64").toString("utf8") },
    });
  }

  /** A Pooler's reference for kubectl. */
  const POOLER = ["pooler", "pooler-pooled-rw"];
  const scale = (by: string, instances: number, object = POOLER) =>
    kubectl(
      ...["-n", NAME, "patch", ...object, "--type=merge", `--field-manager=${by}`],
      `--patch={"spec":{"instances":${instances}}}`,
    );
  const instances = (object = POOLER) => kubectl("-n", NAME, "get", ...object, "-o", "jsonpath={.spec.instances}");

  before(() => stack.init());
  after(async () => {
    await stack.destroy();
    await stack.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("serve after a fresh bootstrap when `up` ends", async () => {
    configure([
      { type: "rw", mode: "session", instances: 1, parameters: { default_pool_size: "7", server_idle_timeout: "30" } },
    ]);
    await stack.up();
    for (const name of poolerDnsNames("pooler-pooled-rw", NAME, "cluster.local")) {
      const result = await loginThrough(name, "SELECT current_user, inet_server_port()");
      assert.equal(result.stdout.trim(), "shop|5432", result.output);
    }
    const ini = await kubectl(
      ...["-n", NAME, "exec", "deployment/pooler-pooled-rw", "--", "cat", "/controller/configs/pgbouncer.ini"],
    );
    assert.match(ini, /default_pool_size = 7/);
    assert.match(ini, /server_tls_sslmode = verify-full/);
  });

  it("are in the outputs for app stacks", async () => {
    const { databases } = await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>();
    assert.deepEqual(databases[NAME]?.poolerHosts, { "pooler-pooled-rw": "pooler-pooled-rw.pooled.svc" });
  });

  it("send the CAs between their certificate and the root, for clients that know only the root", async () => {
    const { databases } = await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>();
    const host = "pooler-pooled-rw.pooled.svc.cluster.local";
    const result = await verifiedByRoot(databases[NAME]!.serverCa, host, "-verify_hostname", host);
    assert.equal(result.code, 0, result.output);
    assert.match(result.output, /Verification: OK/);
  });

  it("refuse a client without TLS, and one that expects another name", async () => {
    const host = "pooler-pooled-rw.pooled.svc.cluster.local";
    assert.match((await loginThrough(host, "SELECT 1", "disable")).output, /SSL required/i);
    const other = await loginThrough(host, "SELECT 1", "verify-full", "pooled-rw.pooled.svc");
    assert.match(other.output, /does not match host name/);
  });

  it("are added to a running Cluster: transaction mode, standbys, and their own login", async () => {
    configure(
      [
        { type: "rw", instances: 1 },
        { type: "ro", mode: "transaction", instances: 1 },
        { type: "rw", name: "pooled-explicit", instances: 1, authentication: "explicit" },
      ],
      { instances: 2 },
    );
    await stack.up();
    const standby = await loginThrough("pooler-pooled-ro.pooled.svc.cluster.local", "SELECT pg_is_in_recovery()");
    assert.equal(standby.stdout.trim(), "t", standby.output);
    const explicit = await loginThrough("pooled-explicit.pooled.svc.cluster.local", "SELECT current_user");
    assert.equal(explicit.stdout.trim(), "shop", explicit.output);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("look up no password of superusers or replication users by themselves", async () => {
    const names = "unnest(ARRAY['postgres', 'streaming_replica', 'shop']) name";
    const found = await sqlAsSuperuser(
      NAME,
      "postgres",
      `SELECT usename FROM ${names}, pooler_authentication.user_search(name)`,
    );
    assert.equal(found.trim(), "shop");
    const refused = await loginThrough("pooled-rw.pooled.svc.cluster.local", "SELECT 1");
    assert.equal(refused.code, 0, "the owner still reaches the Cluster itself");
  });

  it("call no function that belongs to someone else, nor one in someone else's schema", async () => {
    const superuser = (sql: string) => sqlAsSuperuser(NAME, "postgres", sql);
    const owners = "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'user_search'";
    const explicit = "pooler_authentication.user_search(text)";
    await superuser(`ALTER FUNCTION public.user_search(text) OWNER TO shop; ALTER FUNCTION ${explicit} OWNER TO shop`);
    assert.match(await stack.up(), /1 updated/);
    assert.equal(await superuser(owners), "postgres\n");
    await superuser(
      `ALTER SCHEMA pooler_authentication OWNER TO shop; REVOKE EXECUTE ON FUNCTION ${explicit} FROM pooler_authentication`,
    );
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(
      refused.output,
      /the schema pooler_authentication of the database postgres is not owned by a superuser/,
    );
    await superuser("ALTER SCHEMA pooler_authentication OWNER TO postgres");
    assert.match(await stack.up(), /1 updated/);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("that cannot start fail `up` with the reason, and do not change the Cluster", async () => {
    const broken = { spec: { containers: [{ name: "pgbouncer", image: "lab.local/missing:1" }] } };
    configure([{ type: "rw", instances: 1, template: broken }], { instances: 2, readyMinutes: 0.5 });
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(result.code, 0);
    assert.match(
      result.output,
      /Pooler pooled\/pooler-pooled-rw is not ready after .*(ErrImagePull|ImagePullBackOff)/s,
    );
    assert.match(await phase(), /healthy/);
    configure([{ type: "rw", instances: 1 }], { instances: 2 });
    await stack.up();
  });

  it("that were scaled manually get the declared number again with the next `up`, and so does the Cluster", async () => {
    const cluster = ["cluster", NAME];
    const numbers = async () => [await instances(), await instances(cluster)];
    await scale("by-hand", 2);
    await scale("by-hand", 1, cluster);
    configure([{ type: "rw", instances: 1, parameters: { default_pool_size: "8" } }], {
      instances: 2,
      description: "changed",
    });
    // Pulumi's provider would already be refused here: it tries the update with a dry run.
    const { code, output } = await stack.pulumi(["preview"]);
    assert.equal(code, 0, output);
    assert.deepEqual(await numbers(), ["2", "1"], "a preview changes nothing");
    for (const said of [output, await stack.up()]) {
      assert.match(said, /pooled\/pooler-pooled-rw was scaled to 2 by by-hand\. It gets 1 again, as declared/);
      assert.match(said, /pooled\/pooled was scaled to 1 by by-hand\. It gets 2 again, as declared/);
    }
    assert.deepEqual(await numbers(), ["1", "2"]);
    await scale("by-hand", 2);
    assert.match(await stack.up(), /pooler-pooled-rw was scaled to 2/, "and where nothing else changes");
    assert.deepEqual(await numbers(), ["1", "2"]);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    // The number is not permanent: the settings can still change it.
    configure([{ type: "rw", instances: 2, parameters: { default_pool_size: "8" } }], {
      instances: 2,
      description: "changed",
    });
    assert.doesNotMatch(await stack.up(), /was scaled/);
    assert.equal(await instances(), "2");
  });

  it("keep a manually set number if that is allowed, and follow other changes", async () => {
    await scale("an-autoscaler", 3);
    configure([{ type: "rw", instances: 1, scaledByOthers: true, parameters: { default_pool_size: "9" } }], {
      instances: 2,
    });
    await stack.up();
    assert.equal(await instances(), "3");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("leave nothing behind when they are no longer declared", async () => {
    configure(undefined, { instances: 2 });
    await stack.up();
    await eventually(
      "the Deployments are gone",
      async () => (await kubectl("-n", NAME, "get", "deployments", "-o", "name")) === "",
    );
    assert.equal(await kubectl("-n", NAME, "get", "poolers", "-o", "name"), "");
  });

  it("created manually do not block a Cluster that declares none", async () => {
    const byHand = {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Pooler",
      metadata: { name: "by-hand", namespace: NAME },
      spec: { cluster: { name: NAME }, instances: 1, type: "rw", pgbouncer: { poolMode: "session" } },
    };
    await run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(byHand) });
    await eventually("the operator made its Deployment", async () =>
      (await kubectl("-n", NAME, "get", "deployments", "-o", "name")).includes("by-hand"),
    );
    await kubectl("-n", NAME, "rollout", "status", "deployment/by-hand", "--timeout=120s");
    assert.match(await phase(), /healthy/);
    configure(undefined, { instances: 2, parameters: { shared_buffers: "32MB", max_connections: "60" } });
    await stack.up();
    assert.equal((await sqlAsSuperuser(NAME, "postgres", "SHOW max_connections")).trim(), "60");
    await kubectl("-n", NAME, "delete", "pooler", "by-hand");
  });
});
