/**
 * Requests over HTTP with limits of time and size, with CAs of the caller's choice (which Node's `fetch` does not
 * take), and repeated a bounded number of times while the server is overloaded or away. Redirects are not followed:
 * some requests carry a secret, which belongs to the host that was named and no other.
 */
import { IncomingHttpHeaders, request as httpRequest } from "node:http";
import { request as httpsRequest, RequestOptions } from "node:https";
import { connect as connectTls } from "node:tls";
import { pause, retried } from "../waiting";
import { RequestError } from "./errors";
import { Proxy, proxyFor, shownProxy } from "./proxy";
import { isSocks, proxyAuthorization, serverName, socksAgent, tunnel } from "./tunnel";

/** One request. */
export interface Request {
  url: string;
  /** Default: GET. */
  method?: "GET" | "POST" | "DELETE";
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** PEM of the CAs that the server's certificate may be signed by. */
  cas: readonly string[];
  /** Milliseconds that an answer may take, whole. Default: 20 s. */
  limit?: number;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are. Default: the process's environment. */
  environment?: NodeJS.ProcessEnv;
}

/** What the server answered, with success or not. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

const LIMIT_MS = 20_000;
/** Far more than any answer that we ask for: a bundle of CAs has some kB. */
const LARGEST_BYTES = 1024 * 1024;
/** The longest pause that a server is granted by its Retry-After. */
const LONGEST_PAUSE_MS = 30_000;

/**
 * Sends a request, again while it fails for a reason that passes. Resolves to the last answer, whatever its status.
 *
 * @param delays in milliseconds, before each repetition; the default is that of all our retries
 * @throws RequestError if there was no answer
 */
export async function answerTo(request: Request, delays?: readonly number[]): Promise<Answer> {
  let asked = 0;
  try {
    return await retried(
      async () => {
        await pause(asked);
        const answer = await send(request);
        if (!isPassing(answer.status)) return answer;
        asked = retryAfter(answer.headers["retry-after"]);
        throw new Overloaded(answer);
      },
      (error) => error instanceof Overloaded || (error instanceof RequestError && error.failure === "unreachable"),
      delays,
    );
  } catch (error) {
    if (error instanceof Overloaded) return error.answer;
    throw error;
  }
}

/** An answer that may be another one in a moment. */
class Overloaded extends Error {
  constructor(readonly answer: Answer) {
    super(`HTTP status ${answer.status}`);
  }
}

/** Whether the same request may succeed in a moment. 501 says that it never will. */
export function isPassing(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

/** Milliseconds that a Retry-After asks for, in seconds or as a date; 0 if it asks for nothing. */
export function retryAfter(header: string | undefined, now: Date = new Date()): number {
  if (!header) return 0;
  const delay = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now.getTime();
  return Math.min(Math.max(delay || 0, 0), LONGEST_PAUSE_MS);
}

async function send(request: Request): Promise<Answer> {
  const { url, cas, limit = LIMIT_MS, environment } = request;
  const proxy = proxyFor(url, environment);
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), limit);
  try {
    return await exchange(request, await route(url, cas, proxy, ended.signal), ended.signal);
  } catch (error) {
    if (ended.signal.aborted) throw new RequestError("unreachable", `no answer within ${limit / 1_000} s${by(proxy)}`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const by = (proxy: Proxy | undefined) => (proxy === undefined ? "" : ` through the proxy of ${shownProxy(proxy)}`);

/** How a request gets to its server: directly, or by what a variable names. */
async function route(
  url: string,
  cas: readonly string[],
  proxy: Proxy | undefined,
  signal: AbortSignal,
): Promise<RequestOptions> {
  const { protocol, host, hostname, port } = new URL(url);
  // No connection is kept: a process for dynamic providers is to end when its work is done.
  const direct: RequestOptions = { ca: [...cas], agent: false };
  if (proxy === undefined) return direct;
  if (isSocks(proxy)) return { ...direct, agent: socksAgent(proxy) };
  if (!/^https?:$/.test(proxy.url.protocol)) {
    throw new RequestError(
      "configuration",
      `${shownProxy(proxy)} is not an HTTP, HTTPS or SOCKS proxy; correct or unset this variable`,
    );
  }
  if (protocol === "http:") {
    const { url: at } = proxy;
    return {
      agent: false,
      hostname: at.hostname.replace(/^\[|\]$/g, ""),
      port: at.port || (at.protocol === "https:" ? 443 : 80),
      path: url,
      headers: { host, ...proxyAuthorization(at) },
    };
  }
  const socket = await tunnel(proxy, `${hostname}:${port || 443}`, cas, signal);
  const servername = serverName(hostname);
  return {
    // No agent at all: one would open connections of its own.
    createConnection: () => connectTls({ socket, ca: [...cas], host: hostname, ...(servername ? { servername } : {}) }),
  };
}

function exchange(
  { url, method = "GET", headers, body }: Request,
  { headers: further, ...options }: RequestOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const content = body === undefined ? undefined : JSON.stringify(body);
  const { protocol, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const fail = (failure: RequestError["failure"], why: string) => {
      call.destroy();
      reject(new RequestError(failure, why));
    };
    const all = {
      ...options,
      method,
      headers: { ...headers, ...further, ...(content === undefined ? {} : { "content-type": "application/json" }) },
      signal,
    } as RequestOptions;
    const call = protocol === "https:" ? httpsRequest(url, all) : httpRequest(url, all);
    call.on("error", (error: NodeJS.ErrnoException) => fail(failureOf(error), reasonOf(error, host)));
    call.on("response", (response) => {
      let [text, bytes] = ["", 0];
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        bytes += Buffer.byteLength(part);
        if (bytes > LARGEST_BYTES) fail("too-large", `the answer is larger than ${LARGEST_BYTES / 1024} KiB`);
      });
      response.on("error", (error) => fail("unreachable", error.message));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    call.end(content);
  });
}

/** The codes of OpenSSL's verification and of Node's check of the name; see tls.TLSSocket.authorizationError. */
const UNTRUSTED = /CERT|SELF_SIGNED|ISSUER|LEAF_SIGNATURE|ALTNAME|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH/;

function failureOf({ code = "" }: NodeJS.ErrnoException): RequestError["failure"] {
  return UNTRUSTED.test(code) ? "untrusted" : "unreachable";
}

/** Connections to several addresses of one name fail with an AggregateError, whose own message is empty. */
function reasonOf(error: NodeJS.ErrnoException, host: string): string {
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  return first.message || `${error.code ?? "the connection failed"} (${host})`;
}
