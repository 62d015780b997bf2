/**
 * The lab's own parts for backups: the Barman Cloud plugin with its sidecar, and the S3 server with its key pairs. Uses
 * plain Clusters, without the program.
 */
import { strict as assert } from "node:assert";
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { attempt, CommandResult } from "../../lab/host/command";
import { S3 } from "../../lab/layout";
import { apply, eventually, kubectl, PROBES, sqlAsSuperuser } from "./lab";

/** The test's namespace, and the Cluster that it backs up. */
const NAME = "lab-backup";
const RESTORED = "restored";
const PLUGIN = "barman-cloud.cloudnative-pg.io";
const [BUCKET = "", OTHER_BUCKET = ""] = S3.buckets;
/** Folder in the bucket. The plugin refuses to archive into one that an earlier Cluster used. */
const FOLDER = `${NAME}-${Date.now()}`;
/** Size of the parts in which Barman uploads a backup. An empty database is larger. */
const PART_BYTES = 5 * 1024 * 1024;

const metadata = (name: string) => ({ name, namespace: NAME });
const field = (kind: string, name: string, path: string) =>
  kubectl("-n", NAME, "get", kind, name, "--ignore-not-found", "-o", `jsonpath={${path}}`);

const objects = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: NAME } },
  {
    apiVersion: "v1",
    kind: "Secret",
    metadata: metadata("s3"),
    stringData: {
      id: readFileSync(process.env.S3_ACCESS_KEY_ID_FILE ?? "", "utf8").trim(),
      key: readFileSync(process.env.S3_SECRET_ACCESS_KEY_FILE ?? "", "utf8").trim(),
      "ca.crt": readFileSync(process.env.S3_CACERT ?? "", "utf8"),
    },
  },
  {
    apiVersion: "barmancloud.cnpg.io/v1",
    kind: "ObjectStore",
    metadata: metadata("store"),
    spec: {
      configuration: {
        destinationPath: `s3://${process.env.S3_BUCKET}/${FOLDER}`,
        endpointURL: process.env.S3_ENDPOINT,
        endpointCA: { name: "s3", key: "ca.crt" },
        s3Credentials: { accessKeyId: { name: "s3", key: "id" }, secretAccessKey: { name: "s3", key: "key" } },
        wal: { compression: "gzip" },
        data: { immediateCheckpoint: true },
      },
      // Without a request, Python gets hardly any time on a busy machine.
      instanceSidecarConfiguration: { resources: { requests: { cpu: "200m" } } },
    },
  },
];

const spec = {
  imageName: "lab.local/postgresql:17",
  instances: 1,
  storage: { size: "1Gi" },
  resources: { requests: { cpu: "50m", memory: "128Mi" } },
  postgresql: { parameters: { shared_buffers: "32MB" } },
  probes: PROBES,
};
const cluster = (name: string, more: object) => ({
  apiVersion: "postgresql.cnpg.io/v1",
  kind: "Cluster",
  metadata: metadata(name),
  spec: { ...spec, ...more },
});

/** As the sidecar of the first Cluster, with the key pair of one bucket. */
function barman(keysOf: string, command: string, bucket: string, ...args: string[]): Promise<CommandResult> {
  const keys = [
    `AWS_ACCESS_KEY_ID=${readFileSync(S3.accessKeyId(keysOf), "utf8").trim()}`,
    `AWS_SECRET_ACCESS_KEY=${readFileSync(S3.secretAccessKey(keysOf), "utf8").trim()}`,
    "AWS_CA_BUNDLE=/barman-certificates/store/barman-ca.crt",
  ];
  const where = ["--cloud-provider=aws-s3", `--endpoint-url=${S3.address}`, `s3://${bucket}/${FOLDER}`, NAME];
  const exec = ["-n", NAME, "exec", `${NAME}-1`, "-c", "plugin-barman-cloud", "--"];
  return attempt("kubectl", [...exec, "env", ...keys, `barman-cloud-${command}`, ...where, ...args]);
}

