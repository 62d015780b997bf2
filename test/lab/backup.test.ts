/** The restore drill: back up, lose the Cluster and its volumes, and recover to a point in time under the same names. */
import { strict as assert } from "node:assert";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PostgresClusterOutputs } from "../../components";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { run } from "../../lab/host/command";
import { apply, eventually, kubectl, loginAs, oneDatabase, sqlAsOwner, sqlAsSuperuser, teleport } from "./lab";
import {
  eventuallyArchived,
  loseCluster,
  objectStoreIn,
  objectStoreOnDisk,
  objectStoreSecret,
  timeToRecoverTo,
} from "./object-store";

const NAME = "drill";
/** Folder in the bucket, used only by this run. */
const FOLDER = `${NAME}-${Date.now()}`;
const FOLDER_ON_DISK = objectStoreOnDisk(FOLDER);
const TELEPORT_NAME = `${NAME}-backup`;

const objectStore = objectStoreIn(FOLDER);
const backup = { objectStore, retention: "7d" };
const parameters = { shared_buffers: "32MB", max_connections: "50" };
const settings = { namespace: NAME, instances: 2, backup, parameters };

describe("backup and recovery", () => {
  const stack = new Stack("backup");
  /** Names of the archives of the first and of the second Cluster. */
  let archive = "";
  let next = "";
  let recoverTo = "";
  const configure = (more: object = {}) => stack.configure(oneDatabase(NAME, { ...settings, ...more }));
  const asOwner = (sql: string) => sqlAsOwner(NAME, "app", sql);
  const archiveNow = async () => {
    const { databases } = await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>();
    return databases[NAME]?.backup;
  };
  const backups = async (): Promise<Record<string, string>> => {
    const lines = await kubectl(
      ...["-n", NAME, "get", "backups", "-o", 'jsonpath={range .items[*]}{.metadata.name}={.status.phase}{"\\n"}{end}'],
    );
    return Object.fromEntries(
      lines
        .trim()
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split("=")),
    );
  };
  /** Base backups of an archive in the bucket. */
  const inBucket = (name: string) => {
    const folder = join(FOLDER_ON_DISK, name, "base");
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  const archived = () => eventuallyArchived(NAME, join(FOLDER_ON_DISK, archive));

  before(async () => {
    // A killed run may have left it.
    await kubectl("delete", "namespace", NAME, "--ignore-not-found");
    await run("kubectl", ["create", "namespace", NAME]);
    await apply(objectStoreSecret(NAME));
    configure();
    await stack.init();
  });
  after(async () => {
    await stack.remove();
    await kubectl("delete", "namespace", NAME, "--wait=false", "--ignore-not-found");
    rmSync(FOLDER_ON_DISK, { recursive: true, force: true });
  });

  it("takes a first base backup, which `up` waits for", async () => {
    await stack.up();
    const found = await archiveNow();
    archive = found?.archiveName ?? "";
    assert.match(archive, /^drill-\d{8}-\d{6}-[0-9a-f]{6}$/);
    assert.equal(found?.destinationPath, objectStore.destinationPath);
    assert.deepEqual(Object.values(await backups()), ["completed"]);
    assert.equal(inBucket(archive).length, 1);
  });

  it("plans no changes when `up` runs again", async () => {
    const { same, ...others } = await stack.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
  });

  it("takes a backup on demand before the Cluster is changed", async () => {
    parameters.max_connections = "60";
    configure({ backup: { ...backup, onDemand: "before-change" } });
    const output = await stack.up();
    assert.match(output, /The backup drill\/drill-before-change \(\S+\) of drill is complete/);
    assert.equal((await backups())["drill-before-change"], "completed");
    const ended = await kubectl(
      ...["-n", NAME, "get", "backup", "drill-before-change", "-o", "jsonpath={.status.stoppedAt}"],
    );
    // The change restarts PostgreSQL.
    const restarted = `SELECT pg_postmaster_start_time() > '${ended}'`;
    assert.equal((await sqlAsSuperuser(NAME, "app", restarted)).trim(), "t", ended);
    assert.equal(inBucket(archive).length, 2);
  });

  it("fails with the plugin's reason if the bucket cannot be written to, and succeeds after a correction", async () => {
    configure({ backup: { ...backup, onDemand: "broken", objectStore: { ...objectStore, s3Credentials: wrongKeys } } });
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /The backup drill\/drill-broken\S* of drill failed: /);
    configure();
    await stack.up();
  });

  it("recovers to a point in time after the Cluster and its volumes are lost", async () => {
    await asOwner("CREATE TABLE items (item text); INSERT INTO items VALUES ('first')");
    await archived();
    await asOwner("INSERT INTO items VALUES ('second')");
    recoverTo = await timeToRecoverTo(NAME);
    await asOwner("INSERT INTO items VALUES ('mistake')");
    await archived();
    await loseCluster(NAME);
    configure({ recovery: { archiveName: archive, recoveryTarget: { targetTime: recoverTo } } });
    await stack.must(["refresh", "--yes", "--skip-preview"]);
    await stack.up();
    assert.equal((await asOwner("SELECT string_agg(item, ',' ORDER BY item) FROM items")).trim(), "first,second");
  });

  it("lets users log in under the former name in Teleport, with their rights", async () => {
    assert.equal((await teleport.database(TELEPORT_NAME))?.metadata.name, TELEPORT_NAME);
    const read = await sqlThroughTeleport(loginAs("reader", TELEPORT_NAME, "app"), "SELECT count(*) FROM items");
    assert.equal(read.stdout.trim(), "2", read.output);
    const refused = await sqlThroughTeleport(
      loginAs("reader", TELEPORT_NAME, "app"),
      "INSERT INTO items VALUES ('no')",
    );
    assert.match(refused.output, /read-only transaction|permission denied/);
    const write = await sqlThroughTeleport(
      loginAs("writer", TELEPORT_NAME, "app"),
      "INSERT INTO items VALUES ('third')",
    );
    assert.equal(write.code, 0, write.output);
  });

  it("continues in a new archive, and leaves the old one unchanged", async () => {
    next = (await archiveNow())?.archiveName ?? "";
    assert.notEqual(next, archive);
    assert.equal(inBucket(next).length, 1);
    assert.ok(inBucket(archive).length >= 2);
    configure();
    await stack.up();
    assert.equal((await asOwner("SELECT count(*) FROM items")).trim(), "3");
    const { same, ...others } = await stack.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
  });

  it("takes a final backup before the Cluster is deleted, and keeps both archives", async () => {
    configure({ backup: { ...backup, final: true } });
    await stack.up();
    const output = await stack.destroy();
    assert.match(output, /The backup drill\/drill-final-\d{14} \(\S+\) of drill is complete/);
    assert.equal(inBucket(next).length, 2);
    assert.equal(await teleport.database(TELEPORT_NAME), undefined);
    await eventually("nothing is left", async () => {
      return (await kubectl("-n", NAME, "get", "clusters,backups,objectstores", "-o", "name")) === "";
    });
  });
});

/** Keys that exist, but give access to no bucket. */
const wrongKeys = { accessKeyId: { name: "s3", key: "secret" }, secretAccessKey: { name: "s3", key: "id" } };
