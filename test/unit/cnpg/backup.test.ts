import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { mayBeSameArchive } from "../../../components/cnpg/archive-place";
import { BackupSettings, checkBackup, planBackup } from "../../../components/cnpg/backup";
import { clusterSpec } from "../../../components/cnpg/cluster";
import { ObjectStore } from "../../../components/cnpg/object-store";
import { checkRecovery, planRecovery, RecoverySettings } from "../../../components/cnpg/recovery";
import { describeProblem } from "../../../components/problems";

const key = (name: string) => ({ name: "store", key: name });
const s3Credentials = { accessKeyId: key("id"), secretAccessKey: key("secret") };
const objectStore: ObjectStore = { destinationPath: "s3://backups/prod", s3Credentials };
const azure = "https://account.blob.core.windows.net/backups/prod";
const secrets = { server: "s", serverCa: "c", replication: "r", clientCaBundle: "b" };
const at = (setting: string) => `db.${setting}`;
const wrongBackup = (settings: object, spec?: Record<string, unknown>) =>
  checkBackup(at, { objectStore, ...settings } as BackupSettings, spec).map(describeProblem);
const wrongStore = (store: object) => wrongBackup({ objectStore: { ...objectStore, ...store } });
const wrongRecovery = (recovery: object, context = {}) =>
  checkRecovery(at, recovery as RecoverySettings, context).map(describeProblem);

