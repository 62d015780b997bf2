/** The lab's Teleport: auth and proxy as a daemon on the lab's address, its roles and users, and their identities. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureAuthority, ensureServerCertificate, validFor } from "../certificates";
import { run, runInside } from "../host/command";
import { ensureDaemon, waitUntilServes } from "../host/daemon";
import { PKI, STATE, TELEPORT } from "../layout";
import { randomOnce, readTrimmed, writeWhole } from "../host/private-file";
import { inPodEnvironment, withServiceAccount } from "./kubernetes-join";
import { TELEPORT_DOCUMENTS, TELEPORT_USERS } from "./access";
import { teleportConfiguration } from "./configuration";
import { tool } from "../build/tools";

const appliedDocuments = join(STATE.teleport, "applied-documents");
/** Identities are valid for a week. An `up` on their last day renews them. */
const IDENTITY_HOURS = 168;

export async function ensureTeleport(): Promise<void> {
  mkdirSync(STATE.teleport, { recursive: true, mode: 0o700 });
  await ensureAuthority();
  const { key, certificate } = await ensureServerCertificate("teleport");
  const configuration = configurationText(key, certificate, randomOnce(TELEPORT.joinToken));
  writeWhole(TELEPORT.configuration, configuration);
  const command = withServiceAccount([tool("teleport"), "start", `--config=${TELEPORT.configuration}`]);
  const env = { SSL_CERT_FILE: PKI.bundle, ...inPodEnvironment };
  await ensureDaemon({ name: "teleport", command, env, configuration });
  await waitUntilServes("teleport", teleportServes, 120);
  await applyDocuments();
  await Promise.all(TELEPORT_USERS.map(ensureIdentity));
}

/** Whether the auth service answers this machine's administrator. */
export async function teleportServes(): Promise<boolean> {
  return (await tctl(["status"])).includes("Cluster");
}

/** Runs tctl as the auth server's own administrator, with its data folder. */
export function tctl(args: string[], input?: string): Promise<string> {
  const env = { SSL_CERT_FILE: PKI.bundle, HOME: STATE.teleport };
  return runInside(tool("tctl"), [`--config=${TELEPORT.configuration}`, ...args], { env, input });
}

function configurationText(key: string, certificate: string, token: string): string {
  const data = join(STATE.teleport, "data");
  const { auth, proxy } = TELEPORT;
  const tokens = [`db:${token}`];
  return teleportConfiguration({ nodename: "lab", clusterName: "lab", data, auth, proxy, key, certificate, tokens });
}

async function applyDocuments(): Promise<void> {
  const documents = TELEPORT_DOCUMENTS.map((document) => JSON.stringify(document)).join("\n");
  if (existsSync(appliedDocuments) && readTrimmed(appliedDocuments) === documents) return;
  await tctl(["create", "--force"], documents);
  writeWhole(appliedDocuments, `${documents}\n`);
}

async function ensureIdentity(user: string): Promise<void> {
  const file = TELEPORT.identity(user);
  if (validFor(file, 1)) return;
  const made = `${file}.new`;
  rmSync(made, { force: true });
  await tctl(["auth", "sign", `--user=${user}`, `--out=${made}`, `--ttl=${IDENTITY_HOURS}h`, "--overwrite"]);
  await run("chmod", ["600", made]);
  await run("mv", ["--force", made, file]);
}
