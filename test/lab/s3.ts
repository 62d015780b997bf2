/** A folder in the lab's object store for the backups of a test. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { S3 } from "../../lab/layout";
import { eventually, sqlAsSuperuser } from "./lab";

const [BUCKET = ""] = S3.buckets;

/** A key of the Secret `s3`. */
export const s3Key = (name: string) => ({ name: "s3", key: name });

/** The Secret `s3`, with the credentials of the bucket and the CA of the store. */
export function s3Secret(namespace: string): object {
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

/** A folder in the bucket, which only this run uses. */
export class S3Folder {
  private readonly folder: string;
  private readonly onDisk: string;

  constructor(test: string) {
    this.folder = `${test}-${Date.now()}`;
    this.onDisk = join(S3.objects, BUCKET, this.folder);
  }

  /** The setting `objectStore`. */
  readonly store = () => ({
    destinationPath: `s3://${BUCKET}/${this.folder}`,
    endpointURL: S3.address,
    endpointCA: s3Key("ca.crt"),
    s3Credentials: { accessKeyId: s3Key("id"), secretAccessKey: s3Key("secret") },
    wal: { compression: "gzip" },
    data: { immediateCheckpoint: true },
  });

  /** Base backups of an archive. */
  backupsIn(archive: string): string[] {
    const folder = join(this.onDisk, archive, "base");
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** Waits until everything that was written so far to the Cluster `name` is in its archive. */
  async archived(name: string, archive: string): Promise<void> {
    const file = (await sqlAsSuperuser(name, "app", "SELECT pg_walfile_name(pg_switch_wal())")).trim();
    const path = join(this.onDisk, archive, "wals", file.slice(0, 16), `${file}.gz`);
    await eventually(`${file} is archived`, async () => existsSync(path));
  }

  remove(): void {
    rmSync(this.onDisk, { recursive: true, force: true });
  }
}
