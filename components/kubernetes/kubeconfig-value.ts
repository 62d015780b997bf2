/**
 * A kubeconfig that a program passes as a value. It is used alone, like client-go uses content that comes from no file. It
 * contains secrets, so no error message contains a part of it.
 */
import { isAbsolute, sep } from "node:path";
import type * as k8s from "@kubernetes/client-node";
import { KubernetesError } from "./errors";
import { KubeconfigContent, loadContent, withFiles } from "./kubeconfig";

const FIX = "Pass the content of a kubeconfig, not the path of a file.";

/** @throws KubernetesError "configuration" */
export function parseKubeconfig(library: typeof k8s, text: string): k8s.KubeConfig {
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
