/** The lab's Teleport, without the library: `tctl`, and the removal of many databases by one process. */
import { readFileSync } from "node:fs";
import { ClientHttp2Session, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { parseDocuments, TeleportDocument } from "../components/teleport/client/tctl";
import { PROVISIONED_BY } from "../components/teleport/program-roles";
import { run } from "../lab/host/command";
import { waitFor } from "../lab/host/wait";
import { TELEPORT } from "../lab/layout";
import { BENCH_LABEL } from "./labels";

/** Seconds after which a measurement fails. */
const LIMIT = 30 * 60;
/** How long no database may be listed, in milliseconds, before its removal counts as done. */
const UNSEEN = 3_000;
/** Status codes of gRPC. */
const OK = "0";
const NOT_FOUND = "5";

/** Runs `tctl` with the identity of a user of the lab. Default: the identity that the product uses. */
export function tctl(args: readonly string[], input?: string, user = "registrar"): Promise<string> {
  const where = [`--auth-server=${TELEPORT.proxy}`, `--identity=${TELEPORT.identity(user)}`];
  return run("tctl", [...args, ...where], { input, limit: LIMIT * 1_000 });
}

/** The document of a registration without a server. */
export function registration(name: string): TeleportDocument {
  return {
    kind: "db",
    version: "v3",
    metadata: { name, labels: { ...PROVISIONED_BY, ...BENCH_LABEL } },
    spec: { protocol: "postgres", uri: "nowhere.invalid:5432" },
  };
}

/** All databases in Teleport. */
export async function databases(): Promise<TeleportDocument[]> {
  return parseDocuments(await tctl(["get", "db", "--format=json"], undefined, "admin"));
}

/** How many of these names Teleport lists. */
export async function listed(names: readonly string[]): Promise<number> {
  const all = new Set((await databases()).map(({ metadata }) => metadata.name));
  return names.filter((name) => all.has(name)).length;
}

/** Creates all documents by one `tctl create`. Ends when Teleport lists all of them. */
export async function createAll(documents: readonly TeleportDocument[]): Promise<void> {
  await tctl(["create"], documents.map((document) => JSON.stringify(document)).join("\n"));
  const names = documents.map(({ metadata }) => metadata.name);
  const all = async () => (await listed(names)) === names.length;
  await waitFor("Teleport lists all databases", all, { limit: LIMIT });
}

/** Removes all databases. Ends when Teleport has listed none of them for some seconds. */
export async function removeAll(names: readonly string[]): Promise<void> {
  await deleteDatabases(names);
  await untilUnlisted(() => listed(names));
}

/** Waits until `count` has been 0 for some seconds, because Teleport's lists lag behind. */
export async function untilUnlisted(count: () => Promise<number>): Promise<void> {
  const deadline = Date.now() + LIMIT * 1_000;
  let seen = Date.now();
  while (Date.now() - seen < UNSEEN) {
    if ((await count()) > 0) seen = Date.now();
    if (Date.now() > deadline) throw new Error(`Teleport still lists removed databases after ${LIMIT} s.`);
    await sleep(100);
  }
}

/**
 * Removes databases through Teleport's API, over one connection: `tctl rm` removes only one. With the certificate of an
 * identity file, the auth service answers at its own port, under a name that is the same in every Teleport cluster.
 * Databases that do not exist are no error.
 */
export async function deleteDatabases(names: readonly string[], address = TELEPORT.auth): Promise<void> {
  if (names.length === 0) return;
  const identity = readFileSync(TELEPORT.identity("registrar"), "utf8");
  const blocks = (kind: string) =>
    identity.match(new RegExp(`-----BEGIN ${kind}-----[^]+?-----END ${kind}-----`, "g")) ?? [];
  const [cert, ...ca] = blocks("CERTIFICATE"); // the user's own certificate is the first
  const key = blocks("(?:RSA |EC )?PRIVATE KEY")[0];
  const session = connect(`https://${address}`, { cert, key, ca, servername: "teleport.cluster.local" });
  try {
    await new Promise((resolve, reject) => session.once("connect", resolve).once("error", reject));
    session.on("error", () => {}); // each request fails too
    await Promise.all(names.map((name) => deleteDatabase(session, name)));
  } finally {
    session.destroy();
  }
}

/** Calls `DeleteDatabase(ResourceRequest{Name: 1})` of `proto.AuthService`, by gRPC. */
function deleteDatabase(session: ClientHttp2Session, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (why: string) => reject(new Error(`Teleport did not delete the database ${name}: ${why}`));
    const request = session.request({
      ":method": "POST",
      ":path": "/proto.AuthService/DeleteDatabase",
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: unknown;
    let message: unknown;
    const read = (headers: NodeJS.Dict<unknown>) => {
      status = headers["grpc-status"] ?? status;
      message = headers["grpc-message"] ?? message;
    };
    request.on("response", read).on("trailers", read);
    request.on("error", ({ message: why }: Error) => failed(why));
    const isGone = () => status === OK || status === NOT_FOUND;
    request.on("close", () => (isGone() ? resolve() : failed(`status ${status}, ${message}`)));
    request.resume();
    request.end(grpcMessage(name));
  });
}

/** A gRPC message with the text as field 1: https://protobuf.dev/programming-guides/encoding/ */
function grpcMessage(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 127) throw new Error(`The name ${text} is too long for a length of one byte.`);
  const message = Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
  const header = Buffer.alloc(5); // not compressed, and the length
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** PEM of the CA that signs the certificates of Teleport's agents. */
export function databaseCa(): Promise<string> {
  return tctl(["auth", "export", "--type=db"], undefined, "admin");
}
