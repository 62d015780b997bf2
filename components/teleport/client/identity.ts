/**
 * The identity with which an operation talks to Teleport. It is looked up when the operation runs,
 * at destroy as well, and never becomes an input or an output of a resource.
 *
 * Where it comes from, first match:
 *   TELEPORT_IDENTITY_FILE    path of an identity file (`tctl auth sign`, `tsh login --out`), or of a folder that tbot
 *                             writes it to (its output of type identity)
 *   TELEPORT_IDENTITY         the content of such a file, as CI systems hand secrets over
 *   TELEPORT_IDENTITY_VAULT   `<path>[#<key>]` of Vault's key-value secrets engine, version 1 or 2, where the content
 *                             lies; key: `identity`. Vault's address and credentials: see vault/client.ts, login.ts
 *   none                      the profile of `tsh login`, which tctl finds itself
 * For a named set of credentials, say `emea`: TELEPORT_EMEA_IDENTITY_FILE, TELEPORT_EMEA_IDENTITY,
 * TELEPORT_EMEA_IDENTITY_VAULT.
 */
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoized } from "../../memoized";
import { VaultError } from "../../vault/errors";
import { parseKeyValuePath, readKeyValue } from "../../vault/key-value";
import { TeleportError } from "./errors";

const HOW_TO_RENEW =
  "Get a new one, e.g. with tbot, `tctl auth sign --user=<user> --out=<file> --ttl=8h` or `tsh login --out=<file>`";

/** The file that tbot writes into the folder of an output of type identity, and the key where Vault is asked for none. */
const IDENTITY = "identity";

/** An identity that is ready to be used. */
export interface Identity {
  /** Path of the identity file; undefined where tctl uses the profile of `tsh login`. */
  file?: string;
  /** What it was read from, e.g. `TELEPORT_IDENTITY_FILE=/run/identity`; undefined for the profile of `tsh login`. */
  source?: string;
  /** The Teleport cluster that signed it, where it can be told. */
  cluster?: string;
  /** Its user. */
  user?: string;
  expires?: Date;
  /** Looks at its file again: somebody may have renewed it, or have damaged it, since. Throws TeleportError then. */
  reread?(): IdentityFacts;
  /** Removes what was written for this operation. Call it when the operation ends, however it ends. */
  release(): void;
}

/** What an identity says of itself. */
export type IdentityFacts = Pick<Identity, "source" | "cluster" | "user" | "expires">;

/** The environment variables that name a set of credentials; the unnamed set is the default. */
export function identityVariables(credentials?: string): { file: string; content: string; vault: string } {
  const infix = credentials ? `${credentials.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_` : "";
  const content = `TELEPORT_${infix}IDENTITY`;
  return { file: `${content}_FILE`, content, vault: `${content}_VAULT` };
}

/**
 * Finds the identity and checks that it can still be used.
 *
 * @param delays in milliseconds, before each repetition of a request that Vault did not answer
 * @throws TeleportError "identity" if it cannot be read, is no identity, or has expired; "unavailable" if Vault is
 */
export async function resolveIdentity(
  credentials?: string,
  environment: NodeJS.ProcessEnv = process.env,
  now: Date = new Date(),
  delays?: readonly number[],
): Promise<Identity> {
  const variables = identityVariables(credentials);
  const named = environment[variables.file];
  if (named) {
    const { file, content } = readIdentity(named, variables.file);
    const source = `${variables.file}=${file}`;
    const reread = () => factsOf(readIdentity(named, variables.file).content, source);
    return { file, ...checkIdentity(content, source, now), reread, release() {} };
  }
  const content = environment[variables.content];
  if (content) {
    return { ...checkIdentity(content, variables.content, now), ...writeTemporarily(content) };
  }
  const path = environment[variables.vault];
  if (path) {
    const source = `${variables.vault}=${path}`;
    const kept = await readFromVault(path, source, environment, delays);
    return { ...checkIdentity(kept, source, now), ...writeTemporarily(kept) };
  }
  if (credentials) {
    throw new TeleportError(
      "identity",
      `There is no Teleport identity for the credentials "${credentials}": none of ${variables.file}, ${variables.content} and ${variables.vault} is set. Set one of them.`,
    );
  }
  return { release() {} };
}

