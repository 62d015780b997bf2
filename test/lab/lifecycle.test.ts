/** The whole lifecycle of a database with certificates from Vault: `up`, logins, changes, `destroy`. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PostgresClusterOutputs } from "../../components";
import { serverDnsNames } from "../../components/cnpg/names";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { kubectl, loginAs, oneDatabase, sqlAsOwner, teleport, vaultIssuer, verifiedByRoot } from "./lab";

const NAME = "ledger";
const settings = {
  instances: 2,
  issuer: vaultIssuer,
  description: "Ledger of the lab",
  serverAltNames: ["*.ledger.example.com", "10.20.30.40", "2001:DB8::1"],
  walStorage: { size: "1Gi" },
  initdb: { database: "ledger", owner: "ledger", localeCollate: "C.UTF-8", localeCType: "C.UTF-8", encoding: "UTF8" },
};

describe("a two-instance Cluster with certificates from Vault", () => {
  const stack = new Stack("lifecycle");
  let outputs: PostgresClusterOutputs;
  const asOwner = (sql: string) => sqlAsOwner(NAME, "ledger", sql);

  before(async () => {
    stack.configure(oneDatabase(NAME, settings));
    await stack.init();
  });
  after(() => stack.remove());

  it("previews on a fresh stack", async () => {
    const changes = await stack.plannedChanges();
    assert.ok((changes.create ?? 0) > 10, JSON.stringify(changes));
    assert.equal(await teleport.database("ledger-lifecycle"), undefined);
  });

  it("is ready and registered when `up` ends", async () => {
    await stack.up();
    const ready = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.readyInstances}");
    assert.equal(ready, "2");
    const primary = await teleport.database("ledger-lifecycle");
    const standby = await teleport.database("ledger-lifecycle-ro");
    assert.equal(primary?.spec.uri, "ledger-rw.ledger.svc:5432");
    assert.equal(standby?.spec.uri, "ledger-ro.ledger.svc:5432");
    assert.equal(primary?.metadata.labels?.sql_type, "primary");
    assert.equal(standby?.metadata.labels?.sql_type, "standby");
    assert.equal(primary?.metadata.description, "Ledger of the lab");
  });

  it("outputs everything that app stacks and people need, and nothing secret", async () => {
    outputs = (await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>()).databases[NAME]!;
    const { serverCa, connectCommands, ...rest } = outputs;
    assert.match(serverCa, /^-----BEGIN CERTIFICATE-----/);
    assert.equal(connectCommands.length, 4);
    assert.deepEqual(rest, {
      namespace: "ledger",
      cluster: "ledger",
      hostReadWrite: "ledger-rw.ledger.svc",
      hostReadOnly: "ledger-ro.ledger.svc",
      hostRead: "ledger-r.ledger.svc",
      port: 5432,
      database: "ledger",
      owner: "ledger",
      ownerSecret: "ledger-app",
      serverCaSecret: "ledger-server-ca",
      poolerHosts: {},
      clientCaBundleSecret: "ledger-client-ca-bundle",
      teleportDatabases: ["ledger-lifecycle", "ledger-lifecycle-ro"],
      teleportAgents: [],
    });
  });

  it("is as declared when `up` runs again", async () => {
    const { same, ...others } = await stack.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
    assert.match(await stack.up(), /\n\s+\d+ unchanged/);
  });

  it("keeps no private key, identity or password in plain text in its state", async () => {
    const state = await stack.state();
    assert.match(state, /"type": "tls:index\/privateKey:PrivateKey"/);
    assert.doesNotMatch(state, /PRIVATE KEY/);
    assert.ok(!state.includes(process.env.VAULT_SECRET_ID ?? "no secret id is set"));
    const password = Buffer.from(
      await kubectl("-n", NAME, "get", "secret", "ledger-app", "-o", "jsonpath={.data.password}"),
      "base64",
    );
    assert.ok(password.length > 10 && !state.includes(password.toString()));
    assert.ok(!state.includes(process.env.TELEPORT_IDENTITY_FILE ?? "no identity is set"));
  });

  // Mocha runs nested suites after the other tests, so these tests are not nested, to keep their order.
  it("lets its owner create a table", async () => {
    await asOwner("CREATE TABLE IF NOT EXISTS entries (id int); INSERT INTO entries VALUES (42)");
  });

  it("creates the database, its volumes and its description as declared", async () => {
    const row = await asOwner(
      "SELECT datcollate, datctype, pg_encoding_to_char(encoding), pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'ledger'",
    );
    assert.match(row, /^C\.UTF-8\|C\.UTF-8\|UTF8\|ledger$/m);
    const volumes = await kubectl("-n", NAME, "get", "persistentvolumeclaims", "-o", "name");
    assert.equal(volumes.trim().split("\n").length, 4, "data and WAL of two instances");
    const description = "jsonpath={.metadata.annotations.kubernetes\\.io/description}";
    assert.equal(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", description), "Ledger of the lab");
  });

  it("serves a certificate that is valid for each name of its Services", async () => {
    const folder = mkdtempSync(join(tmpdir(), "server-ca-"));
    writeFileSync(join(folder, "ca.crt"), outputs.serverCa);
    const connect = ["s_client", "-starttls", "postgres", "-connect", `${outputs.hostReadWrite}.cluster.local:5432`];
    const verify = (name: string) =>
      attempt("openssl", [
        ...connect,
        "-verify_return_error",
        "-verify_hostname",
        name,
        "-CAfile",
        join(folder, "ca.crt"),
      ]);
    try {
      for (const name of serverDnsNames(NAME, NAME, "cluster.local")) {
        const result = await verify(name);
        assert.equal(result.code, 0, `${name}: ${result.output}`);
      }
      assert.notEqual((await verify("another-rw")).code, 0, "a name that is not the Cluster's");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("sends the CAs between its certificate and the root, for clients that know only the root", async () => {
    for (const service of ["rw", "ro"]) {
      const host = `${NAME}-${service}.${NAME}.svc.cluster.local`;
      const { code, output } = await verifiedByRoot(outputs.serverCa, host, "-verify_hostname", host);
      assert.equal(code, 0, output);
      assert.match(output, /Verification: OK/);
      assert.deepEqual(
        [...output.matchAll(/^ *[0-9] s:(.*)$/gm)].map(([, subject]) => /CN ?= ?(.*)/.exec(subject ?? "")?.[1]),
        [`${NAME}-rw`, "cnpg-teleport lab PostgreSQL servers"],
      );
    }
  });

  it("serves a certificate for the addresses and wildcards that are declared, and for no other", async () => {
    const host = `${NAME}-rw.${NAME}.svc.cluster.local`;
    const verify = (...as: string[]) => verifiedByRoot(outputs.serverCa, host, ...as);
    for (const address of ["10.20.30.40", "2001:db8:0:0::1"])
      assert.equal((await verify("-verify_ip", address)).code, 0, address);
    assert.notEqual((await verify("-verify_ip", "10.20.30.41")).code, 0);
    assert.equal((await verify("-verify_hostname", "primary.ledger.example.com")).code, 0);
    assert.notEqual((await verify("-verify_hostname", "10.20.30.40.example.com")).code, 0);
  });

  it("refuses Teleport users without a certificate, with TLS or without", async () => {
    for (const [mode, reason] of [
      ["require", /requires a valid client certificate/],
      ["disable", /rejects connection.*teleport_user_read.*no encryption/],
    ] as const) {
      const address = `host=${outputs.hostReadWrite}.cluster.local user=teleport_user_read dbname=ledger sslmode=${mode}`;
      const result = await attempt("psql", ["--no-password", "-c", "SELECT 1", address]);
      assert.notEqual(result.code, 0);
      assert.match(result.output, reason);
    }
  });

  for (const database of ["ledger-lifecycle", "ledger-lifecycle-ro"]) {
    it(`lets a reader select, and refuses an insert, at ${database}`, async () => {
      const select = await sqlThroughTeleport(
        loginAs("reader", database, "ledger"),
        "SELECT current_user, id FROM entries LIMIT 1",
      );
      assert.equal(select.stdout.trim(), "teleport_user_read|42", select.output);
      const insert = await sqlThroughTeleport(loginAs("reader", database, "ledger"), "INSERT INTO entries VALUES (1)");
      assert.match(insert.output, /permission denied for table entries|read-only transaction/);
    });
  }

  it("lets a writer insert at the primary", async () => {
    const insert = await sqlThroughTeleport(
      loginAs("writer", "ledger-lifecycle", "ledger"),
      "INSERT INTO entries VALUES (43) RETURNING current_user",
    );
    assert.match(insert.stdout, /^teleport_user_write$/m, insert.output);
  });

  it("refuses a writer's insert at the standby as read-only", async () => {
    const insert = await sqlThroughTeleport(
      loginAs("writer", "ledger-lifecycle-ro", "ledger"),
      "INSERT INTO entries VALUES (1)",
    );
    assert.match(insert.output, /read-only transaction/);
    const select = await sqlThroughTeleport(
      loginAs("writer", "ledger-lifecycle-ro", "ledger"),
      "SELECT pg_is_in_recovery()",
    );
    assert.equal(select.stdout.trim(), "t", select.output);
  });

  it("gets logins over TLS with a certificate of the user's name", async () => {
    const sql = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    const session = await sqlThroughTeleport(loginAs("reader", "ledger-lifecycle", "ledger"), sql);
    assert.match(session.stdout, /^t\|\/.*CN=teleport_user_read/, session.output);
  });

  it("does not open other PostgreSQL users to people", async () => {
    for (const user of ["postgres", "streaming_replica", "teleport_user_write"]) {
      const login = { ...loginAs("reader", "ledger-lifecycle", "ledger"), user };
      const result = await sqlThroughTeleport(login, "SELECT 1");
      assert.notEqual(result.code, 0, `${user} got in`);
    }
  });

  it("replaces the registration when the database gets another name in Teleport", async () => {
    stack.configure(
      oneDatabase(NAME, { ...settings, teleport: { proxy: process.env.TELEPORT_PROXY, name: "ledger-renamed" } }),
    );
    await stack.up();
    const names = (await teleport.databases())
      .map(({ metadata }) => metadata.name)
      .filter((name) => name.startsWith("ledger"));
    assert.deepEqual(names.sort(), ["ledger-renamed", "ledger-renamed-ro"]);
  });

  it("finds a manual change in Teleport by refresh, and corrects it", async () => {
    const registered = await teleport.database("ledger-renamed");
    assert.ok(registered);
    await teleport.put({ ...registered, spec: { ...registered.spec, uri: "elsewhere.example:5432" } });
    assert.match(await stack.must(["refresh", "--yes", "--skip-preview"]), /1 updated/);
    await stack.up();
    assert.equal((await teleport.database("ledger-renamed"))?.spec.uri, "ledger-rw.ledger.svc:5432");
  });

  it("finds a manual deletion in Teleport by refresh, and registers it again", async () => {
    await teleport.remove("ledger-renamed-ro");
    assert.match(await stack.must(["refresh", "--yes", "--skip-preview"]), /1 deleted/);
    await stack.up();
    assert.ok(await teleport.database("ledger-renamed-ro"));
  });

  it("is gone after destroy: from Teleport, and with its namespace", async () => {
    await stack.destroy();
    const left = (await teleport.databases()).filter(({ metadata }) => metadata.name.startsWith("ledger"));
    assert.deepEqual(left, []);
    assert.equal(await kubectl("get", "namespace", NAME, "--ignore-not-found"), "");
  });
});
