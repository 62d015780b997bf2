/**
 * Reads the kubeconfig like kubectl does (client-go's clientcmd): the first of several files that sets a value wins,
 * missing files are ignored, and paths are relative to the file that contains them. A program may also pass the
 * kubeconfig as a value.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join, resolve, sep } from "node:path";
import type * as k8s from "@kubernetes/client-node";
import { proxyFor } from "../http/proxy";
import { KubernetesError } from "./errors";

type Library = typeof k8s;
type Entry = Record<string, unknown>;
type Named = { name?: string; cluster?: Entry; user?: Entry; context?: Entry };
type KubeconfigContent = {
  clusters?: Named[] | null;
  users?: Named[] | null;
  contexts?: Named[] | null;
  "current-context"?: string;
};

/** Where a pod finds the token of its service account. */
const POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** The kubeconfig from KUBECONFIG. Without this variable, the one of the home folder or of the pod. */
export function readKubeconfig(library: Library, environment: NodeJS.ProcessEnv = process.env): k8s.KubeConfig {
  const config = new library.KubeConfig();
  const named = [...new Set((environment.KUBECONFIG ?? "").split(delimiter).filter(Boolean))];
  const usual = join(environment.HOME ?? "", ".kube", "config");
  const files = named.length > 0 ? named : existsSync(usual) ? [usual] : [];
  if (files.length === 0) {
    config.loadFromDefault();
    return config;
  }
  const read = files.flatMap((file) => readFile(library, file) ?? []);
  const merged = {
    clusters: firstOfName(read.flatMap(({ clusters }) => clusters ?? [])),
    users: firstOfName(read.flatMap(({ users }) => users ?? [])),
    contexts: firstOfName(read.flatMap(({ contexts }) => contexts ?? [])),
    "current-context": read.map((file) => file["current-context"]).find(Boolean),
  };
  loadContent(config, merged);
  if (merged.clusters.length === 0 && merged.contexts.length === 0 && existsSync(POD_TOKEN)) config.loadFromCluster();
  return config;
}

/** Loads the content of a kubeconfig, in which unused entries may be incomplete. */
function loadContent(config: k8s.KubeConfig, content: KubeconfigContent): void {
  config.loadFromString(JSON.stringify(content), { onInvalidEntry: "filter" as k8s.ConfigOptions["onInvalidEntry"] });
}

/** Uses the environment's proxy for the API server if the kubeconfig has no proxy. */
export function useProxy(config: k8s.KubeConfig, environment: NodeJS.ProcessEnv = process.env): void {
  const current = config.getCurrentCluster();
  if (!current || current.proxyUrl) return;
  const proxy = proxyFor(current.server, environment);
  if (!proxy) return;
  const clusters = config.clusters.map((cluster) =>
    cluster.name === current.name ? { ...cluster, proxyUrl: proxy.url.href } : cluster,
  );
  config.loadFromOptions({
    clusters,
    users: config.users,
    contexts: config.contexts,
    currentContext: config.currentContext,
  });
}

/** Undefined if it does not exist. */
function readFile(library: Library, file: string): KubeconfigContent | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const folder = dirname(resolve(file));
  try {
    return withFiles((text.trim() === "" ? undefined : library.loadYaml<KubeconfigContent | null>(text)) ?? {}, folder);
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
}

/** The content, with the files that it names as the library reads them. Paths start from the folder, if there is one. */
function withFiles(content: KubeconfigContent, folder?: string): KubeconfigContent {
  return {
    ...content,
    clusters: content.clusters?.map((entry) => ({
      ...entry,
      cluster: entry.cluster && clusterOf(entry.cluster, folder),
    })),
    users: content.users?.map((entry) => ({ ...entry, user: entry.user && userOf(entry.user, folder) })),
  };
}

function clusterOf(cluster: Entry, folder?: string): Entry {
  return withPaths(withoutFile(cluster, "certificate-authority"), ["certificate-authority"], folder);
}

