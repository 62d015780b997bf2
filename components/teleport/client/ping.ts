/** What a Teleport proxy tells anybody of itself, without an identity: `/webapi/ping`, for which it asks the auth service. */
import { RequestError } from "../../http/errors";
import { answerTo, isPassing } from "../../http/request";
import { trustedCas } from "../../http/trusted-cas";

/** How a proxy answers. */
export type ProxyPing =
  | {
      answers: "yes";
      /** The Teleport cluster's name. */
      cluster?: string;
      /** Its version, e.g. `13.3.8`. */
      version?: string;
      /** The oldest version of tctl that it takes, e.g. `12.0.0`. */
      oldestClient?: string;
    }
  /** Nobody does, it is overloaded, or it is no Teleport. `why`: without a full stop. */
  | { answers: "no"; why: string }
  /** Its certificate is not trusted here. */
  | { answers: "untrusted"; why: string };

const LIMIT_MS = 10_000;

/** Asks once. */
export async function pingProxy(proxy: string, environment: NodeJS.ProcessEnv = process.env): Promise<ProxyPing> {
  try {
    const url = `https://${proxy}/webapi/ping`;
    const { status, text } = await answerTo({ url, cas: trustedCas(environment), limit: LIMIT_MS }, []);
    return readPing(status, text);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { answers: error.failure === "untrusted" ? "untrusted" : "no", why: error.message };
  }
}

/** Reads an answer. */
export function readPing(status: number, text: string): ProxyPing {
  if (status === 429) return { answers: "no", why: "it answers 429: it limits how often it may be asked" };
  if (isPassing(status)) return { answers: "no", why: `it answers ${status}: it cannot serve now` };
  const told = status === 200 ? parsed(text) : undefined;
  if (!told || !("server_version" in told))
    return { answers: "no", why: `what answers there (${status}) is no Teleport proxy` };
  const { cluster_name, server_version, min_client_version } = told;
  return {
    answers: "yes",
    ...(isText(cluster_name) ? { cluster: cluster_name } : {}),
    ...(isText(server_version) ? { version: server_version } : {}),
    ...(isText(min_client_version) ? { oldestClient: min_client_version } : {}),
  };
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
