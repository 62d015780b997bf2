/** DeletionProtection: it makes nothing, and refuses what would lose data. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { ResourceKind } from "../dynamic/converge";
import { UNKNOWN } from "../teleport/resources/document";
import { howToDelete } from "./deletion-protection";
import { clusterIdentity, ClusterIdentityInputs, ClusterIdentityState } from "./identity-operations";
import { Connect, findCluster, IN_PREVIEW } from "./taken-cluster";

/** Inputs of a DeletionProtection. */
export interface ProtectionInputs extends ClusterIdentityInputs {
  protected: boolean;
}

/** What is remembered. */
export interface ProtectionState extends ClusterIdentityState {
  protected: boolean;
}

/** Which Cluster a database is. */
type Place = Pick<ProtectionInputs, "database" | "namespace" | "cluster">;

/** Whether there is a Cluster to lose. An `up` that failed may have made none. One that cannot be asked for may be there. */
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

/** Why a protected Cluster must not become another one; undefined if it does not. */
export function otherPlace(before: Place, now: Place): string | undefined {
  const changed = (["namespace", "cluster"] as const).find(
    (key) => now[key] !== before[key] && now[key] !== UNKNOWN && before[key] !== undefined,
  );
  if (changed === undefined) return undefined;
  const setting = changed === "cluster" ? "clusterName" : "namespace";
  return (
    `The database ${now.database} is protected from deletion, and its ${setting} was changed from ${before[changed]} to ` +
    `${now[changed]}: that would make an empty Cluster and delete the one with the data. Nothing was changed. Set ` +
    `${setting} back to ${before[changed]}. ${howToDelete(now.database)}`
  );
}

/** The kind over a way of reaching the API server: a ClusterIdentity that knows whether the Cluster is protected. */
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
    /** One whose Cluster is gone protects nothing, and would be in the way for ever. */
    read: async (state, id) => (await identity.read?.(state, id)) as ProtectionState | undefined,
    /** Comes right before the Cluster's: what was made last may be gone, as after an earlier destroy that failed. */
    remove: identity.remove,
  };
}