function userOf(user: Entry, folder?: string): Entry {
  const whole = withoutFile(withoutFile(user, "client-certificate"), "client-key");
  const { tokenFile, exec, ...rest } = withPaths(whole, ["client-certificate", "client-key", "tokenFile"], folder);
  const command = (exec as Entry | undefined)?.command;
  const ofFolder = typeof command === "string" && command.includes(sep);
  return {
    ...rest,
    ...(exec ? { exec: ofFolder ? { ...(exec as Entry), command: absolute(command, folder) } : exec } : {}),
    // A token file is read for each request, and overrides a token.
    ...(tokenFile ? { token: undefined, "auth-provider": { name: "tokenFile", config: { tokenFile } } } : {}),
  };
}

/** Data in the kubeconfig itself overrides a file. */
function withoutFile(entry: Entry, field: string): Entry {
  return entry[`${field}-data`] ? { ...entry, [field]: undefined } : entry;
}

function withPaths(entry: Entry, fields: readonly string[], folder?: string): Entry {
  const paths = fields.flatMap((field) => {
    const path = entry[field];
    return typeof path === "string" && path !== "" ? [[field, absolute(path, folder)]] : [];
  });
  return { ...entry, ...(Object.fromEntries(paths) as Entry) };
}

const absolute = (path: string, folder?: string) =>
  folder === undefined || isAbsolute(path) ? path : join(folder, path);

function firstOfName(entries: readonly Named[]): Named[] {
  return entries.filter(({ name }, index) => entries.findIndex((other) => other.name === name) === index);
}

/** What to do about a value that is no kubeconfig. */
const FIX = "Pass the content of a kubeconfig, not the path of a file.";

/**
 * A kubeconfig that a program passes as a value. It is used alone, like client-go uses content that comes from no file. It
 * contains secrets, so no error message contains a part of it.
 *
 * @throws KubernetesError "configuration"
 */
export function parseKubeconfig(library: Library, text: string): k8s.KubeConfig {
  const config = new library.KubeConfig();
  try {
    loadContent(config, withFiles(library.loadYaml<KubeconfigContent>(text)));
  } catch (error) {
    // js-yaml's errors have a mark. After any other error, the kubeconfig has no context.
    const { line } = (error as { mark?: { line?: number } }).mark ?? {};
    if (line !== undefined) throw refusal(`is not valid YAML or JSON: see its line ${line + 1}. ${FIX}`);
  }
  if (config.getContexts().length === 0)
    throw refusal(`must have clusters, users and contexts, and has no context. ${FIX}`);
  return config;
}

/** @throws KubernetesError "configuration" if the kubeconfig cannot be used with its current context */
export function refuseUnusableKubeconfig(config: k8s.KubeConfig): void {
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster?.server) {
    throw refusal(
      "has no cluster for its current context. Set kubernetes.context to one of its contexts, or correct the kubeconfig.",
    );
  }
  const { tokenFile } = (user?.authProvider?.config ?? {}) as { tokenFile?: string };
  const { command } = (user?.exec ?? {}) as { command?: string };
  const paths: Record<string, string | undefined> = {
    "certificate-authority": cluster.caFile,
    "client-certificate": user?.certFile,
    "client-key": user?.keyFile,
    tokenFile,
    "exec.command": command?.includes(sep) ? command : undefined,
  };
  const relative = Object.keys(paths).filter((field) => paths[field] && !isAbsolute(paths[field]));
  if (relative.length === 0) return;
  throw refusal(
    `must not have a relative path, because it comes from no file: see ${relative.join(" and ")}. Write the content ` +
      "(certificate-authority-data, client-certificate-data, client-key-data, token), or an absolute path.",
  );
}

function refusal(problem: string): KubernetesError {
  return new KubernetesError("configuration", `kubernetes.kubeconfig ${problem}`);
}