/** Every resource of a run asks for the same, a login by AppRole and a read each time. */
const once = memoized<string>();

async function readFromVault(
  path: string,
  source: string,
  environment: NodeJS.ProcessEnv,
  delays?: readonly number[],
): Promise<string> {
  const place = parseKeyValuePath(path, IDENTITY);
  if (!place) {
    throw new TeleportError(
      "identity",
      `${source} is no path of a secret in Vault. Write <mount>/<path>, or <mount>/<path>#<key>, e.g. secret/teleport/registrar#${IDENTITY}.`,
    );
  }
  const { VAULT_ADDR, VAULT_NAMESPACE, VAULT_TOKEN, VAULT_ROLE_ID } = environment;
  const question = JSON.stringify([VAULT_ADDR, VAULT_NAMESPACE, VAULT_TOKEN, VAULT_ROLE_ID, place]);
  try {
    return await once(question, () => readKeyValue(place, environment, delays));
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    const passes = error.failure === "unavailable" || error.failure === "sealed";
    throw new TeleportError(
      passes ? "unavailable" : "identity",
      `The Teleport identity ${source} cannot be read: ${error.message}`,
    );
  }
}

function readIdentity(named: string, variable: string): { file: string; content: string } {
  let file = named;
  try {
    if (statSync(named).isDirectory()) file = join(named, IDENTITY);
    return { file, content: readFileSync(file, "utf8") };
  } catch (error) {
    const isFolder = file !== named;
    throw new TeleportError(
      "identity",
      `The Teleport identity file cannot be read: ${(error as Error).message}. Set ${variable} to an identity file${isFolder ? ", or to the folder of a tbot output of type identity" : ""}. ${HOW_TO_RENEW}.`,
    );
  }
}

/** Reads the user's certificate, which is the first in the file; those of the CAs follow. */
function factsOf(content: string, source: string): IdentityFacts & { expires: Date } {
  const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(content)?.[0];
  if (!pem || !content.includes("PRIVATE KEY-----")) {
    throw new TeleportError(
      "identity",
      `${source} is no Teleport identity: it lacks a private key or a certificate. ${HOW_TO_RENEW}.`,
    );
  }
  const certificate = readCertificate(pem, source);
  const name = (of: string) => /^CN=(.+)$/m.exec(of)?.[1];
  return {
    source,
    expires: new Date(certificate.validTo),
    cluster: name(certificate.issuer),
    user: name(certificate.subject),
  };
}

function checkIdentity(content: string, source: string, now: Date): IdentityFacts {
  const facts = factsOf(content, source);
  if (facts.expires <= now) {
    throw new TeleportError(
      "identity",
      `The Teleport identity ${source} expired at ${facts.expires.toISOString()}. ${HOW_TO_RENEW}, and run the command again.`,
    );
  }
  return facts;
}

function readCertificate(pem: string, source: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new TeleportError(
      "identity",
      `${source} is no Teleport identity: its certificate cannot be read, as if the file were damaged. ${HOW_TO_RENEW}.`,
    );
  }
}

/**
 * tctl reads identities from files only: one of our own, for this operation, readable by this user alone. Where the
 * system shows open files in /proc, it loses its name at once, so that nothing is left however this process ends.
 */
function writeTemporarily(content: string): { file: string; release(): void } {
  const folder = mkdtempSync(join(tmpdir(), "teleport-identity-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const named = join(folder, "identity");
  writeFileSync(named, content.endsWith("\n") ? content : `${content}\n`, { mode: 0o600 });
  chmodSync(folder, 0o700);
  const descriptor = openSync(named, "r");
  const unnamed = `/proc/${process.pid}/fd/${descriptor}`;
  const hasProc = existsSync(unnamed);
  if (hasProc) remove();
  return {
    file: hasProc ? unnamed : named,
    release() {
      process.removeListener("exit", remove);
      closeSync(descriptor);
      remove();
    },
  };
}