describe("backups", () => {
  it("are taken by the plugin each day, and the write-ahead log is archived under the Cluster's archive name", () => {
    const backups = planBackup("orders", { objectStore, retention: "30d", archiveName: "orders-1" });
    const spec = clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], plans: { backup: backups } });
    assert.deepEqual(spec.plugins, [
      {
        name: "barman-cloud.cloudnative-pg.io",
        isWALArchiver: true,
        parameters: { barmanObjectName: "orders", serverName: "orders-1" },
      },
    ]);
    assert.deepEqual(backups.objectStore, {
      apiVersion: "barmancloud.cnpg.io/v1",
      kind: "ObjectStore",
      metadata: { name: "orders" },
      spec: { configuration: objectStore, retentionPolicy: "30d" },
    });
    assert.deepEqual(backups.scheduledBackup.spec, {
      cluster: { name: "orders" },
      schedule: "0 0 1 * * *",
      backupOwnerReference: "cluster",
      method: "plugin",
      target: "prefer-standby",
      pluginConfiguration: { name: "barman-cloud.cloudnative-pg.io" },
    });
  });

  it("that a run waits for are taken from the primary, and are complete only when their write-ahead log is archived", () => {
    const { method, scheduledBackup } = planBackup("orders", { objectStore, target: "prefer-standby" });
    assert.equal(method.target, "primary");
    assert.equal(scheduledBackup.spec.target, "prefer-standby");
  });

  it("are suspended while no instance runs", () => {
    assert.equal(planBackup("orders", { objectStore }, true).scheduledBackup.spec.suspend, true);
    assert.equal("suspend" in planBackup("orders", { objectStore }).scheduledBackup.spec, false);
  });

  it("can be volume snapshots, while the write-ahead log goes to the object store", () => {
    const backups = planBackup("orders", { objectStore, volumeSnapshot: { className: "fast" }, target: "primary" });
    const spec = clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], plans: { backup: backups } });
    assert.deepEqual(spec.backup, { volumeSnapshot: { className: "fast" } });
    assert.equal((spec.plugins as unknown[]).length, 1);
    assert.deepEqual(backups.scheduledBackup.spec.method, "volumeSnapshot");
  });

  for (const [title, settings] of Object.entries({
    "S3 with keys": {},
    "S3 with the pod's role": { objectStore: { ...objectStore, s3Credentials: { inheritFromIAMRole: true } } },
    "a store with its own CA": {
      objectStore: { ...objectStore, endpointURL: "https://10.0.0.1:9000", endpointCA: key("ca.crt") },
    },
    "an address that is not yet known": { objectStore: { ...objectStore, destinationPath: pulumi.output("s3://x") } },
    "Azure with a managed identity": {
      objectStore: { destinationPath: azure, azureCredentials: { inheritFromAzureAD: true } },
    },
    "Azure with an account key": {
      objectStore: {
        destinationPath: azure,
        azureCredentials: { storageAccount: key("account"), storageKey: key("key") },
      },
    },
    "Google with workload identity": {
      objectStore: { destinationPath: "gs://backups", googleCredentials: { gkeEnvironment: true } },
    },
    "a schedule of six fields": { schedule: "0 30 */4 * * MON-FRI" },
    "a schedule with a name": { schedule: "@every 12h30m" },
  })) {
    it(`accept ${title}`, () => assert.deepEqual(wrongBackup(settings), []));
  }

  for (const [found, expected] of [
    [
      wrongStore({ destinationPath: "backups/prod" }),
      /^db\.backup\.objectStore\.destinationPath = "backups\/prod": is not a valid address of a bucket/,
    ],
    [wrongStore({ destinationPath: "s3://" }), /is not a valid address of a bucket/],
    [wrongStore({ destinationPath: "gs://backups" }), /does not fit s3Credentials\. Use googleCredentials/],
    [
      wrongStore({ endpointURL: "http://minio:9000" }),
      /endpointURL.*would send backups without encryption.*endpointCA/,
    ],
    [wrongStore({ endpointURL: "minio" }), /endpointURL.*is not a valid URL/],
    [wrongStore({ s3Credentials: undefined }), /has no credentials\. Set exactly one of/],
    [wrongStore({ s3Credentials: { accessKeyId: key("id") } }), /s3Credentials: does not have both keys/],
    [wrongStore({ s3Credentials: { ...s3Credentials, inheritFromIAMRole: true } }), /has keys and inheritFromIAMRole/],
    [wrongStore({ googleCredentials: { gkeEnvironment: true } }), /is a second set of credentials/],
    [
      wrongBackup({ objectStore: { destinationPath: "gs://b", googleCredentials: {} } }),
      /googleCredentials: must have exactly one way to log in/,
    ],
    [
      wrongBackup({ objectStore: { destinationPath: azure, azureCredentials: { storageAccount: key("a") } } }),
      /azureCredentials: must have exactly one way to log in/,
    ],
    [wrongStore({ endpointCA: { name: "Not A Name", key: "ca.crt" } }), /endpointCA\.name = "Not A Name"/],
    [wrongStore({ wal: { maxParallel: 0 } }), /wal\.maxParallel = 0/],
    [wrongStore({ data: { jobs: 1.5 } }), /data\.jobs = 1\.5/],
    [wrongBackup({ archiveName: "a/b" }), /archiveName = "a\/b": is not a valid archive name/],
    [
      wrongBackup({ schedule: "0 1 * * *" }),
      /has five fields, but needs six: the first is the second\. Write 0 0 1 \* \* \*\./,
    ],
    [wrongBackup({ schedule: "daily" }), /schedule = "daily": is not a valid schedule/],
    [wrongBackup({ retention: "30" }), /retention = "30": must be a number of days/],
    [wrongBackup({ target: "standby" }), /target = "standby"/],
    [wrongBackup({ onDemand: "Before Upgrade" }), /onDemand = "Before Upgrade"/],
    [wrongBackup({ waitMinutes: 0 }), /waitMinutes = 0/],
    [
      wrongBackup({ volumeSnapshot: { snapshotOwnerReference: "cluster" } }),
      /snapshotOwnerReference = "cluster": would delete the snapshots with the Cluster/,
    ],
    [wrongBackup({ volumeSnapshot: {}, retention: "30d" }), /retention = "30d": has no effect with volumeSnapshot/],
    [wrongBackup({}, { plugins: [] }), /^db\.spec\.plugins: would replace what backup writes/],
    [wrongBackup({}, { backup: {} }), /^db\.spec\.backup: would replace what backup writes/],
  ] as const) {
    it(`refuse with ${expected}`, () => {
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", expected);
    });
  }
});

