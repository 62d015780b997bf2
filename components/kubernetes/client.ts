/**
 * The adapter to Kubernetes for what Pulumi's provider cannot do: run commands in pods, and read objects of the operator. It
 * uses the kubeconfig like kubectl does (KUBECONFIG, ~/.kube/config, or a pod's service account), and the proxy of the
 * kubeconfig or of HTTPS_PROXY.
 */
import { PassThrough, Writable } from "node:stream";
import type * as k8s from "@kubernetes/client-node";
import { proxyFor, describeProxy } from "../http/proxy";
import { retried } from "../waiting";
import { UNKNOWN } from "../value-check";
import { isUnavailable, KubernetesError, UnknownKubeconfig } from "./errors";
import { readKubeconfig, useProxy, parseKubeconfig, refuseUnusableKubeconfig } from "./kubeconfig";

/** The Kubernetes cluster. It must be the one of the Kubernetes provider. */
export interface KubernetesConnection {
  /** Context of the kubeconfig. Default: the current one. */
  context?: string;
  /** The content of the kubeconfig, as YAML or JSON. `UNKNOWN` in a preview. Default: the file that the environment names. */
  kubeconfig?: string;
}

/** The parts of an object that are used. */
export interface KubernetesObject {
  metadata: { name: string; uid?: string; generation?: number; [field: string]: unknown };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

/** The place of an object, in the terms of the API server's paths. */
export interface ObjectReference {
  /** `postgresql.cnpg.io/v1`, `apps/v1`, or `v1`. */
  apiVersion: string;
  /** `clusters`, `pods`. */
  plural: string;
  /** Empty for objects without a namespace. */
  namespace: string;
  name: string;
}

/** Fields to apply. Without the UID, the API server would create the object if it no longer exists. */
export interface OwnedFields {
  kind: string;
  metadata: { uid: string; [field: string]: unknown };
}

export interface Command {
  namespace: string;
  pod: string;
  container: string;
  command: string[];
  /** Standard input. The command must not wait for its end, because older API servers cannot signal it. */
  input?: string;
}

/** The result of a command. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** What the operations need from Kubernetes. Unit tests use a fake. */
export interface KubernetesClient {
  /** Undefined if it does not exist. */
  get(reference: ObjectReference): Promise<KubernetesObject | undefined>;
  /** Objects of a kind, by labels (`a=b,c=d`), and by fields that the API server selects by (`type=Warning`). */
  list(kind: Omit<ObjectReference, "name">, labels?: string, fields?: string): Promise<KubernetesObject[]>;
  /** Runs a command in a pod. */
  exec(command: Command): Promise<CommandResult>;
  /** The last lines that a container printed; undefined if there is no such pod. */
  log(pod: { namespace: string; name: string; container: string }): Promise<string | undefined>;
  /** Changes fields of an object (JSON merge patch) if it exists. Default of the field manager: `FIELD_MANAGER`. */
  patch(reference: ObjectReference, fields: object, manager?: string): Promise<void>;
  /** The same for fields of `status`. */
  patchStatus(reference: ObjectReference, status: object): Promise<void>;
  /**
   * Becomes a co-owner of fields of an existing object, by server-side apply under a field manager's name. Fields that were
   * applied under this name before, are left out now, and have no other owner are removed.
   */
  own(reference: ObjectReference, fields: OwnedFields, manager: string): Promise<void>;
  /** Creates an object. Succeeds if an object of this name exists. */
  create(reference: ObjectReference, object: object): Promise<void>;
  /** Deletes an object and its dependents, if it has this UID. */
  remove(reference: ObjectReference, uid: string): Promise<void>;
}

/** Reads from the API server. */
export interface ApiReader {
  /** URL of the API server, from the kubeconfig. */
  server: string;
  /** Context of the kubeconfig. */
  context: string;
  /** The JSON at a path, e.g. `/apis/apps/v1`; `metadata`: without the data of objects. Undefined if there is nothing. */
  read(path: string, part?: "metadata"): Promise<unknown>;
}

/** A reader that can also validate objects. */
export interface ApiValidator extends ApiReader {
  /**
   * Creates an object in a collection, e.g. `/api/v1/namespaces/shop/pods`, in a strict dry run: the API server and its
   * webhooks check the whole object, and nothing is created. Or, with `patch`, changes fields of the object at a path.
   */
  dryRun(path: string, object: object, change?: "create" | "patch"): Promise<DryRunAnswer>;
}

/** The API server's answer to a dry run. */
export interface DryRunAnswer {
  /** HTTP status. */
  code: number;
  /** JSON: the object, or the Status that says what is wrong. */
  text: string;
}

/** A reader that can also delete. */
export interface ApiWriter extends ApiReader {
  /** Deletes the object at a path if it has this UID. Does not wait until it is gone. Succeeds if it does not exist. */
  remove(path: string, uid: string): Promise<void>;
}

/** Time limits and retries of requests, in milliseconds. */
export interface RequestLimits {
  /** Limit for an answer. */
  limit?: number;
  /** Limit for a command in a pod. */
  commandLimit?: number;
  /** Delays before the retries of a request that was not answered. */
  delays?: readonly number[];
}

/** The field manager under which fields are changed. */
export const FIELD_MANAGER = "cnpg-teleport";
const CALL_LIMIT_MS = 30_000;
const COMMAND_LIMIT_MS = 300_000;
/** A list of objects without their data, e.g. those of Secrets. Every API server since 1.15 knows it. */
const METADATA_OF_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/** How much of a log is read: the reason of a failure is at its end. */
const LOG_LINES = "100";
const LOG_BYTES = String(64 * 1024);

/** A client for the cluster of a context. @throws KubernetesError "configuration" */
export async function kubernetesClient(
  connection: KubernetesConnection,
  { limit, commandLimit, delays }: RequestLimits = {},
): Promise<KubernetesClient> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  const request = (path: string) => retried(() => getJson(library, config, path, limit), isUnavailable, delays);
  const { PATCH, POST } = library.HttpMethod;
  /** Writes an object or fields. `accepted`: an HTTP status that is no error either. */
  const write = async (method: k8s.HttpMethod, path: string, body: object, accepted?: number, type?: string) => {
    const request = { path, limit, method, type, body: JSON.stringify(body) };
    const { code, text } = await retried(() => send(library, config, request), isUnavailable, delays);
    if (code >= 300 && code !== accepted) throw refused(`${method} ${path}`, code, text);
  };
  const patch = (path: string, fields: object) => write(PATCH, path, fields, 404);
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
      const refusal = (path: string) => refusalOf(library, config, path, limit);
      return retried(() => execute(new library.Exec(config), command, refusal, commandLimit), isUnavailable, delays);
    },
    async log({ namespace, name, container }) {
      const query = new URLSearchParams({ container, tailLines: LOG_LINES, limitBytes: LOG_BYTES });
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/log?${query}`;
      const { code, text } = await retried(() => send(library, config, { path, limit }), isUnavailable, delays);
      if (code === 404) return undefined;
      if (code < 300) return text;
      throw refused(`GET ${path}`, code, text);
    },
    patch: (reference, fields, manager = FIELD_MANAGER) =>
      patch(`${collection(reference)}/${reference.name}?fieldManager=${manager}`, fields),
    patchStatus: (reference, status) =>
      patch(`${collection(reference)}/${reference.name}/status?fieldManager=${FIELD_MANAGER}`, { status }),
    own(reference, { kind, metadata }, manager) {
      const { apiVersion, namespace, name } = reference;
      const path = `${collection(reference)}/${name}?fieldManager=${manager}`;
      const fields = { apiVersion, kind, metadata: { ...metadata, name, namespace } };
      return write(PATCH, path, fields, undefined, "application/apply-patch+yaml");
    },
    // 409: it exists.
    create: (reference, object) => write(POST, `${collection(reference)}?fieldManager=${FIELD_MANAGER}`, object, 409),
    remove: (reference, uid) =>
      remove(library, config, `${collection(reference)}/${reference.name}`, uid, { limit, delays }),
  };
}

/** A reader of the cluster of a context. @throws KubernetesError "configuration" */
export async function apiReader(connection: KubernetesConnection, limits: RequestLimits = {}): Promise<ApiReader> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  return {
    server: serverOf(config),
    context: config.getCurrentContext(),
    read: (path, part) => {
      const accept = part && METADATA_OF_LIST;
      return retried(() => getJson(library, config, path, limits.limit, accept), isUnavailable, limits.delays);
    },
  };
}

/** A reader that can also validate. @throws KubernetesError "configuration" */
export async function apiValidator(
  connection: KubernetesConnection,
  limits: RequestLimits = {},
): Promise<ApiValidator> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  const { limit, delays } = limits;
  return {
    ...(await apiReader(connection, limits)),
    dryRun: (place, object, change = "create") => {
      const path = `${place}?dryRun=All&fieldValidation=Strict`;
      const method = change === "create" ? library.HttpMethod.POST : library.HttpMethod.PATCH;
      const request = { path, limit, method, body: JSON.stringify(object) };
      return retried(() => send(library, config, request), isUnavailable, delays);
    },
  };
}

/** A reader that can also delete. @throws KubernetesError "configuration" */
export async function apiWriter(connection: KubernetesConnection, limits: RequestLimits = {}): Promise<ApiWriter> {
  const library = await import("@kubernetes/client-node");
  const config = loadConfig(library, connection);
  return {
    ...(await apiReader(connection, limits)),
    remove: (path, uid) => remove(library, config, path, uid, limits),
  };
}

/** Deletes the object at a path and its dependents, if it has this UID. Succeeds if it is gone or has another UID. */
async function remove(
  library: typeof k8s,
  config: k8s.KubeConfig,
  path: string,
  uid: string,
  { limit, delays }: RequestLimits,
): Promise<void> {
  const body = JSON.stringify({ propagationPolicy: "Background", preconditions: { uid } });
  const request = { path, limit, method: library.HttpMethod.DELETE, body };
  const { code, text } = await retried(() => send(library, config, request), isUnavailable, delays);
  // 409: the object has another UID by now.
  if (code >= 300 && code !== 404 && code !== 409) throw refused(`DELETE ${path}`, code, text);
}

function loadConfig(library: typeof k8s, { context, kubeconfig }: KubernetesConnection): k8s.KubeConfig {
  if (kubeconfig === UNKNOWN) throw new UnknownKubeconfig();
  const config = kubeconfig === undefined ? ofEnvironment(library) : parseKubeconfig(library, kubeconfig);
  if (context !== undefined && !config.getContextObject(context)) {
    const known = config.getContexts().map(({ name }) => name);
    throw new KubernetesError(
      "configuration",
      `The kubeconfig has no context ${context}, only ${known.join(", ") || "none"}. Set kubernetes.context to one of them, or ${kubeconfig === undefined ? "KUBECONFIG to another file" : "kubernetes.kubeconfig to another kubeconfig"}.`,
    );
  }
  if (context !== undefined) config.setCurrentContext(context);
  if (kubeconfig !== undefined) refuseUnusableKubeconfig(config);
  useProxy(config);
  return config;
}

function ofEnvironment(library: typeof k8s): k8s.KubeConfig {
  try {
    return readKubeconfig(library);
  } catch (error) {
    throw new KubernetesError(
      "configuration",
      `The kubeconfig cannot be read: ${(error as Error).message}. Set KUBECONFIG to the file that the Kubernetes provider uses.`,
    );
  }
}

export function collection({ apiVersion, plural, namespace }: Omit<ObjectReference, "name">): string {
  const group = `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}`;
  return namespace === "" ? `${group}/${plural}` : `${group}/namespaces/${namespace}/${plural}`;
}

function serverOf(config: k8s.KubeConfig): string {
  const server = config.getCurrentCluster()?.server;
  if (server) return server;
  throw new KubernetesError(
    "configuration",
    "The kubeconfig has no current cluster. Set KUBECONFIG to the file that the Kubernetes provider uses.",
  );
}

/** One GET; undefined for 404. */
async function getJson(
  library: typeof k8s,
  config: k8s.KubeConfig,
  path: string,
  limit?: number,
  accept?: string,
): Promise<unknown> {
  const { code, text } = await send(library, config, { path, limit, accept });
  if (code === 404) return undefined;
  if (code < 300) return JSON.parse(text);
  throw refused(`GET ${path}`, code, text);
}

interface Request {
  path: string;
  limit?: number;
  /** Default: GET. */
  method?: k8s.HttpMethod;
  /** The body, as JSON. */
  body?: string;
  /** Form of the answer. Default: JSON. */
  accept?: string;
  /** Content type of the body. Default: the usual one of the method. */
  type?: string;
}

/** One request, with the credentials, CA and proxy of the kubeconfig. */
async function send(
  library: typeof k8s,
  config: k8s.KubeConfig,
  {
    path,
    limit = CALL_LIMIT_MS,
    method = library.HttpMethod.GET,
    accept = "application/json, */*",
    body,
    type,
  }: Request,
): Promise<{ code: number; text: string }> {
  const server = serverOf(config);
  const context = new library.RequestContext(`${server.replace(/\/$/, "")}${path}`, method);
  context.setHeaderParam("Accept", accept);
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
  const way = proxy === undefined ? "" : ` through the proxy of ${describeProxy(proxy)}`;
  return new KubernetesError(
    "unavailable",
    `The Kubernetes API at ${server} does not answer${way}: ${(error as Error).message}. Run the command again when it answers.`,
  );
}

/** The API server's words for a refusal by an admission policy or webhook. */
const POLICY = /ValidatingAdmissionPolicy '.*denied request|admission webhook ".*denied the request/s;

function refused(what: string, code: number, text: string): KubernetesError {
  const reason = messageOf(text);
  if (POLICY.test(reason)) {
    return new KubernetesError(
      "access-denied",
      `${what} was refused by an admission policy of the Kubernetes cluster (${code}): ${reason}. Change the policy so that it allows this for the kubeconfig's user. docs/permissions.md, "Kubernetes rights", lists what that user needs.`,
    );
  }
  if (code === 401 || code === 403) {
    return new KubernetesError(
      "access-denied",
      `${what} was denied (${code}): ${reason}. Give the kubeconfig's user the rights that docs/permissions.md lists ("Kubernetes rights").`,
    );
  }
  return new KubernetesError(
    code === 429 || code >= 500 ? "unavailable" : "failed",
    `${what} failed (${code}): ${reason}.`,
  );
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text.slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
}

/** Runs a command over a web socket. A status message reports its end, not the end of the socket. */
function execute(
  exec: k8s.Exec,
  { namespace, pod, container, command, input }: Command,
  refusal: (path: string) => Promise<string | undefined>,
  limitMs = COMMAND_LIMIT_MS,
): Promise<CommandResult> {
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
 * The error of a refused web socket. It only says "Unexpected server response: 403", without the API server's reason. The
 * same request without the upgrade to a web socket runs nothing, and is refused with the reason.
 */
async function socketError(
  where: string,
  error: unknown,
  refusal: () => Promise<string | undefined>,
): Promise<KubernetesError> {
  const message = (error as { message?: string }).message ?? String(error);
  const code = Number(/server response: (\d+)/.exec(message)?.[1] ?? 503);
  return refused(`Running ${where}`, code, (code < 500 && (await refusal())) || message);
}

/** Why the API server refuses a request. Undefined if it does not, or only because the upgrade is missing. */
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
