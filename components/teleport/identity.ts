/**
 * The identity with which an operation talks to Teleport. It is looked up when the operation runs,
 * at destroy as well, and never becomes an input or an output of a resource.
 *
 * Where it comes from, first match:
 *   TELEPORT_IDENTITY_FILE   path of an identity file (`tctl auth sign`, `tsh login --out`, tbot's identity output)
 *   TELEPORT_IDENTITY        the content of such a file, as CI systems hand secrets over
 *   neither                  the profile of `tsh login`, which tctl finds itself
 * For a named set of credentials, say `emea`: TELEPORT_EMEA_IDENTITY_FILE, TELEPORT_EMEA_IDENTITY.
 */
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TeleportError } from "./errors";

const HOW_TO_RENEW =
  "Get a new one, e.g. with `tctl auth sign --user=<user> --out=<file> --ttl=8h`, `tsh login --out=<file>` or tbot";

/** An identity that is ready to be used. */
export interface Identity {
  /** Path of the identity file; undefined where tctl uses the profile of `tsh login`. */
  file?: string;
  /** The Teleport cluster that signed it, where it can be told. */
  cluster?: string;
  /** Removes what was written for this operation. Call it when the operation ends, however it ends. */
  release(): void;
}

/** The environment variables that name a set of credentials; the unnamed set is the default. */
export function identityVariables(credentials?: string): { file: string; content: string } {
  const infix = credentials ? `${credentials.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_` : "";
  return { file: `TELEPORT_${infix}IDENTITY_FILE`, content: `TELEPORT_${infix}IDENTITY` };
}

/**
 * Finds the identity and checks that it can still be used.
 *
 * @throws TeleportError "identity" if the file cannot be read, is no identity, or has expired
 */
export function resolveIdentity(
  credentials?: string,
  environment: NodeJS.ProcessEnv = process.env,
  now: Date = new Date(),
): Identity {
  const variables = identityVariables(credentials);
  const file = environment[variables.file];
  if (file) {
    return {
      file,
      cluster: checkIdentity(readIdentity(file, variables.file), `${variables.file}=${file}`, now),
      release() {},
    };
  }
  const content = environment[variables.content];
  if (content) {
    const cluster = checkIdentity(content, variables.content, now);
    return { cluster, ...writeTemporarily(content) };
  }
  if (credentials) {
    throw new TeleportError(
      "identity",
      `There is no Teleport identity for the credentials "${credentials}": neither ${variables.file} nor ${variables.content} is set. Set one of them.`,
    );
  }
  return { release() {} };
}

function readIdentity(file: string, variable: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new TeleportError(
      "identity",
      `The Teleport identity file cannot be read: ${(error as Error).message}. Set ${variable} to an identity file. ${HOW_TO_RENEW}.`,
    );
  }
}

/** Checks the user's certificate (the first in the file; those of the CAs follow) and returns the cluster that signed it. */
function checkIdentity(content: string, source: string, now: Date): string | undefined {
  const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(content)?.[0];
  if (!pem || !content.includes("PRIVATE KEY-----")) {
    throw new TeleportError(
      "identity",
      `${source} is no Teleport identity: it lacks a private key or a certificate. ${HOW_TO_RENEW}.`,
    );
  }
  const certificate = new X509Certificate(pem);
  if (new Date(certificate.validTo) <= now) {
    const expired = new Date(certificate.validTo).toISOString();
    throw new TeleportError(
      "identity",
      `The Teleport identity ${source} expired at ${expired}. ${HOW_TO_RENEW}, and run the command again.`,
    );
  }
  return /^CN=(.+)$/m.exec(certificate.issuer)?.[1];
}

/** tctl reads identities from files only: one of our own, for this operation, readable by this user alone. */
function writeTemporarily(content: string): { file: string; release(): void } {
  const folder = mkdtempSync(join(tmpdir(), "teleport-identity-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const file = join(folder, "identity");
  writeFileSync(file, content.endsWith("\n") ? content : `${content}\n`, { mode: 0o600 });
  chmodSync(folder, 0o700);
  return {
    file,
    release() {
      process.removeListener("exit", remove);
      remove();
    },
  };
}
