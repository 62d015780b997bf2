/**
 * DeletionProtection, ClusterIdentity and KubernetesIdentity: they create nothing, and refuse changes that would lose
 * data, a wrong Kubernetes cluster, and a wrong Cluster.
 */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { ResourceKind } from "../dynamic/converge";
import { UNKNOWN } from "../value-check";
import { howToDelete, PROTECTION_ANNOTATION } from "./deletion-settings";
import { Connect, findCluster, IN_PREVIEW } from "../cnpg/taken-cluster";
import { kubernetesUid, requireStackCluster } from "../kubernetes/identity";
import { refuseDeletionWhileUpserting } from "./upsert-existing-objects";

/** Inputs of a DeletionProtection. */
export interface ProtectionInputs extends ClusterIdentityInputs {
  protected: boolean;
}

/** The stored state. */
export interface ProtectionState extends ClusterIdentityState {
  protected: boolean;
}

/** The Cluster of a database. */
type Place = Pick<ProtectionInputs, "database" | "namespace" | "cluster">;

/** Whether a Cluster may exist. After a failed `up`, there may be none. If it cannot be looked up, it may exist. */
export async function clusterMayExist(
  connect: Connect,
  { context, kubeconfig, namespace, cluster }: KubernetesConnection & { namespace: string; cluster: string },
): Promise<boolean> {
  try {
    return (await findCluster(await connect({ context, kubeconfig }, IN_PREVIEW), namespace, cluster)) !== undefined;
  } catch (error) {
    if (error instanceof KubernetesError) return true;
    throw error;
  }
}

/** Why a change of a protected Cluster's name or namespace is refused. Undefined if neither changes. */
export function moveRefusal(before: Place, now: Place): string | undefined {
  const changed = (["namespace", "cluster"] as const).find(
    (key) => now[key] !== before[key] && now[key] !== UNKNOWN && before[key] !== undefined,
  );
  if (changed === undefined) return undefined;
  const setting = changed === "cluster" ? "clusterName" : "namespace";
  return (
    `The database ${now.database} is protected from deletion, and its ${setting} was changed from ${before[changed]} to ` +
    `${now[changed]}. This would create an empty Cluster and delete the one with the data. Nothing was changed. Set ` +
    `${setting} back to ${before[changed]}. ${howToDelete(now.database)}`
  );
}

/** The kind of resource: a ClusterIdentity with the Cluster's protection. `connect` reaches the API server. */
export function deletionProtection(connect: Connect = apiReader): ResourceKind<ProtectionInputs, ProtectionState> {
  const identity = clusterIdentity(connect);
  return {
    id: identity.id,
    async check(news, olds) {
      if (olds?.protected !== true) return {};
      const before = olds as ProtectionState;
      const reason = moveRefusal(before, news);
      if (reason === undefined) return {};
      return {
        refusals: (await clusterMayExist(connect, { ...before, context: news.context, kubeconfig: news.kubeconfig }))
          ? [reason]
          : [],
      };
    },
    declared: (inputs) => [identity.declared?.(inputs), inputs.protected],
    apply: async (inputs) => ({ ...(await identity.apply?.(inputs)), ...inputs }),
    /** Removed in a refresh if the Cluster is gone. Otherwise it would block every destroy. */
    read: async (state, id) => (await identity.read?.(state, id)) as ProtectionState | undefined,
    /** Runs right before the Cluster is deleted. The ClusterIdentity may be gone already, e.g. after a failed destroy. */
    remove: identity.remove,
  };
}

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
      const kubernetesUid = (await requireStackCluster(api, state.kubernetesUid)) ?? state.kubernetesUid;
      const found = await findCluster(api, state.namespace, state.cluster);
      return found && { ...state, uid: found.metadata.uid ?? state.uid, kubernetesUid };
    },
    /** Runs before everything else is deleted. */
    async remove(state) {
      refuseDeletionWhileUpserting();
      const api = await connect(state);
      const now = await requireStackCluster(api, state.kubernetesUid);
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
      const uid = await requireStackCluster(await connect(state ?? {}), state?.kubernetesUid);
      return { ...state, kubernetesUid: uid ?? state?.kubernetesUid };
    },
    /** Runs before its dependencies are deleted. */
    async remove(state) {
      refuseDeletionWhileUpserting();
      await requireStackCluster(await connect(state), state.kubernetesUid);
    },
  };
}