describe("a recovery", () => {
  const archive = { objectStore, archiveName: "orders-1" };

  it("starts from an archive instead of an empty database, and keeps the names of the database and its owner", () => {
    const recoveries = planRecovery("orders", { ...archive, recoveryTarget: { targetTime: "2026-11-30T12:00:00Z" } });
    const initdb = { database: "shop", owner: "shop_owner", ownerSecret: "owner" };
    const spec = clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], plans: { recovery: recoveries }, initdb });
    assert.deepEqual(spec.bootstrap, {
      recovery: {
        source: "recovery-source",
        recoveryTarget: { targetTime: "2026-11-30T12:00:00Z" },
        database: "shop",
        owner: "shop_owner",
        secret: { name: "owner" },
      },
    });
    assert.deepEqual(spec.externalClusters, [
      {
        name: "recovery-source",
        plugin: {
          name: "barman-cloud.cloudnative-pg.io",
          parameters: { barmanObjectName: "orders-recovery", serverName: "orders-1" },
        },
      },
    ]);
    assert.equal(recoveries.objectStore?.metadata.name, "orders-recovery");
  });

  it("uses the store of the Cluster's own backups by default", () => {
    const { objectStore: made, store } = planRecovery("orders", { archiveName: "orders-1" });
    assert.deepEqual([made, store], [undefined, "orders"]);
    assert.deepEqual(wrongRecovery({ archiveName: "orders-1" }, { backup: { objectStore } }), []);
  });

  it("can start from an archive of the same name in another store", () => {
    const other = { ...objectStore, endpointURL: "https://minio.example.com" };
    const backup = { objectStore, archiveName: "orders-1" };
    assert.deepEqual(wrongRecovery({ ...archive, objectStore: other }, { backup }), []);
  });

  it("can start from volume snapshots", () => {
    const settings = {
      volumeSnapshots: { storage: { name: "snap", kind: "VolumeSnapshot", apiGroup: "snapshot.storage.k8s.io" } },
    };
    assert.deepEqual(wrongRecovery(settings), []);
    const plans = { recovery: planRecovery("orders", settings) };
    const spec = clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], plans });
    assert.equal(spec.externalClusters, undefined);
    assert.deepEqual(spec.bootstrap, { recovery: { ...settings, database: "app", owner: "app" } });
  });

  it("accepts a time without quotes, which Pulumi's configuration writes in another format", () => {
    for (const [written, time] of [
      ["2026-11-30 13:49:15.045999 +0000 UTC", "2026-11-30T13:49:15.045999+00:00"],
      ["2026-11-30 13:49:15 +0530 +0530", "2026-11-30T13:49:15+05:30"],
      ["2026-11-30T12:00:00Z", "2026-11-30T12:00:00Z"],
    ] as const) {
      const settings = { ...archive, recoveryTarget: { targetTime: written } };
      assert.deepEqual(wrongRecovery(settings), []);
      const plans = { recovery: planRecovery("orders", settings) };
      const { bootstrap } = clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], plans });
      assert.equal(
        (bootstrap as { recovery: { recoveryTarget: { targetTime: string } } }).recovery.recoveryTarget.targetTime,
        time,
      );
    }
  });

  it("does not write a target that is false, because CloudNativePG treats it as a target", () => {
    const plans = { recovery: planRecovery("orders", { ...archive, recoveryTarget: { targetImmediate: false } }) };
    const { bootstrap } = clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], plans });
    assert.deepEqual((bootstrap as { recovery: { recoveryTarget: object } }).recovery.recoveryTarget, {});
  });

  for (const [found, expected] of [
    [wrongRecovery({}), /^db\.recovery: does not say what to recover from/],
    [
      wrongRecovery({ objectStore, volumeSnapshots: { storage: { name: "s", kind: "VolumeSnapshot" } } }),
      /recovery\.objectStore: needs archiveName/,
    ],
    [
      wrongRecovery(
        { volumeSnapshots: { storage: { name: "s", kind: "VolumeSnapshot" } } },
        { backup: { objectStore, archiveName: "orders-1" } },
      ),
      /^db\.backup\.archiveName = "orders-1": could be the archive of the Cluster that the snapshots are from/,
    ],
    [wrongRecovery({ archiveName: "orders-1" }), /recovery\.archiveName = "orders-1": needs the store of the archive/],
    [
      wrongRecovery(archive, { backup: { objectStore, archiveName: "orders-1" } }),
      /is also the archive that the new Cluster would write to, and damage/,
    ],
    [
      wrongRecovery(
        { ...archive, objectStore: { ...objectStore, destinationPath: "s3://backups/prod/" } },
        { backup: { objectStore, archiveName: "orders-1" } },
      ),
      /is also the archive that the new Cluster would write to/,
    ],
    [
      wrongRecovery(
        { ...archive, objectStore: { ...objectStore, endpointURL: "https://S3.amazonaws.com/" } },
        { backup: { objectStore, archiveName: "orders-1" } },
      ),
      /is also the archive that the new Cluster would write to/,
    ],
    [
      wrongRecovery(
        { archiveName: "orders-1" },
        {
          backup: {
            objectStore: { ...objectStore, destinationPath: pulumi.output("s3://b") },
            archiveName: "orders-1",
          },
        },
      ),
      /is also the archive that the new Cluster would write to/,
    ],
    [
      wrongRecovery(archive, { initdb: { encoding: "UTF8" } }),
      /^db\.initdb\.encoding = "UTF8": has no effect with recovery/,
    ],
    [wrongRecovery(archive, { spec: { bootstrap: {} } }), /^db\.spec\.bootstrap: would replace what recovery writes/],
    [wrongRecovery(archive, { spec: { externalClusters: [] } }), /^db\.spec\.externalClusters/],
    ...(
      [
        [
          { targetTime: "2026-11-30 12:00:00" },
          /targetTime = "2026-11-30 12:00:00": is not a valid time with a time zone/,
        ],
        [{ targetTime: "2026-13-30T12:00:00Z" }, /is not a valid time with a time zone/],
        [{ targetLSN: "3000060" }, /targetLSN = "3000060": is not a valid position/],
        [{ targetXID: "4294967296", backupID: "b" }, /targetXID = "4294967296": is not a valid transaction ID/],
        [{ targetTLI: "0" }, /targetTLI = "0": is not a valid timeline/],
        [{ targetName: "x".repeat(64), backupID: "b" }, /is not a valid name of a restore point/],
        [{ targetName: "before" }, /targetName: needs backupID/],
        [{ targetImmediate: true }, /targetImmediate: needs backupID/],
        [{ targetTime: "2026-11-30T12:00:00Z", targetLSN: "0/1" }, /has more than one end: targetTime and targetLSN/],
      ] as const
    ).map(([recoveryTarget, expected]) => [wrongRecovery({ ...archive, recoveryTarget }), expected] as const),
  ] as const) {
    it(`refuses with ${expected}`, () => {
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", expected);
    });
  }
});

