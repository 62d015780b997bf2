/**
 * The public information of a Teleport proxy, without an identity: `/webapi/ping`, for which the proxy asks the auth
 * service.
 */
import { RequestError, sendWithRetries, isTransient, trustedCas } from "../../http/request";

/** The proxy's answer. */
export type ProxyPing =
  | {
      answers: "yes";
      /** Name of the Teleport cluster. */
      cluster?: string;
      /** Version of the cluster, e.g. `13.3.8`. */
      version?: string;
      /** The oldest version of tctl that the cluster accepts, e.g. `12.0.0`. */
      oldestClient?: string;
    }
  /** No server answers, it is overloaded, or it is not a Teleport proxy. `why` has no full stop. */
  | { answers: "no"; why: string }
  /** The proxy's certificate is not trusted here. */
  | { answers: "untrusted"; why: string };

const LIMIT_MS = 10_000;

/** Sends one request, without repetition. */
export async function pingProxy(proxy: string, environment: NodeJS.ProcessEnv = process.env): Promise<ProxyPing> {
  try {
    const url = `https://${proxy}/webapi/ping`;
    const { status, text } = await sendWithRetries({ url, cas: trustedCas(environment), limit: LIMIT_MS }, []);
    return readPing(status, text);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { answers: error.failure === "untrusted" ? "untrusted" : "no", why: error.message };
  }
}

/** Parses an answer. */
export function readPing(status: number, text: string): ProxyPing {
  if (status === 429) return { answers: "no", why: "it answers 429: it limits the rate of requests" };
  if (isTransient(status)) return { answers: "no", why: `it answers ${status}: it is not available now` };
  const ping = status === 200 ? parsed(text) : undefined;
  if (!ping || !("server_version" in ping))
    return { answers: "no", why: `the server there is not a Teleport proxy, it answers ${status}` };
  const { cluster_name, server_version, min_client_version } = ping;
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
