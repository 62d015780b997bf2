/**
 * The adapter to Kubernetes for what Pulumi's provider does not do: running a command in a pod, and looking at what
 * the operator made. It uses the kubeconfig as kubectl does (KUBECONFIG, ~/.kube/config, or a pod's service account).
 */
import { PassThrough, Writable } from "node:stream";
import type * as k8s from "@kubernetes/client-node";
import { retried } from "../retry";
import { isPassing, KubernetesError } from "./errors";

/** Which cluster; must be the one of the Kubernetes provider. */
export interface KubernetesConnection {
  /** Context of the kubeconfig. Default: its current one. */
  context?: string;
}

/** What we look at of an object. */
export interface KubernetesObject {
  metadata: { name: string; uid?: string; generation?: number; [field: string]: unknown };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

/** Where an object is, as the API server's paths name it. */
export interface ObjectReference {
  /** `postgresql.cnpg.io/v1`, `apps/v1`, or `v1`. */
  apiVersion: string;
  /** `clusters`, `pods`. */
  plural: string;
  namespace: string;
  name: string;
}

export interface Command {
  namespace: string;
  pod: string;
  container: string;
  command: string[];
  /** Standard input; the command must end without waiting for its end, which older API servers cannot tell it. */
  input?: string;
}

/** How a command ended that could be run. */
export interface CommandEnd {
  code: number;
  stdout: string;
  stderr: string;
}

/** What the operations need of Kubernetes; the tests of pure logic put a fake in its place. */
export interface KubernetesClient {
  /** Undefined if it does not exist. */
  get(reference: ObjectReference): Promise<KubernetesObject | undefined>;
  /** Objects of a kind, by labels (`a=b,c=d`), and by fields that the API server selects by (`type=Warning`). */
  list(kind: Omit<ObjectReference, "name">, labels?: string, fields?: string): Promise<KubernetesObject[]>;
  /** Runs a command in a pod. */
  exec(command: Command): Promise<CommandEnd>;
}

/** What the API server itself tells, to whoever may log in. */
export interface ApiReader {
  /** Where it is, as the kubeconfig has it. */
  server: string;
  /** Context of the kubeconfig. */
  context: string;
  /** What is at a path, e.g. `/apis/apps/v1`; undefined if there is nothing. */
  read(path: string): Promise<unknown>;
}

/** How long is waited, in milliseconds. */
export interface Patience {
  /** For an answer. */
  limit?: number;
  /** For a command in a pod. */
  commandLimit?: number;
  /** Before each repetition of what was not answered. */
  delays?: readonly number[];
}

const CALL_LIMIT_MS = 30_000;
const COMMAND_LIMIT_MS = 300_000;

/** A client for the cluster of a context. @throws KubernetesError "configuration" */
export async function kubernetesClient(
  { context }: KubernetesConnection,
  { limit, commandLimit, delays }: Patience = {},
): Promise<KubernetesClient> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, context);
  const request = (path: string) => retried(() => getJson(library, config, path, limit), isPassing, delays);
  return {
    async get(reference) {
      return (await request(`${collection(reference)}/${reference.name}`)) as KubernetesObject | undefined;
    },
    async list(kind, labels, fields) {
      const query = new URLSearchParams({
        ...(labels === undefined ? {} : { labelSelector: labels }),
        ...(fields === undefined ? {} : { fieldSelector: fields }),
      });
      const path = query.size > 0 ? `${collection(kind)}?${query}` : collection(kind);
      const found = (await request(path)) as { items?: KubernetesObject[] } | undefined;
      return found?.items ?? [];
    },
    exec: (command) => retried(() => execute(new library.Exec(config), command, commandLimit), isPassing, delays),
  };
}

/** A reader of the cluster of a context. @throws KubernetesError "configuration" */
export async function apiReader({ context }: KubernetesConnection, patience: Patience = {}): Promise<ApiReader> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, context);
  return {
    server: serverOf(config),
    context: config.getCurrentContext(),
    read: (path) => retried(() => getJson(library, config, path, patience.limit), isPassing, patience.delays),
  };
}

function loadConfig(library: typeof k8s, context: string | undefined): k8s.KubeConfig {
  const config = new library.KubeConfig();
  try {
    config.loadFromDefault();
  } catch (error) {
    throw new KubernetesError(
      "configuration",
      `The kubeconfig cannot be read: ${(error as Error).message}. Set KUBECONFIG to the one that the Kubernetes provider uses.`,
    );
  }
  if (context === undefined) return config;
  if (!config.getContextObject(context)) {
    const known = config.getContexts().map(({ name }) => name);
    throw new KubernetesError(
      "configuration",
      `The kubeconfig has no context ${context}, only ${known.join(", ") || "none"}. Set kubernetes.context to one of them, or KUBECONFIG to another file.`,
    );
  }
  config.setCurrentContext(context);
  return config;
}

