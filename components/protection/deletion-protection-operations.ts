/** DeletionProtection: creates nothing, and refuses changes that would lose data. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { ResourceKind } from "../dynamic/converge";
import { UNKNOWN } from "../value-check";
import { howToDelete } from "./deletion-settings";
import { clusterIdentity, ClusterIdentityInputs, ClusterIdentityState } from "./identity-operations";
import { Connect, findCluster, IN_PREVIEW } from "../cnpg/taken-cluster";

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
export async function mayExist(
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
export function otherPlace(before: Place, now: Place): string | undefined {
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
      const reason = otherPlace(before, news);
      if (reason === undefined) return {};
      return {
        refusals: (await mayExist(connect, { ...before, context: news.context, kubeconfig: news.kubeconfig }))
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