describe("two archives of the same name", () => {
  const isSame = (one: object, other: object) => {
    const archive = (store: object) => ({ objectStore: { ...objectStore, ...store }, archiveName: "orders-1" });
    const found = mayBeSameArchive(archive(one), archive(other));
    assert.equal(mayBeSameArchive(archive(other), archive(one)), found, "in the other order");
    return found;
  };
  const at = (endpointURL: pulumi.Input<string>) => ({ endpointURL });
  const path = (destinationPath: pulumi.Input<string>) => ({ destinationPath });
  const minio = at("https://minio.example.com");
  const unknown = pulumi.output("s3://backups");

  for (const [title, one, other] of [
    ["the same endpoint", minio, minio],
    ["upper and lower case of the host", minio, at("https://MinIO.Example.COM")],
    ["a slash at the end of the endpoint", minio, at("https://minio.example.com/")],
    ["a dot at the end of the host", minio, at("https://minio.example.com.")],
    ["the default port", minio, at("https://minio.example.com:443")],
    ["no endpoint, and Amazon's", {}, at("https://s3.amazonaws.com")],
    [
      "Amazon's endpoints of two regions",
      at("https://s3.eu-west-1.amazonaws.com"),
      at("https://S3.us-east-1.api.aws/"),
    ],
    ["no endpoint, and Amazon's of China", {}, at("https://s3.cn-north-1.amazonaws.com.cn")],
    ["an endpoint that is not known yet", minio, at(pulumi.output("https://other.example.com"))],
    ["an endpoint that cannot be read", minio, at("https://[")],
    ["a default that the environment may change", minio, { sidecar: { env: [{ name: "AWS_ENDPOINT_URL" }] } }],
    ["slashes in the path", path("s3://backups//prod/"), {}],
    ["Google's bucket as S3", { ...path("gs://backups/prod") }, at("https://storage.googleapis.com")],
    ["an endpoint that Google's path does not use", path("gs://backups"), { ...path("gs://backups"), ...minio }],
    ["Azure's host in upper case", path(azure), path(azure.replace("account.blob", "Account.Blob"))],
    ["one path that is not known yet", path(unknown), { ...path(unknown), ...at("https://s3.amazonaws.com") }],
  ] as const) {
    it(`are the same, or may be: ${title}`, () => assert.ok(isSame(one, other)));
  }

  for (const [title, one, other] of [
    ["another endpoint", minio, at("https://other.example.com")],
    ["another port", minio, at("https://minio.example.com:9000")],
    ["another path of the endpoint", minio, at("https://minio.example.com/tenant")],
    ["no endpoint, and one that is not Amazon's", {}, minio],
    ["a host that only ends like Amazon's", {}, at("https://notamazonaws.com")],
    ["another bucket", path("s3://other/prod"), {}],
    ["another folder in upper case", path("s3://backups/Prod"), {}],
    ["Google's bucket, and Amazon's of the same name", path("gs://backups/prod"), {}],
    ["two paths that are not known yet", path(unknown), path(pulumi.output("s3://other"))],
  ] as const) {
    it(`are different: ${title}`, () => assert.ok(!isSame(one, other)));
  }
});