function collection({ apiVersion, plural, namespace }: Omit<ObjectReference, "name">): string {
  return `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}/namespaces/${namespace}/${plural}`;
}

function serverOf(config: k8s.KubeConfig): string {
  const server = config.getCurrentCluster()?.server;
  if (server) return server;
  throw new KubernetesError(
    "configuration",
    "The kubeconfig names no cluster. Set KUBECONFIG to the one that the Kubernetes provider uses.",
  );
}

/** One GET, with the credentials, CA and proxy of the kubeconfig; undefined for 404. */
async function getJson(
  library: typeof k8s,
  config: k8s.KubeConfig,
  path: string,
  limit = CALL_LIMIT_MS,
): Promise<unknown> {
  const server = serverOf(config);
  const context = new library.RequestContext(`${server.replace(/\/$/, "")}${path}`, library.HttpMethod.GET);
  context.setHeaderParam("Accept", "application/json");
  context.setSignal(AbortSignal.timeout(limit));
  let response: k8s.ResponseContext;
  try {
    await config.applySecurityAuthentication(context);
    response = await new library.IsomorphicFetchHttpLibrary().send(context).toPromise();
  } catch (error) {
    throw unreachable(server, error);
  }
  const text = await response.body.text();
  if (response.httpStatusCode === 404) return undefined;
  if (response.httpStatusCode < 300) return JSON.parse(text);
  throw refused(`GET ${path}`, response.httpStatusCode, text);
}

function unreachable(server: string, error: unknown): KubernetesError {
  return new KubernetesError(
    "unavailable",
    `The Kubernetes API at ${server} does not answer: ${(error as Error).message}. Run the command again when it does.`,
  );
}

function refused(what: string, code: number, text: string): KubernetesError {
  const told = messageOf(text);
  if (code === 401 || code === 403) {
    return new KubernetesError(
      "access-denied",
      `${what} was denied (${code}): ${told}. Give the kubeconfig's user the rights that README lists ("Kubernetes rights").`,
    );
  }
  return new KubernetesError(
    code === 429 || code >= 500 ? "unavailable" : "failed",
    `${what} failed (${code}): ${told}.`,
  );
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text.slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
}

/** Runs a command over a web socket; its end is told by a status, and not by the socket's. */
function execute(
  exec: k8s.Exec,
  { namespace, pod, container, command, input }: Command,
  limitMs = COMMAND_LIMIT_MS,
): Promise<CommandEnd> {
  const where = `${command[0]} in pod ${namespace}/${pod}`;
  const [stdout, stderr] = [collected(), collected()];
  const stdin = input === undefined ? null : new PassThrough();
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => fail("unavailable", `${where} did not end within ${limitMs / 1000} s`), limitMs);
    let close = () => {};
    const settle = (end: () => void) => {
      clearTimeout(limit);
      stdin?.destroy();
      close();
      end();
    };
    const fail = (failure: KubernetesError["failure"], message: string) =>
      settle(() => reject(new KubernetesError(failure, message)));
    exec
      .exec(namespace, pod, container, command, stdout.stream, stderr.stream, stdin, false, (status) => {
        const code = exitCode(status);
        const end = { stdout: stdout.text(), stderr: stderr.text() };
        if (code === undefined)
          return fail("unavailable", `${where} could not be run: ${status.message ?? status.reason}.`);
        settle(() => resolve({ code, ...end }));
      })
      .then((socket) => {
        close = () => socket.close();
        socket.onclose = () => fail("unavailable", `the connection to ${where} was closed before it ended.`);
        stdin?.write(input);
      })
      .catch((error: unknown) => settle(() => reject(socketError(where, error))));
  });
}

/** A refused upgrade of the connection shows as "Unexpected server response: 403". */
function socketError(where: string, error: unknown): KubernetesError {
  const told = (error as { message?: string }).message ?? String(error);
  const code = Number(/server response: (\d+)/.exec(told)?.[1] ?? 503);
  return refused(`Running ${where}`, code, told);
}

function exitCode(status: k8s.V1Status): number | undefined {
  if (status.status === "Success") return 0;
  const cause = status.details?.causes?.find(({ reason }) => reason === "ExitCode");
  return cause?.message === undefined ? undefined : Number(cause.message);
}

function collected(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}
