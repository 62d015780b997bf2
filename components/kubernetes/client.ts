/**
 * The adapter to Kubernetes for what Pulumi's provider does not do: running a command in a pod, and looking at what
 * the operator made. It uses the kubeconfig as kubectl does (KUBECONFIG, ~/.kube/config, or a pod's service account), and
 * the proxy that it or HTTPS_PROXY names.
 */
import { PassThrough, Writable } from "node:stream";
import type * as k8s from "@kubernetes/client-node";
import { proxyFor, shownProxy } from "../http/proxy";
import { retried } from "../waiting";
import { UNKNOWN } from "../teleport/resources/document";
import { isPassing, KubernetesError, UnknownKubeconfig } from "./errors";
import { parseKubeconfig, readKubeconfig, unusable, useProxy } from "./kubeconfig";

/** Which cluster; must be the one of the Kubernetes provider. */
export interface KubernetesConnection {
  /** Context of the kubeconfig. Default: the current one. */
  context?: string;
  /** The kubeconfig itself, in YAML or JSON; `UNKNOWN` in a preview. Default: the environment's. */
  kubeconfig?: string;
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
  /** Empty for what is in no namespace. */
  namespace: string;
  name: string;
}

/** What is applied: with the kind, and the UID, without which an object that is gone would be made. */
export interface OwnedFields {
  kind: string;
  metadata: { uid: string; [field: string]: unknown };
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
  /** The last lines that a container printed; undefined if there is no such pod. */
  log(pod: { namespace: string; name: string; container: string }): Promise<string | undefined>;
  /** Changes fields of an object (JSON merge patch), if it is there. Default of the field manager: `FIELD_MANAGER`. */
  patch(reference: ObjectReference, fields: object, manager?: string): Promise<void>;
  /**
   * Becomes an owner of fields of an object that is there, beside others: server-side apply under a field manager's name. What
   * was applied under this name before and is left out now, and has no other owner, is removed.
   */
  own(reference: ObjectReference, fields: OwnedFields, manager: string): Promise<void>;
  /** Deletes an object, if it is the one of this UID, and what belongs to it. */
  remove(reference: ObjectReference, uid: string): Promise<void>;
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

/** What asks for an opinion on objects as well. */
export interface ApiValidator extends ApiReader {
  /**
   * Creates an object in a collection, e.g. `/api/v1/namespaces/shop/pods`, in a strict dry run: the API server and its
   * webhooks check all of it, and nothing is made.
   */
  dryRun(collection: string, object: object): Promise<DryRunAnswer>;
}

/** What the API server answered to a dry run. */
export interface DryRunAnswer {
  /** HTTP status. */
  code: number;
  /** JSON: the object, or the Status that says what is wrong. */
  text: string;
}

/** What deletes as well. */
export interface ApiWriter extends ApiReader {
  /** Deletes the object at a path, if it has this UID. Does not wait until it is gone; one that is gone is no error. */
  remove(path: string, uid: string): Promise<void>;
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

/** Under which name fields are changed. */
export const FIELD_MANAGER = "cnpg-teleport";
const CALL_LIMIT_MS = 30_000;
const COMMAND_LIMIT_MS = 300_000;
/** What is read of a log: the reason of a failure stands at its end. */
const LOG_LINES = "100";
const LOG_BYTES = String(64 * 1024);

/** A client for the cluster of a context. @throws KubernetesError "configuration" */
export async function kubernetesClient(
  connection: KubernetesConnection,
  { limit, commandLimit, delays }: Patience = {},
): Promise<KubernetesClient> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
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
    exec: (command) => {
      const told = (path: string) => refusalOf(library, config, path, limit);
      return retried(() => execute(new library.Exec(config), command, told, commandLimit), isPassing, delays);
    },
    async log({ namespace, name, container }) {
      const query = new URLSearchParams({ container, tailLines: LOG_LINES, limitBytes: LOG_BYTES });
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/log?${query}`;
      const { code, text } = await retried(() => send(library, config, { path, limit }), isPassing, delays);
      if (code === 404) return undefined;
      if (code < 300) return text;
      throw refused(`GET ${path}`, code, text);
    },
    async patch(reference, fields, manager = FIELD_MANAGER) {
      const path = `${collection(reference)}/${reference.name}?fieldManager=${manager}`;
      const request = { path, limit, method: library.HttpMethod.PATCH, body: JSON.stringify(fields) };
      const { code, text } = await retried(() => send(library, config, request), isPassing, delays);
      if (code >= 300 && code !== 404) throw refused(`PATCH ${path}`, code, text);
    },
    async own(reference, { kind, metadata }, manager) {
      const { apiVersion, namespace, name } = reference;
      const path = `${collection(reference)}/${name}?fieldManager=${manager}`;
      const body = JSON.stringify({ apiVersion, kind, metadata: { ...metadata, name, namespace } });
      const request = { path, limit, method: library.HttpMethod.PATCH, type: "application/apply-patch+yaml", body };
      const { code, text } = await retried(() => send(library, config, request), isPassing, delays);
      if (code >= 300) throw refused(`PATCH ${path}`, code, text);
    },
    remove: (reference, uid) =>
      remove(library, config, `${collection(reference)}/${reference.name}`, uid, { limit, delays }),
  };
}

/** A reader of the cluster of a context. @throws KubernetesError "configuration" */
export async function apiReader(connection: KubernetesConnection, patience: Patience = {}): Promise<ApiReader> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  return {
    server: serverOf(config),
    context: config.getCurrentContext(),
    read: (path) => retried(() => getJson(library, config, path, patience.limit), isPassing, patience.delays),
  };
}

/** A reader that can ask for an opinion. @throws KubernetesError "configuration" */
export async function apiValidator(connection: KubernetesConnection, patience: Patience = {}): Promise<ApiValidator> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  const { limit, delays } = patience;
  return {
    ...(await apiReader(connection, patience)),
    dryRun: (collection, object) => {
      const path = `${collection}?dryRun=All&fieldValidation=Strict`;
      const request = { path, limit, method: library.HttpMethod.POST, body: JSON.stringify(object) };
      return retried(() => send(library, config, request), isPassing, delays);
    },
  };
}

/** A reader that can delete. @throws KubernetesError "configuration" */
export async function apiWriter(connection: KubernetesConnection, patience: Patience = {}): Promise<ApiWriter> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  return {
    ...(await apiReader(connection, patience)),
    remove: (path, uid) => remove(library, config, path, uid, patience),
  };
}

/** Deletes the object at a path if it has this UID, and what belongs to it; one that is gone, or another, is no error. */
async function remove(
  library: typeof k8s,
  config: k8s.KubeConfig,
  path: string,
  uid: string,
  { limit, delays }: Patience,
): Promise<void> {
  const body = JSON.stringify({ propagationPolicy: "Background", preconditions: { uid } });
  const request = { path, limit, method: library.HttpMethod.DELETE, body };
  const { code, text } = await retried(() => send(library, config, request), isPassing, delays);
  // 409: it is another one by now.
  if (code >= 300 && code !== 404 && code !== 409) throw refused(`DELETE ${path}`, code, text);
}

function loadConfig(library: typeof k8s, { context, kubeconfig }: KubernetesConnection): k8s.KubeConfig {
  if (kubeconfig === UNKNOWN) throw new UnknownKubeconfig();
  const another =
    kubeconfig === undefined ? "KUBECONFIG to another file" : "kubernetes.kubeconfig to another kubeconfig";
  let config: k8s.KubeConfig;
  try {
    config = kubeconfig === undefined ? readKubeconfig(library) : parseKubeconfig(library, kubeconfig);
  } catch (error) {
    const problem =
      kubeconfig === undefined
        ? `The kubeconfig cannot be read: ${(error as Error).message}. Set KUBECONFIG to the one that the Kubernetes provider uses.`
        : (error as Error).message;
    throw new KubernetesError("configuration", problem);
  }
  if (context !== undefined && !config.getContextObject(context)) {
    const known = config.getContexts().map(({ name }) => name);
    throw new KubernetesError(
      "configuration",
      `The kubeconfig has no context ${context}, only ${known.join(", ") || "none"}. Set kubernetes.context to one of them, or ${another}.`,
    );
  }
  if (context !== undefined) config.setCurrentContext(context);
  const problem = kubeconfig === undefined ? undefined : unusable(config);
  if (problem !== undefined) throw new KubernetesError("configuration", problem);
  useProxy(config);
  return config;
}

function collection({ apiVersion, plural, namespace }: Omit<ObjectReference, "name">): string {
  const group = `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}`;
  return namespace === "" ? `${group}/${plural}` : `${group}/namespaces/${namespace}/${plural}`;
}

function serverOf(config: k8s.KubeConfig): string {
  const server = config.getCurrentCluster()?.server;
  if (server) return server;
  throw new KubernetesError(
    "configuration",
    "The kubeconfig names no cluster. Set KUBECONFIG to the one that the Kubernetes provider uses.",
  );
}

/** One GET; undefined for 404. */
async function getJson(library: typeof k8s, config: k8s.KubeConfig, path: string, limit?: number): Promise<unknown> {
  const { code, text } = await send(library, config, { path, limit });
  if (code === 404) return undefined;
  if (code < 300) return JSON.parse(text);
  throw refused(`GET ${path}`, code, text);
}

interface Request {
  path: string;
  limit?: number;
  /** Default: GET. */
  method?: k8s.HttpMethod;
  /** JSON. */
  body?: string;
  /** Of the body. Default: what the method takes. */
  type?: string;
}

/** One request, with the credentials, CA and proxy of the kubeconfig. */
async function send(
  library: typeof k8s,
  config: k8s.KubeConfig,
  { path, limit = CALL_LIMIT_MS, method = library.HttpMethod.GET, body, type }: Request,
): Promise<{ code: number; text: string }> {
  const server = serverOf(config);
  const context = new library.RequestContext(`${server.replace(/\/$/, "")}${path}`, method);
  context.setHeaderParam("Accept", "application/json, */*");
  if (body !== undefined) {
    const isPatch = method === library.HttpMethod.PATCH;
    context.setHeaderParam("Content-Type", type ?? (isPatch ? "application/merge-patch+json" : "application/json"));
    context.setBody(body);
  }
  context.setSignal(AbortSignal.timeout(limit));
  try {
    await config.applySecurityAuthentication(context);
    const response = await new library.IsomorphicFetchHttpLibrary().send(context).toPromise();
    return { code: response.httpStatusCode, text: await response.body.text() };
  } catch (error) {
    throw unreachable(server, error);
  }
}

function unreachable(server: string, error: unknown): KubernetesError {
  const proxy = proxyFor(server);
  const way = proxy === undefined ? "" : ` through the proxy of ${shownProxy(proxy)}`;
  return new KubernetesError(
    "unavailable",
    `The Kubernetes API at ${server} does not answer${way}: ${(error as Error).message}. Run the command again when it does.`,
  );
}

/** How the API server words the refusal of an admission policy or webhook. */
const POLICY = /ValidatingAdmissionPolicy '.*denied request|admission webhook ".*denied the request/s;

function refused(what: string, code: number, text: string): KubernetesError {
  const told = messageOf(text);
  if (POLICY.test(told)) {
    return new KubernetesError(
      "access-denied",
      `${what} was refused by an admission policy of the Kubernetes cluster (${code}): ${told}. Change the policy so that it allows this to the kubeconfig's user; docs/permissions.md, "Kubernetes rights", lists what that user needs.`,
    );
  }
  if (code === 401 || code === 403) {
    return new KubernetesError(
      "access-denied",
      `${what} was denied (${code}): ${told}. Give the kubeconfig's user the rights that docs/permissions.md lists ("Kubernetes rights").`,
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
  refusal: (path: string) => Promise<string | undefined>,
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
      .catch(async (error: unknown) => {
        const asked = new URLSearchParams({ container, stdout: "true", stderr: "true" });
        if (stdin) asked.set("stdin", "true");
        for (const word of command) asked.append("command", word);
        const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${asked}`;
        const found = await socketError(where, error, () => refusal(path));
        settle(() => reject(found));
      });
  });
}

/**
 * A refused upgrade of the connection shows as "Unexpected server response: 403", without the API server's words. The
 * same request without the upgrade runs nothing, and is refused in words.
 */
async function socketError(
  where: string,
  error: unknown,
  refusal: () => Promise<string | undefined>,
): Promise<KubernetesError> {
  const told = (error as { message?: string }).message ?? String(error);
  const code = Number(/server response: (\d+)/.exec(told)?.[1] ?? 503);
  return refused(`Running ${where}`, code, (code < 500 && (await refusal())) || told);
}

/** What the API server says against a request; undefined where it says nothing, or only that it wants the upgrade. */
async function refusalOf(
  library: typeof k8s,
  config: k8s.KubeConfig,
  path: string,
  limit?: number,
): Promise<string | undefined> {
  try {
    const { code, text } = await send(library, config, { path, limit });
    return code >= 400 && code < 500 && !/upgrade request required/i.test(text) ? text : undefined;
  } catch (error) {
    if (error instanceof KubernetesError) return undefined;
    throw error;
  }
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
