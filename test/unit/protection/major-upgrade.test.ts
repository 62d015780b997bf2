/** What is refused before an upgrade to another major version of PostgreSQL. */
import { strict as assert } from "node:assert";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { BARMAN_CLOUD } from "../../../components/cnpg/object-store";
import { completeArchive, DeclaredUpgrade, refuseBlockedUpgrade } from "../../../components/protection/major-upgrade";
import { FakeKubernetes } from "../postgres/fake-kubernetes";

const NOW = new Date("2026-11-30T12:00:00Z");
const PRESENT = "registry/postgresql:15.9-bookworm";
const declared: DeclaredUpgrade = {
  ...{ image: "registry/postgresql:17.6-bookworm", major: 17, backupWithin: 24 },
  ...{ archives: true, takesBackup: false },
};

describe("before a major upgrade", () => {
  let kubernetes: FakeKubernetes;
  let pods: KubernetesObject[];
  let backups: KubernetesObject[];
  /** What the queries in the database `app`, and in the whole instance, find. */
  let inDatabase: string[];
  let inInstance: string[];
  /** Free KiB on the volumes of data and WAL. */
  let free: [data: number, wal: number];
  let walDevice: string;

  const status = () => kubernetes.cluster!.status!;
  const backup = (name: string, stoppedAt: string, more: object = {}): KubernetesObject => ({
    metadata: { name },
    spec: { cluster: { name: "orders" } },
    status: { phase: "completed", stoppedAt, ...more },
  });
  const pod = (jobRole: string, phase: string): KubernetesObject => ({
    metadata: { name: `orders-1-${jobRole}-x`, labels: { "cnpg.io/jobRole": jobRole } },
    status: { phase },
  });

  beforeEach(() => {
    kubernetes = new FakeKubernetes();
    Object.assign(kubernetes.cluster!, {
      spec: { instances: 2, imageName: PRESENT },
      status: {
        ...{ currentPrimary: "orders-1", readyInstances: 2, phase: "Cluster in healthy state" },
        pgDataImageInfo: { image: PRESENT, majorVersion: 15 },
      },
    });
    [pods, inDatabase, inInstance] = [[], [], []];
    backups = [backup("orders-daily", "2026-11-30T01:00:00Z", { majorVersion: 15 })];
    [free, walDevice] = [[9e9, 9e9], "/dev/wal"];
    const list = async ({ plural }: { plural: string }) =>
      plural === "pods" ? pods : plural === "backups" ? backups : [];
    Object.assign(kubernetes, { list });
    kubernetes.answer = ({ database, script }) => {
      if (database === "")
        return { stdout: `Filesystem\n/dev/data 9 9 ${free[0]} 9% /data\n${walDevice} 9 9 ${free[1]} 9% /wal\n` };
      if (script.includes("datallowconn AND NOT")) return "app\n";
      const rows = { app: inDatabase, postgres: inInstance }[database] ?? [];
      return rows.map((row) => `${row}\n`).join("");
    };
  });

  const run = (more: Partial<DeclaredUpgrade> = {}) =>
    refuseBlockedUpgrade(kubernetes, { namespace: "db", cluster: "orders" }, { ...declared, ...more }, NOW);
  const refuses = (message: RegExp, more: Partial<DeclaredUpgrade> = {}) => assert.rejects(run(more), message);

  it("nothing is refused if nothing is wrong, and queries are run in every database", async () => {
    assert.equal(await run(), "");
    assert.deepEqual(
      kubernetes.ran.map(({ database }) => database),
      ["postgres", "postgres", "template1", "app", ""],
    );
  });

  it("nothing is checked if the Cluster already has the image, or the data have that version", async () => {
    kubernetes.cluster!.spec!.imageName = declared.image;
    assert.equal(await run(), undefined);
    kubernetes.cluster!.spec = { imageCatalogRef: { major: 17 } };
    assert.equal(await run({ image: "a catalog" }), undefined);
    kubernetes.cluster!.spec = {};
    assert.equal(await run({ major: 15 }), undefined);
    assert.deepEqual(kubernetes.ran, []);
  });

  it("an earlier version is refused, with the way back", () =>
    refuses(/its data are of PostgreSQL 15, and PostgreSQL cannot go back.*image of PostgreSQL 15.*recover a backup/, {
      major: 14,
    }));

  it("an upgrade that has failed or runs is refused, with the image that ends it", async () => {
    for (const phase of ["Failed", "Running", "Pending"]) {
      pods = [pod("major-upgrade", phase)];
      await refuses(
        /an earlier upgrade from PostgreSQL 15 has failed or has not ended \(pod orders-1-major-upgrade-x: \w+\).*Set the image registry\/postgresql:15\.9-bookworm and run `pulumi up`/,
      );
    }
    pods = [];
    status().phase = "Upgrading Postgres major version";
    await refuses(/an earlier upgrade from PostgreSQL 15/);
  });

  it("a Job that still creates an instance is refused; one that has ended is not", async () => {
    pods = [pod("join", "Succeeded"), pod("initdb", "Failed")];
    await run();
    pods = [pod("join", "Running")];
    await refuses(/the pod orders-1-join-x still creates an instance \(Running\)\. Wait/);
  });

  it("a Cluster that is not healthy is refused, with what CloudNativePG says", async () => {
    status().phase = "Failing over";
    await refuses(
      /it is not healthy: CloudNativePG says "Failing over", and 2 of 2 instances are ready\. Set the image/,
    );
    Object.assign(status(), { phase: "Cluster in healthy state", readyInstances: 1 });
    await refuses(/1 of 2 instances are ready/);
  });

  it("a replica cluster is refused, because it must have the version of the Cluster that it follows", async () => {
    for (const replica of [{ primary: "orders-eu" }, { enabled: true, source: "orders-eu" }]) {
      kubernetes.cluster!.spec!.replica = replica;
      await refuses(/it is a replica cluster of orders-eu, which must have the same version/);
    }
    kubernetes.cluster!.spec!.replica = { primary: "orders", self: "orders" };
    await run();
  });

  it("a version that CloudNativePG does not upgrade to, and another distribution, are refused", async () => {
    kubernetes.cluster!.status!.pgDataImageInfo = { image: PRESENT, majorVersion: 14 };
    backups = [backup("orders-daily", "2026-11-30T01:00:00Z")];
    await refuses(/upgrades only to PostgreSQL 16 or later/, { major: 15 });
    await refuses(
      /postgresql:15\.9-bookworm is based on bookworm, and registry\/postgresql:17\.6-trixie on trixie.*Choose an image of PostgreSQL 17 on bookworm/,
      { image: "registry/postgresql:17.6-trixie" },
    );
    await run({ image: "registry/postgresql:17.6" });
  });

  it("an unknown version is refused with backups, because it may need a new archive", () =>
    refuses(/operator's choice yet: the operator chooses the image.*Set image or imageCatalog/, { major: undefined }));

  describe("a backup is needed", () => {
    it("that is complete, young enough, and of the present version", async () => {
      await run({ backupWithin: 12 });
      await refuses(
        /no complete backup that is at most 10 h old \(the newest: orders-daily of 2026-11-30T01:00:00\.000Z\).*Set backup\.onDemand to a new name, together with the image/,
        { backupWithin: 10 },
      );
      backups = [backup("orders-of-14", "2026-11-30T11:00:00Z", { majorVersion: 14 })];
      await refuses(/\(the newest: none\)/);
      backups = [backup("orders-failed", "2026-11-30T11:00:00Z", { phase: "failed" })];
      await refuses(/\(the newest: none\)/);
      backups = [{ ...backup("of-shop", "2026-11-30T11:00:00Z"), spec: { cluster: { name: "shop" } } }];
      await refuses(/\(the newest: none\)/);
    });

    it("unless this preview is of an `up` that takes one, or the settings say that none is needed", async () => {
      backups = [];
      await run({ takesBackup: true });
      await run({ backupWithin: undefined });
      await refuses(/Set backup and run `pulumi up` with the present image first.*majorUpgrade\.backupWithin: none/, {
        archives: false,
      });
    });

    it("and an archive that is complete", async () => {
      status().conditions = [{ type: "ContinuousArchiving", status: "False", message: "no bucket" }];
      await refuses(/the write-ahead log is not archived: no bucket\. Correct the cause/, { takesBackup: true });
      await run({ backupWithin: undefined });
    });
  });

  it("everything that queries find is refused at once, with the database and the remedy", async () => {
    inInstance = [
      ...["prepared 'x' in app", "lostSlots cdc in app", "closedDatabases old", "openTemplate template0"],
      ...["failedUpgrade /data/pgdata-new.failed_1", "tablespaceFolders /tbs/fast/PG_17_2"],
    ];
    inDatabase = [
      ...["functionRights app", "regTypes public.t.c", "regTypes public.u.d", "aclItems public.t.a"],
      ...["removedExtensions adminpack", "notNull child.c", "systemTypes public.t.s"],
    ];
    const error = await run().catch((refused: Error) => refused.message);
    for (const part of [
      /^orders cannot be upgraded to PostgreSQL 17 yet:\n {2}- in the database app the function pg_logical_emit_message/,
      /regproc.*: public\.t\.c in app, public\.u\.d in app\. Change the type/,
      /aclitem.*: public\.t\.a in app\. Change/,
      /system table: public\.t\.s in app/,
      /PostgreSQL 17 no longer has these extensions: adminpack in app\. Run DROP EXTENSION/,
      /NOT NULL.*: child\.c in app/,
      /prepared transactions: 'x' in app\. Run COMMIT PREPARED/,
      /logical replication slots would be lost: cdc in app\..*pg_drop_replication_slot/,
      /databases that do not allow connections: old\. Run ALTER DATABASE … ALLOW_CONNECTIONS true/,
      /the database template0 allows connections/,
      /only copy of something: \/data\/pgdata-new\.failed_1\./,
      /left folders in tablespaces: \/tbs\/fast\/PG_17_2/,
      /The Cluster was not changed\. docs\/upgrades\.md describes the upgrade\.$/,
    ])
      assert.match(String(error), part);
  });

  it("a long list is cut", async () => {
    inDatabase = Array.from({ length: 40 }, (_, index) => `regTypes public.t.c${index}`);
    await refuses(/public\.t\.c9 in app, and 30 more\. Change/);
  });

  it("a volume without space for new system catalogs is refused, with its setting", async () => {
    inDatabase = [`catalogBytes ${100 * 1024 ** 2}`];
    free = [328 * 1024, 328 * 1024];
    await run();
    free = [300 * 1024, 328 * 1024];
    await refuses(
      /the volume of storage\.size in the pod orders-1 has 300 MiB free.*needs about 328 MiB.*Raise storage\.size/,
    );
    free = [328 * 1024, 300 * 1024];
    await refuses(/the volume of walStorage\.size/);
    walDevice = "/dev/data";
    free = [600 * 1024, 600 * 1024];
    await refuses(/has 600 MiB free, and pg_upgrade needs about 656 MiB/);
    kubernetes.answer = ({ database }) => (database === "" ? { code: 127, stderr: "df: not found" } : "");
    await refuses(/The free space of db\/orders-1 could not be read: .*df: not found/);
  });

  it("extensions and libraries that the new image must have are named", async () => {
    inDatabase = ["extension postgis 3.4.2", "library $libdir/own", "extension vector 0.8.0"];
    inInstance = ["library pg_stat_statements"];
    assert.match(
      (await run()) ?? "",
      /the image of PostgreSQL 17 must have these .*: pg_stat_statements, postgis 3\.4\.2 in app, \$libdir\/own in app, vector 0\.8\.0 in app\. If one is missing/,
    );
  });

  it("the former archive gets everything that was written before, if there is one", async () => {
    await completeArchive(kubernetes, { namespace: "db", cluster: "orders" }, 1);
    assert.deepEqual(kubernetes.ran, []);
    kubernetes.cluster!.spec!.plugins = [{ name: BARMAN_CLOUD }];
    const last = ["", "000000010000000000000004", "000000010000000000000005"];
    kubernetes.answer = ({ script }) =>
      script.includes("pg_switch_wal") ? "000000010000000000000005\n" : `${last.shift()}\n`;
    await completeArchive(kubernetes, { namespace: "db", cluster: "orders" }, 1);
    assert.deepEqual(last, []);
  });
});
