/**
 * Upgrades of PostgreSQL and of its volumes: a minor update with clients, volumes that grow, and a major upgrade with its
 * refusals, backups, failure and way back. Real Kubernetes, CloudNativePG with its barman-cloud plugin, PgBouncer, Teleport and
 * an S3 server. A person's logins after a major upgrade: test/faults/major-upgrade.test.ts.
 */
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PostgresClusterOutputs } from "../../components";
import { IMAGES } from "../../lab/build/images";
import { openTunnel, Tunnel } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { run } from "../../lab/host/command";
import { SMALL_POOLER, serverCaOf } from "../faults/cluster-witness";
import { OpenSession } from "../faults/open-session";
import { logInAsOwner, openSessionAsOwner, Owner, ownerOf } from "../faults/owner";
import { printed, RepeatedLogin } from "../faults/repeated-login";
import { apply, eventually, kubectl, loginAs, oneDatabase, PROBES, sqlAsOwner, sqlAsSuperuser } from "./lab";
import { objectStoreIn, objectStoreOnDisk, objectStoreSecret } from "./object-store";

type Outputs = { databases: Record<string, PostgresClusterOutputs> };

describe("a minor update of the image", () => {
  const NAME = "um-shop";
  const stack = new Stack("upgrade-minor");
  const folder = mkdtempSync(join(tmpdir(), "upgrade-minor-"));
  // A pooler keeps its connections, and a primary that stops waits so long for them.
  const SMART_SHUTDOWN = 2;
  /** In seconds. Two thirds are reserve for a busy machine. */
  const LONGEST_GAP = 60;
  const configure = (image: string) =>
    stack.configure(
      oneDatabase(NAME, {
        ...{ image, instances: 2, poolers: [SMALL_POOLER] },
        spec: { probes: PROBES, smartShutdownTimeout: SMART_SHUTDOWN },
      }),
    );
  let pooled: Owner;
  let tunnel: Tunnel;

  before(async () => {
    configure(IMAGES.postgresql);
    await stack.init();
    await stack.up();
    const caFile = join(folder, "ca.crt");
    writeFileSync(caFile, await serverCaOf(stack, NAME));
    pooled = await ownerOf(NAME, `pooler-${NAME}-rw`, caFile);
    tunnel = await openTunnel(loginAs("reader", `${NAME}-upgrade-minor`, "app"));
    await sqlAsOwner(NAME, "app", "CREATE TABLE written (id serial)");
    await eventually("Teleport serves it", async () => (await tunnel.ask("SELECT count(*) FROM written")).code === 0);
  });
  after(async () => {
    await tunnel?.close();
    await stack.destroy();
    await stack.remove();
    rmSync(folder, { recursive: true });
  });

  it("restarts the instances: no data is lost, and logins come back", async () => {
    const version = (await sqlAsSuperuser(NAME, "app", "SHOW server_version")).split(" ")[0] ?? "";
    const image = IMAGES.postgresql.replace(/:.*/, `:${version}`);
    assert.notEqual(image, IMAGES.postgresql);
    const session = openSessionAsOwner(pooled);
    const person = await OpenSession.throughTeleport(loginAs("reader", `${NAME}-upgrade-minor`, "app"));
    const backend = await person.backend();
    const confirmed: string[] = [];
    let during = "before";
    const step = () => during;
    const clients = [
      new RepeatedLogin("Teleport", step, () => tunnel.ask("SELECT count(*) FROM written")),
      new RepeatedLogin("PgBouncer", step, async () => {
        const login = await logInAsOwner(pooled, "INSERT INTO written DEFAULT VALUES RETURNING id");
        if (login.code === 0) confirmed.push(login.stdout.trim());
        return login;
      }),
    ];
    await sleep(5_000);
    during = "update";
    configure(image);
    await stack.up();
    during = "after";
    await sleep(10_000);
    const reports = await Promise.all(clients.map((each) => each.end()));
    for (const report of reports) console.log(printed(report));

    const pods = await kubectl(
      ...["-n", NAME, "get", "pods", "-l", "cnpg.io/podRole=instance"],
      ...["-o", 'jsonpath={range .items[*]}{.spec.containers[?(@.name=="postgres")].image}{"\\n"}{end}'],
    );
    assert.deepEqual(pods.trim().split("\n"), [image, image]);
    for (const { name, gap, lastFailed } of reports) {
      assert.ok(gap < LONGEST_GAP, `${name}: nobody could log in for ${gap} s`);
      assert.notEqual(lastFailed, "after", `${name}: logins fail after \`up\` has ended`);
    }
    assert.ok(confirmed.length > 10, `only ${confirmed.length} rows`);
    const lost = `SELECT count(*) FROM unnest('{${confirmed.join()}}'::int[]) id WHERE id NOT IN (SELECT id FROM written)`;
    assert.equal((await sqlAsOwner(NAME, "app", lost)).trim(), "0", "confirmed rows are lost");
    await assert.rejects(person.backend(), /the session ended/, "a session with the former primary");
    await session.end();
    await person.end();
    const next = await OpenSession.throughTeleport(loginAs("reader", `${NAME}-upgrade-minor`, "app"));
    assert.notEqual(await next.backend(), backend);
    await next.end();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });
});

