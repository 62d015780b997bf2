/** ClusterIdentity and KubernetesIdentity: they refuse a wrong Kubernetes cluster, or a wrong Cluster. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, mustBeOfStack } from "../kubernetes/identity";
import type { ResourceKind } from "../dynamic/converge";
import { UNKNOWN } from "../value-check";
import { howToDelete, PROTECTION_ANNOTATION } from "./deletion-settings";
import { refuseWhileTakingUp } from "./taking-up";
import { Connect, findCluster, IN_PREVIEW } from "../cnpg/taken-cluster";

/** Inputs of a ClusterIdentity. */
export interface ClusterIdentityInputs extends KubernetesConnection {
  /** Name of the database: of the PostgresCluster. */
  database: string;
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`. */
  uid: string;
}

/** The stored state. */
export interface ClusterIdentityState extends ClusterIdentityInputs {
  /** UID of the Kubernetes cluster's `kube-system`; absent if it may not be read. */
  kubernetesUid?: string;
}

/** The kind of resource. `connect` reaches the API server. */
export function clusterIdentity(
  connect: Connect = apiReader,
): ResourceKind<ClusterIdentityInputs, ClusterIdentityState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,
    async check(news, olds) {
      const reason = isKnown(news) ? await recreatedInPreview(expected(olds, news)) : undefined;
      return { refusals: reason === undefined ? [] : [reason] };
    },
    declared: ({ context, database, namespace, cluster, uid }) => [context, database, namespace, cluster, uid],
    apply: (inputs) => withUid(connect, inputs),
    /**
     * A refresh accepts a recreated Cluster, and removes one that is gone. It does so only in the stack's Kubernetes
     * cluster.
     */
    async read(state) {
      if (!state?.cluster) return undefined;
      const api = await connect(state);
      const kubernetesUid = (await mustBeOfStack(api, state.kubernetesUid)) ?? state.kubernetesUid;
      const found = await findCluster(api, state.namespace, state.cluster);
      return found && { ...state, uid: found.metadata.uid ?? state.uid, kubernetesUid };
    },
    /** Runs before everything else is deleted. */
    async remove(state) {
      refuseWhileTakingUp();
      const api = await connect(state);
      const now = await mustBeOfStack(api, state.kubernetesUid);
      const cluster = await findCluster(api, state.namespace, state.cluster);
      if (!cluster) {
        if (now !== undefined && state.kubernetesUid !== undefined) return; // it is the stack's cluster, so somebody deleted the Cluster
        throw new KubernetesError(
          "configuration",
          `The Cluster ${state.namespace}/${state.cluster} does not exist at ${api.server} (context ${api.context}). ` +
            "This may not be the stack's Kubernetes cluster: this cannot be checked without the right to read " +
            "the namespace kube-system. Nothing was changed. Grant that right. Or, if you are sure that this is the " +
            "stack's cluster, run `pulumi refresh` and then the command again.",
        );
      }
      const { uid, annotations = {} } = cluster.metadata as { uid?: string; annotations?: Record<string, string> };
      if (uid !== state.uid) throw new KubernetesError("configuration", recreated(state, uid));
      if (annotations[PROTECTION_ANNOTATION] === "true") {
        throw new KubernetesError(
          "failed",
          `The database ${state.database} is protected from deletion. Nothing of it was changed. ${howToDelete(state.database)}`,
        );
      }
    },
  };

  /** Why the Cluster is not the stack's. If the API server does not answer, `apply` and `remove` check it later. */
  async function recreatedInPreview(inputs: ClusterIdentityInputs): Promise<string | undefined> {
    try {
      const found = await findCluster(await connect(inputs, IN_PREVIEW), inputs.namespace, inputs.cluster);
      return found === undefined || found.metadata.uid === inputs.uid
        ? undefined
        : recreated(inputs, found.metadata.uid);
    } catch (error) {
      if (error instanceof KubernetesError) return undefined;
      throw error;
    }
  }
}

/** The inputs, with the Kubernetes cluster that they were applied in. */
async function withUid<Inputs extends KubernetesConnection>(connect: Connect, inputs: Inputs) {
  return { ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) };
}

/** The message that somebody else created the Cluster. */
function recreated(
  { namespace, cluster, uid }: Pick<ClusterIdentityInputs, "namespace" | "cluster" | "uid">,
  found: string | undefined,
): string {
  return (
    `The Cluster ${namespace}/${cluster} is not the one that this stack created: it has the UID ${found}, the stack's has ` +
    `${uid}. Nothing of this database was changed. If somebody recreated the Cluster on purpose, e.g. from a backup, run ` +
    "`pulumi refresh`, which adds it to the stack, and then run the command again. Otherwise set kubernetes.context or " +
    "KUBECONFIG to the stack's cluster."
  );
}

/** The Cluster that must exist. After an update of somebody else's Cluster, the provider returns that one's UID. */
function expected(
  olds: Partial<ClusterIdentityInputs> | undefined,
  news: ClusterIdentityInputs,
): ClusterIdentityInputs {
  const isSame = olds?.namespace === news.namespace && olds.cluster === news.cluster && olds.uid;
  return isSame ? { ...news, uid: olds.uid as string } : news;
}

function isKnown({ namespace, uid }: ClusterIdentityInputs): boolean {
  return ![namespace, uid].includes(UNKNOWN) && uid !== "";
}

/** Inputs of a KubernetesIdentity. */
export type KubernetesIdentityInputs = KubernetesConnection;

/** The stored state. */
export interface KubernetesIdentityState extends KubernetesIdentityInputs {
  /** UID of the Kubernetes cluster's `kube-system`; absent if it may not be read. */
  kubernetesUid?: string;
}

/** The kind of resource. `connect` reaches the API server. */
export function kubernetesIdentity(
  connect: Connect = apiReader,
): ResourceKind<KubernetesIdentityInputs, KubernetesIdentityState> {
  return {
    id: () => "kubernetes",
    declared: ({ context }) => context,
    apply: (inputs) => withUid(connect, inputs),
    async read(state) {
      const uid = await mustBeOfStack(await connect(state ?? {}), state?.kubernetesUid);
      return { ...state, kubernetesUid: uid ?? state?.kubernetesUid };
    },
    /** Runs before its dependencies are deleted. */
    async remove(state) {
      refuseWhileTakingUp();
      await mustBeOfStack(await connect(state), state.kubernetesUid);
    },
  };
}