describe("the lab's backups", () => {
  const archive = join(S3.objects, BUCKET, FOLDER, NAME);
  const backups = join(archive, "base");
  before(() => apply(...objects));
  after(async () => {
    await kubectl("delete", "namespace", NAME, "--wait=false", "--ignore-not-found");
    rmSync(join(S3.objects, BUCKET, FOLDER), { recursive: true, force: true });
  });

  it("archive the WAL in the bucket, and complete a ScheduledBackup", async () => {
    await apply(
      cluster(NAME, {
        plugins: [{ name: PLUGIN, isWALArchiver: true, parameters: { barmanObjectName: "store" } }],
      }),
    );
    await eventually("the Cluster archives WAL", async () =>
      (await field("cluster", NAME, '.status.conditions[?(@.type=="ContinuousArchiving")].status')).includes("True"),
    );
    await sqlAsSuperuser(NAME, "app", "CREATE TABLE items AS SELECT 'before the backup' AS written");
    await apply({
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "ScheduledBackup",
      metadata: metadata("nightly"),
      spec: {
        schedule: "0 0 3 * * *",
        immediate: true,
        cluster: { name: NAME },
        method: "plugin",
        pluginConfiguration: { name: PLUGIN },
      },
    });
    await eventually("the Backup is completed", async () => {
      const phase = await kubectl("-n", NAME, "get", "backup", "-o", "jsonpath={.items[*].status.phase}");
      assert.notEqual(phase, "failed", await kubectl("-n", NAME, "get", "backup", "-o", "yaml"));
      return phase === "completed";
    });
    const [taken = ""] = readdirSync(backups);
    assert.ok(statSync(join(backups, taken, "data.tar")).size > 2 * PART_BYTES);
  });

  it("restore the data into a new Cluster, including what was written after the backup", async () => {
    await sqlAsSuperuser(NAME, "app", "INSERT INTO items VALUES ('after the backup')");
    const written = (await sqlAsSuperuser(NAME, "app", "SELECT pg_walfile_name(pg_switch_wal())")).trim();
    await eventually("the last WAL file is in the bucket", async () =>
      existsSync(join(archive, "wals", written.slice(0, 16), `${written}.gz`)),
    );
    await apply(
      cluster(RESTORED, {
        bootstrap: { recovery: { source: "origin" } },
        externalClusters: [
          { name: "origin", plugin: { name: PLUGIN, parameters: { barmanObjectName: "store", serverName: NAME } } },
        ],
      }),
    );
    const psql = ["psql", "--tuples-only", "--no-align", "-d", "app", "-c", "SELECT written FROM items"];
    await eventually("the new Cluster has the data", async () => {
      const { code, stdout } = await attempt("kubectl", [
        "-n",
        NAME,
        "exec",
        `${RESTORED}-1`,
        "-c",
        "postgres",
        "--",
        ...psql,
      ]);
      if (code === 0) assert.deepEqual(stdout.trim().split("\n"), ["before the backup", "after the backup"]);
      return code === 0;
    });
  });

  it("can be read only with the key pair of their bucket", async () => {
    const own = await barman(BUCKET, "backup-list", BUCKET);
    assert.equal(own.code, 0, own.output);
    for (const [keysOf, bucket] of [
      [OTHER_BUCKET, BUCKET],
      [BUCKET, OTHER_BUCKET],
    ] as const) {
      const foreign = await barman(keysOf, "backup-list", bucket);
      assert.match(foreign.output, /403.*Forbidden/);
    }
  });

  it("can be deleted by Barman", async () => {
    const [taken = ""] = readdirSync(backups);
    const deleted = await barman(BUCKET, "backup-delete", BUCKET, `--backup-id=${taken}`);
    assert.equal(deleted.code, 0, deleted.output);
    assert.equal(existsSync(join(backups, taken)), false);
  });
});
