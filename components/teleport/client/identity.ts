/**
 * The identity that an operation uses with Teleport. It is read when the operation runs, also at destroy, and never
 * becomes an input or an output of a resource.
 *
 * The first of these variables that is set:
 *   TELEPORT_IDENTITY_FILE    path of an identity file (`tctl auth sign`, `tsh login --out`), or of a folder to which
 *                             tbot writes it (an output of type identity)
 *   TELEPORT_IDENTITY         the content of such a file, e.g. as a secret variable of a CI system
 *   TELEPORT_IDENTITY_VAULT   `<path>[#<key>]` of the content in Vault's key-value secrets engine, version 1 or 2. Default
 *                             of the key: `identity`. For Vault's address and credentials see vault/client.ts, login.ts
 *   none                      the profile of `tsh login`, which tctl finds itself
 * For a named set of credentials, e.g. `emea`: TELEPORT_EMEA_IDENTITY_FILE, TELEPORT_EMEA_IDENTITY,
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
  "Get a new identity, e.g. with tbot, `tctl auth sign --user=<user> --out=<file> --ttl=8h` or `tsh login --out=<file>`";

/** Name of the file that tbot writes into the folder of an output of type identity, and the default key in Vault. */
const IDENTITY = "identity";

/** An identity that can be used. */
export interface Identity {
  /** Path of the identity file. Undefined if tctl uses the profile of `tsh login`. */
  file?: string;
  /** Source of the identity, e.g. `TELEPORT_IDENTITY_FILE=/run/identity`. Undefined for the profile of `tsh login`. */
  source?: string;
  /** Name of the Teleport cluster that signed the identity, if it is known. */
  cluster?: string;
  /** Name of the identity's user. */
  user?: string;
  expires?: Date;
  /** Reads the file again: it may have been renewed or damaged. Throws TeleportError if it is damaged. */
  reread?(): IdentityFacts;
  /** Removes the temporary file of this operation. Call it when the operation ends, also after an error. */
  release(): void;
}

/** What the certificate of an identity shows. */
export type IdentityFacts = Pick<Identity, "source" | "cluster" | "user" | "expires">;

/** The environment variables of a set of credentials. The unnamed set is the default. */
export function identityVariables(credentials?: string): { file: string; content: string; vault: string } {
  const infix = credentials ? `${credentials.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_` : "";
  const content = `TELEPORT_${infix}IDENTITY`;
  return { file: `${content}_FILE`, content, vault: `${content}_VAULT` };
}

/**
 * Finds the identity and checks that it can be used.
 *
 * @param delays in milliseconds, before each repetition of a request that Vault did not answer
 * @throws TeleportError "identity" if it cannot be read, is not an identity, or has expired; "unavailable" if Vault
 * is unavailable
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
    const stored = await readFromVault(path, source, environment, delays);
    return { ...checkIdentity(stored, source, now), ...writeTemporarily(stored) };
  }
  if (credentials) {
    throw new TeleportError(
      "identity",
      `There is no Teleport identity for the credentials "${credentials}": none of ${variables.file}, ${variables.content} and ${variables.vault} is set. Set one of them.`,
    );
  }
  return { release() {} };
}

/** All resources of a run need the same identity, and each read may need a login by AppRole. */
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
      `${source} is not a valid path of a secret in Vault. Write <mount>/<path>, or <mount>/<path>#<key>, e.g. secret/teleport/registrar#${IDENTITY}.`,
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

/** Reads the user's certificate, which is the first in the file, before those of the CAs. */
function factsOf(content: string, source: string): IdentityFacts & { expires: Date } {
  const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(content)?.[0];
  if (!pem || !content.includes("PRIVATE KEY-----")) {
    throw new TeleportError(
      "identity",
      `${source} is not a valid Teleport identity: it has no private key or no certificate. ${HOW_TO_RENEW}.`,
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
      `The Teleport identity ${source} expired at ${facts.expires.toISOString()}. ${HOW_TO_RENEW}, then run the command again.`,
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
      `${source} is not a valid Teleport identity: its certificate cannot be parsed, so the file may be damaged. ${HOW_TO_RENEW}.`,
    );
  }
}

/**
 * tctl reads identities only from files, so this writes a temporary file for this operation that only this user can
 * read. On systems that show open files in /proc, the file is unlinked at once, so nothing remains however this
 * process ends.
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
