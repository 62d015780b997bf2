/**
 * The database client CA as a Teleport proxy shows it to anybody, without an identity: `/webapi/auth/export`. What it
 * says is as good as the TLS connection to it.
 */
import { X509Certificate } from "node:crypto";
import { askedOnce } from "../http/asked-once";
import { RequestError } from "../http/errors";
import { Answer, answerTo, isPassing } from "../http/request";
import { casOfFile, trustedCas } from "../http/trusted-cas";
import type { DatabaseClientCa } from "./cert-authorities";
import { TeleportError } from "./errors";

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
const CA_TYPES = ["db-client", "db"];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The endpoint is rate limited, and all databases of a program ask the same. */
const once = askedOnce<DatabaseClientCa>();

/**
 * Reads the CA that a proxy shows. While a CA rotation is under way this is one certificate of two: the one in use.
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
      const answer = await answerTo({ url: `https://${proxy}/webapi/auth/export?type=${type}`, cas }, delays);
      if (answer.status === 200) return publicCa(answer.text, proxy);
      if (!isUnknownType(answer)) throw refused(proxy, answer);
    }
  } catch (error) {
    if (error instanceof RequestError) throw unanswered(proxy, error);
    throw error;
  }
  throw new TeleportError("failed", `The Teleport proxy ${proxy} knows no CA of the types ${CA_TYPES.join(" and ")}.`);
}

/** 13.3.8 answers 400 and `"db-client" authority type is not supported`. */
function isUnknownType({ status, text }: Answer): boolean {
  return status === 400 && /authority type is not supported/.test(text);
}

/** The certificates in an answer. That they are CAs and valid is checked with all others of the bundle. */
function publicCa(text: string, proxy: string): DatabaseClientCa {
  const certificates = text.match(CERTIFICATE) ?? [];
  const [first] = certificates;
  if (first === undefined || text.replace(CERTIFICATE, "").trim() !== "") {
    throw new TeleportError(
      "failed",
      `${proxy} answered with something else than certificates (${shown(text)}). Check that it is the web address of a Teleport proxy.`,
    );
  }
  return { cluster: clusterOf(first, proxy), certificates };
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
  if (/format=(zip|json)/.test(text)) {
    return new TeleportError(
      "failed",
      `${told}: it has several CAs at once. Read them with the program's identity (from: teleport).`,
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
