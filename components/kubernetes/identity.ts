/**
 * Identifies the Kubernetes cluster of a kubeconfig. Pulumi deletes objects by name and treats "not found" as deleted. So a
 * run against the wrong cluster would delete that cluster's objects, or remove the stack's objects from the state. The UID of
 * the namespace `kube-system` is unique for each cluster and never changes.
 */
import type { ApiReader } from "./client";
import { KubernetesError } from "./errors";

/** Environment variable: the UID of a cluster that replaces the stack's lost cluster. */
export const ACCEPTED_UID = "CNPG_TELEPORT_KUBERNETES_UID";

/** UID of `kube-system`. Prints a warning and returns undefined if the credentials may not read it. */
export async function kubernetesUid(api: ApiReader): Promise<string | undefined> {
  try {
    const found = (await api.read("/api/v1/namespaces/kube-system")) as { metadata?: { uid?: string } } | undefined;
    return found?.metadata?.uid;
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.failure !== "access-denied") throw error;
    console.error(
      `The UID of the namespace kube-system at ${api.server} could not be read: ${error.message} ` +
        "Without that right, the program does not notice when it runs against another Kubernetes cluster.",
    );
    return undefined;
  }
}

/** The cluster of the current run. */
export interface SeenCluster {
  server: string;
  context: string;
  /** UID of `kube-system`. Undefined if it may not be read. */
  uid: string | undefined;
}

/**
 * Why a run must stop: the cluster is not the one of the state. Undefined if it is, if one of the two is unknown, or if the
 * variable `CNPG_TELEPORT_KUBERNETES_UID` accepts this cluster.
 */
export function wrongClusterReason(
  recorded: string | undefined,
  { server, context, uid }: SeenCluster,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  if (recorded === undefined || uid === undefined || recorded === uid || environment[ACCEPTED_UID] === uid) {
    return undefined;
  }
  return (
    `The Kubernetes cluster at ${server} (context ${context}) is not the cluster of this stack: its kube-system has the ` +
    `UID ${uid}, but the stack was deployed to ${recorded}. Nothing was changed. Set kubernetes.context or KUBECONFIG to the ` +
    `stack's cluster. If that cluster is lost and this one replaces it, see docs/data-protection.md, "Another ` +
    'Kubernetes cluster".'
  );
}

/**
 * UID of the cluster, which must be the stack's. Undefined if it may not be read.
 *
 * @param recorded the UID in the state
 * @throws KubernetesError "configuration" if it is another cluster
 */
export async function requireStackCluster(api: ApiReader, recorded: string | undefined): Promise<string | undefined> {
  const uid = await kubernetesUid(api);
  const elsewhere = wrongClusterReason(recorded, { server: api.server, context: api.context, uid });
  if (elsewhere !== undefined) throw new KubernetesError("configuration", elsewhere);
  return uid;
}