describe("larger volumes", () => {
  const NAME = "uv-shop";
  const CLASS = "upgrade-grows";
  const stack = new Stack("upgrade-volumes");
  const configure = (size: string) =>
    stack.configure(
      oneDatabase(NAME, {
        storage: { size, storageClass: CLASS },
        walStorage: { size, storageClass: CLASS },
        tablespaces: [{ name: "reports", size, storageClass: CLASS }],
        parameters: { shared_buffers: "32MB", max_connections: "50", max_wal_size: "512MB" },
      }),
    );

  before(async () => {
    await apply({
      ...{ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: CLASS } },
      ...{ provisioner: "kubernetes.io/host-path", allowVolumeExpansion: true },
    });
    configure("1Gi");
    await stack.init();
    await stack.up();
  });
  after(async () => {
    await stack.destroy();
    await stack.remove();
    await kubectl("delete", "storageclass", CLASS, "--ignore-not-found");
  });

  it("waits until volumes for data, WAL and tablespaces have grown, and prints their conditions", async () => {
    const claims = (await kubectl("-n", NAME, "get", "pvc", "-o", "jsonpath={.items[*].metadata.name}")).split(" ");
    assert.equal(claims.length, 3);
    configure("2Gi");
    const [output] = await Promise.all([stack.up(), ...claims.map(resize)]);
    for (const setting of ["storage.size", "walStorage.size", "tablespaces: reports"])
      assert.match(
        output,
        new RegExp(`has 1Gi instead of the 2Gi of ${setting}: FileSystemResizePending \\(waits for a test\\)`),
      );
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  /** What the driver of a storage class does: the lab's volumes have no size. */
  async function resize(claim: string): Promise<void> {
    const get = async (path: string) => kubectl("-n", NAME, "get", "pvc", claim, "-o", `jsonpath={${path}}`);
    const patch = (kind: string, name: string, fields: object, ...more: string[]) =>
      kubectl("-n", NAME, "patch", kind, name, "--type=merge", "--patch", JSON.stringify(fields), ...more);
    await eventually(
      "CloudNativePG requests the size",
      async () => (await get(".spec.resources.requests.storage")) === "2Gi",
    );
    const conditions = [{ type: "FileSystemResizePending", status: "True", message: "waits for a test" }];
    await patch("pvc", claim, { status: { conditions } }, "--subresource=status");
    await sleep(8_000);
    await patch("pv", await get(".spec.volumeName"), { spec: { capacity: { storage: "2Gi" } } });
    await patch("pvc", claim, { status: { capacity: { storage: "2Gi" }, conditions: [] } }, "--subresource=status");
  }
});

describe("a major upgrade with backups", () => {
  const NAME = "ug-shop";
  const BACK = "ug-back";
  const stack = new Stack("upgrade-major");
  /** Folder in the bucket, used only by this run. */
  const FOLDER = `${NAME}-${Date.now()}`;
  const ON_DISK = objectStoreOnDisk(FOLDER);
  const objectStore = objectStoreIn(FOLDER);
  const parameters = { shared_buffers: "32MB", max_connections: "50", max_prepared_transactions: "2" };
  const settings = { namespace: NAME, image: IMAGES.olderPostgresql, parameters };
  const configure = (more: object = {}, backup: object = {}, databases: object = {}) => {
    const config = oneDatabase(NAME, { ...settings, backup: { objectStore, ...backup }, ...more });
    stack.configure({ ...config, databases: { ...(config.databases as object), ...databases } });
  };
  const upgraded = { image: IMAGES.postgresql };
  const superuser = async (sql: string, database = "app") => (await sqlAsSuperuser(NAME, database, sql)).trim();
  const items = async () =>
    (await sqlAsOwner(NAME, "app", "SELECT string_agg(item, ',' ORDER BY item) FROM items")).trim();
  const major = async () => (await superuser("SHOW server_version")).split(".")[0];
  const archive = async () => (await stack.outputs<Outputs>()).databases[NAME]?.backup?.archiveName ?? "";
  /** All files of an archive. */
  const filesOf = (name: string) =>
    readdirSync(join(ON_DISK, name), { recursive: true, encoding: "utf8" })
      .filter((file) => /[0-9A-F]{24}|data\.tar|backup\.info/.test(file))
      .sort();
  const backupsIn = (name: string) => {
    const folder = join(ON_DISK, name, "base");
    return existsSync(folder) ? readdirSync(folder).length : 0;
  };
  const refusedBy = async (...command: string[]): Promise<string> => {
    const { code, output } = await stack.pulumi(command);
    assert.notEqual(code, 0, output);
    return output;
  };
  const bothRefuse = async (...reasons: RegExp[]) => {
    for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const output = await refusedBy(...command);
      for (const reason of reasons) assert.match(output, reason);
    }
    assert.equal(await major(), "15");
  };
  const clusterField = (path: string) => kubectl("-n", NAME, "get", "cluster", NAME, "-o", `jsonpath={${path}}`);
  let first = "";
  let second = "";

  before(async () => {
    for (const namespace of [NAME, BACK]) {
      await kubectl("delete", "namespace", namespace, "--ignore-not-found");
      await run("kubectl", ["create", "namespace", namespace]);
      await apply(objectStoreSecret(namespace));
    }
    configure();
    await stack.init();
    await stack.up();
    await sqlAsOwner(NAME, "app", "CREATE TABLE items (item text); INSERT INTO items VALUES ('first')");
    first = await archive();
  });
  after(async () => {
    await stack.destroy();
    await stack.remove();
    for (const namespace of [NAME, BACK])
      await kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found");
    rmSync(ON_DISK, { recursive: true, force: true });
  });

  it("is refused with everything that pg_upgrade would refuse, in preview and in `up`", async () => {
    await superuser(
      `CREATE TABLE odd (f regproc, a aclitem[], s pg_class, r int4range); CREATE DOMAIN handler AS regprocedure;
       CREATE TABLE nested (h handler[]); CREATE INDEX ON odd (f); CREATE VIEW harmless AS SELECT 'now'::regproc;
       CREATE TABLE parent (c int NOT NULL); CREATE TABLE child () INHERITS (parent); ALTER TABLE child ALTER c DROP NOT NULL;
       CREATE EXTENSION adminpack; CREATE EXTENSION pg_trgm`,
    );
    // PostgreSQL creates a slot only in a transaction that has written nothing.
    await superuser("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')");
    await superuser("BEGIN; CREATE TABLE pending (id int); PREPARE TRANSACTION 'half'");
    for (const database of ["closed", "undropped"]) await superuser(`CREATE DATABASE ${database}`);
    await superuser("ALTER DATABASE closed ALLOW_CONNECTIONS false");
    await superuser("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'undropped'");
    configure(upgraded);
    await bothRefuse(
      /ug-shop cannot be upgraded to PostgreSQL 17 yet:/,
      /regproc.*: public\.nested\.h in app, public\.odd\.f in app, public\.odd_f_idx\.f in app\. Change the type/,
      /aclitem.*: public\.odd\.a in app, public\.odd\.s in app\. /,
      /row of a system table: public\.odd\.s in app\. /,
      /no longer has these extensions: adminpack in app\. /,
      /prepared transactions: 'half' in app\. /,
      /logical replication slots would be lost: cdc in app\. /,
      /databases that do not allow connections: closed\. /,
      /left over from an interrupted DROP DATABASE: undropped\. /,
    );
    configure({ image: IMAGES.postgresql.replace(/:.*/, ":18") });
    assert.match(
      await refusedBy("preview"),
      /child column without NOT NULL if its parent has it: public\.child\.c in app\. /,
    );
    await superuser("ROLLBACK PREPARED 'half'");
    await superuser("UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'undropped'");
    for (const database of ["closed", "undropped"]) await superuser(`DROP DATABASE ${database}`);
    await superuser(
      "DROP VIEW harmless; DROP TABLE odd, nested, parent, child; DROP DOMAIN handler; DROP EXTENSION adminpack; SELECT pg_drop_replication_slot('cdc')",
    );
    configure(upgraded);
    const { code, output } = await stack.pulumi(["preview"]);
    assert.equal(code, 0, output);
    assert.match(output, /the image of PostgreSQL 17 must have these extensions and libraries.*pg_trgm 1\.6 in app/);
  });

  it("is refused while the Cluster is fenced, and to an earlier version", async () => {
    await kubectl("-n", NAME, "annotate", "cluster", NAME, `cnpg.io/fencedInstances=["${NAME}-1"]`);
    assert.match(await refusedBy("preview"), /ug-shop-1 is fenced/);
    await kubectl("-n", NAME, "annotate", "cluster", NAME, "cnpg.io/fencedInstances-");
    await eventually("it is ready", async () => (await clusterField(".status.readyInstances")) === "1");
    configure({ image: IMAGES.olderPostgresql.replace(/:.*/, ":14") });
    assert.match(await refusedBy("preview"), /data are of PostgreSQL 15, and PostgreSQL cannot go back/);
  });

  it("is refused without a recent backup, and takes one first if it is asked for", async () => {
    const [backup = ""] = (
      await kubectl("-n", NAME, "get", "backups", "-o", "jsonpath={.items[*].metadata.name}")
    ).split(" ");
    const old = JSON.stringify({ status: { stoppedAt: "2020-01-01T00:00:00Z" } });
    await kubectl("-n", NAME, "patch", "backup", backup, "--subresource=status", "--type=merge", "--patch", old);
    configure(upgraded);
    await bothRefuse(
      /no complete backup that is at most 24 h old \(the newest: \S+ of 2020-01-01.*Set backup\.onDemand/,
    );
    configure(upgraded, { onDemand: "before-17" });
    const { code, output } = await stack.pulumi(["preview"]);
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`PostgreSQL 17 begins a new archive.*${first}`));
  });

  it("that fails is reported with its reason, and the former image brings everything back", async () => {
    // Nothing knows before pg_upgrade runs that the new version cannot load this library.
    const library = `/usr/lib/postgresql/15/lib/pg_trgm`;
    await superuser(`CREATE FUNCTION old_only(text) RETURNS text[] LANGUAGE c STRICT AS '${library}', 'show_trgm'`);
    configure(upgraded, { onDemand: "before-17" });
    const output = await refusedBy("up", "--yes", "--skip-preview");
    assert.match(output, /The backup ug-shop\/ug-shop-before-17 \(\S+\) of ug-shop is complete/);
    assert.match(output, /must have these extensions and libraries.*\/usr\/lib\/postgresql\/15\/lib\/pg_trgm in app/);
    assert.match(output, /the upgrade from PostgreSQL 15 failed: .*loadable libraries/);
    assert.match(output, /Set the image lab\.local\/postgresql:15 again and run `pulumi up`/);
    second = await clusterField(".spec.plugins[0].parameters.serverName");
    assert.notEqual(second, first);
    configure({ image: IMAGES.postgresql.replace(/:.*/, ":17.99") });
    assert.match(await refusedBy("preview"), /an earlier upgrade from PostgreSQL 15 has failed/);

    configure();
    await stack.up();
    assert.equal(await major(), "15");
    assert.equal(await items(), "first");
    assert.equal(await archive(), second);
    assert.equal(backupsIn(second), 1);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await superuser("DROP FUNCTION old_only");
  });

  let third = "";
  let formerFiles: string[] = [];

  it("begins a new archive with a first backup, and leaves the former one unchanged", async () => {
    await sqlAsOwner(NAME, "app", "INSERT INTO items VALUES ('last')");
    configure(upgraded);
    await stack.up();
    assert.equal(await major(), "17");
    assert.equal(await items(), "first,last");
    third = await archive();
    assert.ok(![first, second].includes(third), third);
    assert.equal(backupsIn(third), 1);
    formerFiles = filesOf(second);
    await superuser("SELECT pg_switch_wal()");
    await superuser("CREATE TABLE later AS SELECT 1; SELECT pg_switch_wal()");
    await eventually("the new archive grows", async () => filesOf(third).length > 4);
    assert.deepEqual(filesOf(second), formerFiles);
    assert.deepEqual(filesOf(first).filter((file) => file.includes("base")).length > 0, true);
  });

  it("leaves nothing to do after one more `up`", async () => {
    await stack.up();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    assert.equal(await archive(), third);
  });

  it("can be undone: the former archive, with everything until the upgrade, is recovered beside it", async () => {
    const recovery = { archiveName: second, objectStore };
    const back = oneDatabase(BACK, { ...settings, namespace: BACK, recovery }).databases as object;
    configure(upgraded, {}, back);
    await stack.up();
    const found = await sqlAsOwner(
      BACK,
      "app",
      "SELECT current_setting('server_version_num')::int / 10000, string_agg(item, ',' ORDER BY item) FROM items",
    );
    assert.equal(found.trim(), "15|first,last");
    assert.deepEqual(filesOf(second), formerFiles);
    configure(upgraded);
    await stack.up();
  });

  it("warns in preview and `up` if the newest scheduled backup failed, with the reason", async () => {
    const change = (spec: object) =>
      kubectl("-n", NAME, "patch", "scheduledbackup", NAME, "--type=merge", "--patch", JSON.stringify({ spec }));
    // The Cluster does not have this plugin, so these backups fail.
    await change({ schedule: "*/5 * * * * *", pluginConfiguration: { name: "absent.example.com" } });
    const phases = () => kubectl("-n", NAME, "get", "backups", "-o", "jsonpath={.items[*].status.phase}");
    await eventually("a scheduled backup has failed", async () => (await phases()).includes("failed"));
    await change({ schedule: "0 0 1 * * *", pluginConfiguration: { name: "barman-cloud.cloudnative-pg.io" } });
    const warning =
      /Warning: ug-shop\/ug-shop: the newest backup, ug-shop-\d+, failed: .+\. The last complete backup is ug-shop-first/;
    for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const { code, output } = await stack.pulumi(command);
      assert.equal(code, 0, output);
      assert.match(output, warning);
    }
    configure(upgraded, { onDemand: "after-failure" });
    await stack.up();
    assert.doesNotMatch((await stack.pulumi(["preview"])).output, /Warning: .*newest backup/);
  });
});
