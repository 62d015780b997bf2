/**
 * Reads the database client CA at a Teleport proxy's public endpoint `/webapi/auth/export`, without an identity. The
 * answer is as trustworthy as the TLS connection to the proxy.
 */
import { X509Certificate } from "node:crypto";
import { memoized } from "../../memoized";
import { RequestError, Answer, sendWithRetries, isTransient, readCaFile, trustedCas } from "../../http/request";
import type { DatabaseClientCa } from "./database-client-ca";
import { TeleportError } from "../client/errors";

/** The proxy to read from. */
export interface PublicEndpoint {
  /** `host:port`. */
  proxy: string;
  /**
   * Path of a PEM file with the CAs that may have signed the proxy's certificate. Default: the CAs that are trusted
   * here.
   */
  caFile?: string;
}

/**
 * CA types with the names of this endpoint, newest first. Teleport 15 split `db-client` off from `db`. After the
 * upgrade both have the same certificate; after the next rotation they differ. So the newer type must be tried first
 * every time.
 */
const CA_TYPES = [
  "db-client",
  "db", // Teleport 13 and 14
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * Values of the parameter `format`, in the order in which they are tried. JSON has all certificates of a CA. Versions
 * that do not know formats ignore the parameter and answer with PEM (as 13.3.8 does). Versions of a few weeks in 2025
 * know only zip and refuse JSON; they are asked without a format.
 */
const FORMATS = ["&format=json", ""];

/** Answers of a Teleport that has several CAs and does not return them as JSON, or not at all. */
const SEVERAL = /format=(zip|json)|expected one TLS key pair/;

/** The endpoint is rate limited, and all databases of a program need the same CA. */
const once = memoized<DatabaseClientCa>();

/**
 * Reads the CA that a proxy publishes. During a CA rotation, releases since 2026 (18 and newer) return both
 * certificates (gravitational/teleport#63058); older releases return the one in use.
 *
 * @param delays in milliseconds, before each repetition of a request that got no answer
 * @throws TeleportError "unavailable" if there is no answer, otherwise "failed" with the answer
 */
export function readPublicDatabaseClientCa(
  { proxy, caFile }: PublicEndpoint,
  environment: NodeJS.ProcessEnv = process.env,
  delays?: readonly number[],
): Promise<DatabaseClientCa> {
  return once(JSON.stringify([proxy, caFile]), () => readFrom({ proxy, caFile }, environment, delays));
}

async function readFrom(
  { proxy, caFile }: PublicEndpoint,
  environment: NodeJS.ProcessEnv,
  delays?: readonly number[],
): Promise<DatabaseClientCa> {
  try {
    const cas = caFile === undefined ? trustedCas(environment) : readCaFile("caFile", caFile);
    for (const type of CA_TYPES) {
      const answer = await answerOf((format) =>
        sendWithRetries({ url: `https://${proxy}/webapi/auth/export?type=${type}${format}`, cas }, delays),
      );
      if (answer.status === 200) return publicCa(answer.text, proxy);
      if (!isUnknownType(answer)) throw refused(proxy, answer);
    }
  } catch (error) {
    if (error instanceof RequestError) throw unanswered(proxy, error);
    throw error;
  }
  throw new TeleportError("failed", `The Teleport proxy ${proxy} knows no CA of the types ${CA_TYPES.join(" and ")}.`);
}

/** The answer in the first format that the proxy knows. For nearly every version this is one request. */
async function answerOf(ask: (format: string) => Promise<Answer>): Promise<Answer> {
  const [best = "", ...others] = FORMATS;
  let answer = await ask(best);
  for (const format of others) if (isUnknownFormat(answer)) answer = await ask(format);
  return answer;
}

function isUnknownFormat({ status, text }: Answer): boolean {
  return status === 400 && /unsupported format/.test(text);
}

/** 13.3.8 answers 400 and `"db-client" authority type is not supported`. */
function isUnknownType({ status, text }: Answer): boolean {
  return status === 400 && /authority type is not supported/.test(text);
}

/** The certificates in an answer. The check of the bundle verifies that they are CAs and valid. */
function publicCa(text: string, proxy: string): DatabaseClientCa {
  const pem = pemIn(text);
  const certificates = pem?.match(CERTIFICATE) ?? [];
  const [first] = certificates;
  if (first === undefined || pem?.replace(CERTIFICATE, "").trim() !== "") {
    // JSON is not shown: its content is encoded, so it would explain nothing.
    const summary = pem === text ? excerpt(text) : "in JSON";
    throw new TeleportError(
      "failed",
      `${proxy} answered with something other than certificates (${summary}). Check that it is the web address of a Teleport proxy.`,
    );
  }
  return { cluster: clusterOf(first, proxy), certificates: [...new Set(certificates)] };
}

/**
 * The PEM in an answer: the text itself, or a list of `{ "data": "<PEM in base64>" }`. Undefined for any other JSON.
 */
function pemIn(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    const list = JSON.parse(text) as unknown;
    if (!Array.isArray(list)) return undefined;
    const parts = list.map((part: { data?: unknown } | null) => part?.data);
    if (!parts.every((data) => typeof data === "string")) return undefined;
    return parts.map((data) => Buffer.from(data, "base64").toString("utf8")).join("\n");
  } catch {
    return undefined;
  }
}

/** The common name of Teleport's CAs is the cluster's name. */
function clusterOf(pem: string, proxy: string): string {
  try {
    return /^CN=(.+)$/m.exec(new X509Certificate(pem).subject)?.[1] ?? proxy;
  } catch (error) {
    throw new TeleportError(
      "failed",
      `${proxy} answered with a certificate that cannot be read: ${(error as Error).message}.`,
    );
  }
}

function refused(proxy: string, { status, text }: Answer): TeleportError {
  const what = `The Teleport proxy ${proxy} answered ${status} (${excerpt(text)})`;
  if (isTransient(status)) {
    const why = status === 429 ? "it limits the rate of requests" : "it cannot answer now";
    return new TeleportError("unavailable", `${what}: ${why}. Run the command again later; no progress is lost.`);
  }
  if (SEVERAL.test(text)) {
    return new TeleportError(
      "failed",
      `${what}: it has several CAs, and this version of Teleport does not return them here, or only as an archive. Upgrade Teleport, or use from: teleport, which reads them with the program's identity.`,
    );
  }
  return new TeleportError("failed", `${what}. Check that this is the web address of a Teleport proxy.`);
}

function unanswered(proxy: string, { failure, message }: RequestError): TeleportError {
  const what = `The Teleport proxy ${proxy} did not return its CA: ${message}.`;
  if (failure === "unreachable")
    return new TeleportError(
      "unavailable",
      `${what} Check that the proxy is running there, then run the command again.`,
    );
  return new TeleportError(
    "failed",
    failure === "untrusted"
      ? `${what} If your own CA signed its certificate, set SSL_CERT_FILE, or caFile of this source, to a file with that CA.`
      : what,
  );
}

/** The beginning of an answer, on one line. The answer is public, and may be a whole HTML page. */
function excerpt(text: string): string {
  return JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 120));
}
