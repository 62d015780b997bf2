/** The lab's object store for tests of backups and recoveries, and the loss of a Cluster. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { S3 } from "../../lab/layout";
import { eventually, kubectl, sqlAsSuperuser } from "./lab";

const [BUCKET = ""] = S3.buckets;
const storeKey = (key: string) => ({ name: "s3", key });

/** A folder of a bucket in the lab, for the setting `backup.objectStore`. Use a new folder in each run. */
export function objectStoreIn(folder: string) {
  return {
    destinationPath: `s3://${BUCKET}/${folder}`,
    endpointURL: S3.address,
    endpointCA: storeKey("ca.crt"),
    s3Credentials: { accessKeyId: storeKey("id"), secretAccessKey: storeKey("secret") },
    wal: { compression: "gzip" },
    data: { immediateCheckpoint: true },
  };
}

/** The Secret with the keys and the CA of the bucket, which `objectStoreIn` refers to. */
export function objectStoreSecret(namespace: string): object {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s3", namespace },
    stringData: {
      id: readFileSync(S3.accessKeyId(BUCKET), "utf8").trim(),
      secret: readFileSync(S3.secretAccessKey(BUCKET), "utf8").trim(),
      "ca.crt": readFileSync(process.env.S3_CACERT ?? "", "utf8"),
    },
  };
}

/** Where the lab stores the folder on its disk. */
export function objectStoreOnDisk(folder: string): string {
  return join(S3.objects, BUCKET, folder);
}

/** Waits until everything that a Cluster has written so far is in its archive. `archive` is its path on the disk. */
export async function eventuallyArchived(cluster: string, archive: string): Promise<void> {
  const file = (await sqlAsSuperuser(cluster, "app", "SELECT pg_walfile_name(pg_switch_wal())")).trim();
  const path = join(archive, "wals", file.slice(0, 16), `${file}.gz`);
  await eventually(`${file} is archived`, async () => existsSync(path));
}

/** The time of the database, between two pauses, as a target of a recovery. */
export async function timeToRecoverTo(cluster: string): Promise<string> {
  const now = `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  await sleep(2_000);
  const time = (await sqlAsSuperuser(cluster, "app", now)).trim();
  await sleep(2_000);
  return time;
}

/** Deletes a Cluster and waits until its volumes are gone too. */
export async function loseCluster(name: string): Promise<void> {
  await kubectl("-n", name, "delete", "cluster", name, "--wait=true");
  const volumes = () => kubectl("-n", name, "get", "pvc", "-o", "name");
  await eventually("the volumes are gone", async () => (await volumes()) === "");
}
