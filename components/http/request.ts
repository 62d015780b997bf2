/**
 * Requests over HTTP with limits on time and size, also through a proxy, and with CAs that the caller chooses (Node's
 * `fetch` takes none). A request is repeated a bounded number of times while the server is overloaded or unreachable.
 * Redirects are not followed: some requests carry a secret, which must reach only the host that was named.
 */
import { IncomingHttpHeaders, request as httpRequest } from "node:http";
import { request as httpsRequest, RequestOptions } from "node:https";
import { connect as connectTls, rootCertificates } from "node:tls";
import { pause, retried } from "../waiting";
import { Proxy, proxyFor, describeProxy } from "./proxy";
import { isIP, Socket } from "node:net";
import { SocksProxyAgent } from "socks-proxy-agent";
import { readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** One request. */
export interface Request {
  url: string;
  /** Default: GET. */
  method?: "GET" | "POST" | "DELETE";
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** CAs, in PEM, that may have signed the server's certificate. */
  cas: readonly string[];
  /** Milliseconds that an answer may take, a whole number. Default: 20 s. */
  limit?: number;
  /** The environment with HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Default: that of the process. */
  environment?: NodeJS.ProcessEnv;
}

/** The server's answer, whatever its status. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

const LIMIT_MS = 20_000;
/** Far more than any expected answer: a bundle of CAs has a few kB. */
const LARGEST_BYTES = 1024 * 1024;
/** The longest pause that a Retry-After header can cause. */
const LONGEST_PAUSE_MS = 30_000;

/**
 * Sends a request, and repeats it while the failure is temporary. Resolves to the last answer, whatever its status.
 *
 * @param delays in milliseconds, before each repetition; the default is that of all retries
 * @throws RequestError if there was no answer
 */
export async function sendWithRetries(request: Request, delays?: readonly number[]): Promise<Answer> {
  let requestedPause = 0;
  try {
    return await retried(
      async () => {
        await pause(requestedPause);
        const answer = await send(request);
        if (!isTransient(answer.status)) return answer;
        requestedPause = retryAfter(answer.headers["retry-after"]);
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

/** The server is overloaded: a repetition may get another answer. */
class Overloaded extends Error {
  constructor(readonly answer: Answer) {
    super(`HTTP status ${answer.status}`);
  }
}

/** Whether the same request may succeed later. 501 means that it never will. */
export function isTransient(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

/** The pause of a Retry-After header, in milliseconds. The header gives seconds or a date. 0 if it gives neither. */
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

const by = (proxy: Proxy | undefined) => (proxy === undefined ? "" : ` through the proxy of ${describeProxy(proxy)}`);

/** How a request reaches its server: directly, or through the proxy that a variable names. */
async function route(
  url: string,
  cas: readonly string[],
  proxy: Proxy | undefined,
  signal: AbortSignal,
): Promise<RequestOptions> {
  const { protocol, host, hostname, port } = new URL(url);
  // No connection is kept: the process for dynamic providers must be able to exit when its work is done.
  const direct: RequestOptions = { ca: [...cas], agent: false };
  if (proxy === undefined) return direct;
  if (isSocks(proxy)) return { ...direct, agent: socksAgent(proxy) };
  if (!/^https?:$/.test(proxy.url.protocol)) {
    throw new RequestError(
      "configuration",
      `${describeProxy(proxy)} must be the URL of an HTTP, HTTPS or SOCKS proxy; correct or unset this variable`,
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
    // No agent: it would open connections of its own.
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

/** Error codes of OpenSSL's verification and of Node's check of the host name; see tls.TLSSocket.authorizationError. */
const UNTRUSTED = /CERT|SELF_SIGNED|ISSUER|LEAF_SIGNATURE|ALTNAME|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH/;

function failureOf({ code = "" }: NodeJS.ErrnoException): RequestError["failure"] {
  return UNTRUSTED.test(code) ? "untrusted" : "unreachable";
}

/** If a name has several addresses and no connection succeeds, Node throws an AggregateError with an empty message. */
function reasonOf(error: NodeJS.ErrnoException, host: string): string {
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  return first.message || `${error.code ?? "the connection failed"} (${host})`;
}

/** Opens a connection to `host:port` through a proxy, by CONNECT, for one request. @throws RequestError if the proxy does not open it */
function tunnel(proxy: Proxy, target: string, cas: readonly string[], signal: AbortSignal): Promise<Socket> {
  const { url } = proxy;
  const options = {
    method: "CONNECT",
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (url.protocol === "https:" ? 443 : 80),
    path: target,
    headers: { host: target, ...proxyAuthorization(url) },
    agent: false,
    signal,
  };
  const failed = (why: string) => new RequestError("unreachable", `the proxy of ${describeProxy(proxy)} ${why}`);
  return new Promise((resolve, reject) => {
    const call = url.protocol === "https:" ? httpsRequest({ ...options, ca: [...cas] }) : httpRequest(options);
    call.on("error", (error: NodeJS.ErrnoException) =>
      reject(failed(`cannot be reached: ${error.message || (error.code ?? "the connection failed")}`)),
    );
    call.on("connect", ({ statusCode, statusMessage }, socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(failed(`does not connect to ${target}: it answers ${statusCode} ${statusMessage}`));
    });
    // A normal response instead of a tunnel.
    call.on("response", ({ statusCode }) => {
      call.destroy();
      reject(failed(`does not connect to ${target}: it answers ${statusCode}`));
    });
    call.end();
  });
}

/** User and password of a proxy's URL, as a header. */
function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** An agent for a SOCKS proxy. */
function socksAgent({ url }: Proxy): SocksProxyAgent {
  return new SocksProxyAgent(url);
}

function isSocks({ url }: Proxy): boolean {
  return /^socks[45]?[ah]?:$/.test(url.protocol);
}

/** The server name for TLS; undefined for an IP address. */
function serverName(host: string): string | undefined {
  return isIP(host) === 0 ? host : undefined;
}

/** Failures of a request that got no usable answer, by what the caller can do about them. */
export type RequestFailure =
  /** No server answers, or not in time. Only this kind is retried. */
  | "unreachable"
  /** The server's certificate is not signed by a CA that is trusted here, has expired, or belongs to another host. */
  | "untrusted"
  /** The answer is larger than the limit. */
  | "too-large"
  /** The request cannot be sent, e.g. because a file of CAs cannot be read. */
  | "configuration";

/** A request that got no usable answer. The message gives the reason, without a full stop. */
export class RequestError extends Error {
  constructor(
    readonly failure: RequestFailure,
    message: string,
  ) {
    super(message);
    this.name = "RequestError";
  }
}

/** Where Linux distributions keep their list. Go's crypto/x509 uses the first file that exists (root_linux.go). */
const SYSTEM_LISTS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * Every CA that is trusted in this environment, in PEM: the CAs that may have signed a server's certificate. Node reads only
 * its own list and NODE_EXTRA_CA_CERTS. tctl and the `vault` command read the system's list, SSL_CERT_FILE and SSL_CERT_DIR.
 * All of these are trusted here. Files that cannot be read are skipped, as in Go.
 */
export function trustedCas(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = environment;
  const named = [SSL_CERT_FILE, NODE_EXTRA_CA_CERTS].flatMap((file) => (file ? certificatesIn(file) : []));
  const folders = (SSL_CERT_DIR ?? "").split(delimiter).filter(Boolean);
  return [...new Set([...rootCertificates, ...ofSystem(), ...named, ...folders.flatMap(certificatesUnder)])];
}

/** The CAs in a file that a setting names, in PEM. The file must be readable and contain at least one. */
export function readCaFile(setting: string, file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new RequestError("configuration", `${setting} cannot be read: ${(error as Error).message}`);
  }
  const certificates = text.match(CERTIFICATE);
  if (!certificates) throw new RequestError("configuration", `${setting}=${file} contains no certificate in PEM`);
  return certificates;
}

function ofSystem(): string[] {
  return SYSTEM_LISTS.map(certificatesIn).find((certificates) => certificates.length > 0) ?? [];
}

function certificatesUnder(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((file) => certificatesIn(join(folder, file)));
  } catch {
    return [];
  }
}

function certificatesIn(file: string): string[] {
  try {
    return readFileSync(file, "utf8").match(CERTIFICATE) ?? [];
  } catch {
    return [];
  }
}
