/**
 * The database client CA as a Teleport proxy shows it to anybody, without an identity: `/webapi/auth/export`. What it
 * says is as good as the TLS connection to it.
 */
import { X509Certificate } from "node:crypto";
import { memoized } from "../../memoized";
import { RequestError } from "../../http/errors";
import { Answer, answerTo, isPassing } from "../../http/request";
import { casOfFile, trustedCas } from "../../http/trusted-cas";
import type { DatabaseClientCa } from "./select";
import { TeleportError } from "../client/errors";

/** Which proxy. */
export interface PublicEndpoint {
  /** `host:port`. */
  proxy: string;
  /** Path of PEM with the CAs that the proxy's certificate may be signed by. Default: those that are trusted here. */
  caFile?: string;
}

/**
 * CA types as this endpoint spells them, newest first. Teleport 15 split `db-client` off from `db`; on upgrade both are
 * the same, and differ after the next rotation: so the newer one has to be asked for first, every time.
 */
const CA_TYPES = [
  "db-client",
  "db", // Teleport 13 and 14
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * How the endpoint is asked, first to last. JSON has all certificates of a CA; versions that do not know formats leave it
 * out of account and answer with PEM (as 13.3.8 does), and those of a few weeks of 2025 know zip alone and refuse it:
 * they are asked as older ones are.
 */
const FORMATS = ["&format=json", ""];

/** Answers of a Teleport that has several CAs and does not show them as JSON, or not at all. */
const SEVERAL = /format=(zip|json)|expected one TLS key pair/;

/** The endpoint is rate limited, and all databases of a program ask the same. */
const once = memoized<DatabaseClientCa>();

/**
 * Reads the CA that a proxy shows. While a CA rotation is under way, releases since 2026 (18 and newer) show both of its
 * certificates (gravitational/teleport#63058), and older ones that in use.
 *
 * @param delays in milliseconds, before each repetition of a request that was not answered
 * @throws TeleportError "unavailable" if there is no answer, else "failed" saying what came
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
    const cas = caFile === undefined ? trustedCas(environment) : casOfFile("caFile", caFile);
    for (const type of CA_TYPES) {
      const answer = await answerOf((format) =>
        answerTo({ url: `https://${proxy}/webapi/auth/export?type=${type}${format}`, cas }, delays),
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

/** The answer in the first format that the proxy knows: one request, for nearly every version. */
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

/** The certificates in an answer. That they are CAs and valid is checked with all others of the bundle. */
function publicCa(text: string, proxy: string): DatabaseClientCa {
  const pem = pemIn(text);
  const certificates = pem?.match(CERTIFICATE) ?? [];
  const [first] = certificates;
  if (first === undefined || pem?.replace(CERTIFICATE, "").trim() !== "") {
    // Of JSON nothing is shown: it is encoded, so nobody could tell what it is.
    const told = pem === text ? shown(text) : "in JSON";
    throw new TeleportError(
      "failed",
      `${proxy} answered with something other than certificates (${told}). Check that it is the web address of a Teleport proxy.`,
    );
  }
  return { cluster: clusterOf(first, proxy), certificates: [...new Set(certificates)] };
}

/** PEM, or a list of `{ "data": "<PEM in base64>" }`; undefined for any other JSON. */
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

/** Teleport's CAs carry the cluster's name as their common name. */
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
  const told = `The Teleport proxy ${proxy} answered ${status} (${shown(text)})`;
  if (isPassing(status)) {
    const why = status === 429 ? "it limits how often it may be asked" : "it cannot answer now";
    return new TeleportError("unavailable", `${told}: ${why}. Run the command again later: nothing was forgotten.`);
  }
  if (SEVERAL.test(text)) {
    return new TeleportError(
      "failed",
      `${told}: it has several CAs at once, and this version of Teleport does not show them, or shows them only as an archive. Upgrade Teleport, or use from: teleport, which reads them with the program's identity.`,
    );
  }
  return new TeleportError("failed", `${told}. Check that this is the web address of a Teleport proxy.`);
}

function unanswered(proxy: string, { failure, message }: RequestError): TeleportError {
  const what = `The Teleport proxy ${proxy} could not be asked for its CA: ${message}.`;
  if (failure === "unreachable")
    return new TeleportError("unavailable", `${what} Check that it answers there, then run the command again.`);
  return new TeleportError(
    "failed",
    failure === "untrusted"
      ? `${what} If a CA of your own signed its certificate, name it in SSL_CERT_FILE, or in caFile of this source.`
      : what,
  );
}

/** The beginning of an answer, on one line. It is public, and may be a whole page of HTML. */
function shown(text: string): string {
  return JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 120));
}
