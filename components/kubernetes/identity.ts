/**
 * Which Kubernetes cluster a kubeconfig leads to. Pulumi deletes objects by name and takes "not found" for done, so a run
 * against another cluster than the stack's would delete that cluster's objects, or forget the stack's own. The UID of the
 * namespace `kube-system` is made anew with each cluster and never changes.
 */
import type { ApiReader } from "./client";
import { KubernetesError } from "./errors";

/** Names the UID of a cluster that a stack is to go on in, after its own cluster was lost or built anew. */
export const ACCEPTED_UID = "CNPG_TELEPORT_KUBERNETES_UID";

/** UID of `kube-system`; undefined where the credentials may not read it, which is said. */
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

/** A cluster as a run sees it. */
export interface SeenCluster {
  server: string;
  context: string;
  /** UID of `kube-system`; undefined if it may not be read. */
  uid: string | undefined;
}

/**
 * Why a run must not go on: the cluster is not the one that the state is about. Undefined if it is, if one of the two is
 * unknown, or if the variable `CNPG_TELEPORT_KUBERNETES_UID` accepts this very cluster.
 */
export function otherCluster(
  recorded: string | undefined,
  { server, context, uid }: SeenCluster,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  if (recorded === undefined || uid === undefined || recorded === uid || environment[ACCEPTED_UID] === uid) {
    return undefined;
  }
  return (
    `The Kubernetes cluster at ${server} (context ${context}) is not the cluster of this stack: its kube-system has the ` +
    `UID ${uid}, the stack was deployed to ${recorded}. Nothing was changed. Set kubernetes.context or KUBECONFIG to the ` +
    `stack's cluster. If that cluster is lost and this one takes its place, see docs/data-protection.md, "Another ` +
    'Kubernetes cluster".'
  );
}

/**
 * UID of the cluster that is to be the stack's; undefined where it may not be read.
 *
 * @param recorded what the state knows
 * @throws KubernetesError "configuration" if it is another cluster
 */
export async function mustBeOfStack(api: ApiReader, recorded: string | undefined): Promise<string | undefined> {
  const uid = await kubernetesUid(api);
  const elsewhere = otherCluster(recorded, { server: api.server, context: api.context, uid });
  if (elsewhere !== undefined) throw new KubernetesError("configuration", elsewhere);
  return uid;
}
