/** The lab's S3: a real server for backups, with its objects on disk, and a key pair for each bucket. */
import { mkdirSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { tool } from "../build/tools";
import { ensureAuthority, ensureServerCertificate } from "../certificates";
import { ensureDaemon, waitUntilServes } from "../host/daemon";
import { randomOnce, writeWhole } from "../host/private-file";
import { PKI, RUN, S3, STATE } from "../layout";

const NAME = "s3";
const attributes = join(STATE.s3, "attributes");
const configurationFile = join(STATE.s3, "s3.json");
const LIMIT_MS = 10_000;

export async function ensureS3(): Promise<void> {
  for (const folder of [S3.objects, attributes]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  await ensureAuthority();
  const configuration = JSON.stringify({
    address: new URL(S3.address).host,
    /** For the lab's own checks, which run outside of the lab's network. */
    socket: RUN.s3Socket,
    region: S3.region,
    objects: S3.objects,
    attributes,
    ...(await ensureServerCertificate(NAME)),
    accounts: S3.buckets.map((bucket) => ({
      bucket,
      accessKeyId: randomOnce(S3.accessKeyId(bucket), 10),
      secretAccessKey: randomOnce(S3.secretAccessKey(bucket)),
    })),
  });
  writeWhole(configurationFile, configuration);
  await ensureDaemon({ name: NAME, command: [tool("s3"), configurationFile], configuration });
  await waitUntilServes(NAME, s3Answers);
}

/** Whether the server answers a request without a signature, by refusing it. */
export function s3Answers(): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = { socketPath: RUN.s3Socket, servername: `${NAME}.lab`, ca: readFileSync(PKI.ca) };
    const call = request({ ...server, path: "/", timeout: LIMIT_MS }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 403);
    });
    call.on("timeout", () => call.destroy(new Error(`S3 did not answer within ${LIMIT_MS / 1000} s`)));
    call.on("error", reject);
    call.end();
  });
}
