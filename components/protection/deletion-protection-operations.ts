/** The methods of Pulumi's provider behind a DeletionProtection: it makes nothing, and refuses what would lose data. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { Provider } from "../dynamic/methods";
import { UNKNOWN } from "../teleport/resources/document";
import { clusterIdentity, ClusterIdentityInputs, ClusterIdentityState } from "./cluster-identity-operations";
import { howToDelete } from "./deletion-protection";
import { Connect, findCluster, IN_PASSING } from "./taken-cluster";

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
  { context, namespace, cluster }: KubernetesConnection & { namespace: string; cluster: string },
): Promise<boolean> {
  try {
    return (await findCluster(await connect({ context }, IN_PASSING), namespace, cluster)) !== undefined;
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

/** The operations over a way of reaching the API server. */
export function deletionProtection(connect: Connect = apiReader): Provider<ProtectionInputs, ProtectionState> {
  const identity = clusterIdentity(connect);
  return {
    async check(olds, news) {
      const reason = olds?.protected === true ? otherPlace(olds, news) : undefined;
      const isRefused = reason !== undefined && (await mayExist(connect, { ...olds, context: news.context }));
      return { inputs: news, failures: isRefused ? [{ property: "", reason }] : [] };
    },
    async diff(id, olds, news) {
      const { changes } = await identity.diff(id, olds, news);
      return { changes: changes || olds.protected !== news.protected };
    },
    async create(inputs) {
      const { id, outs } = await identity.create(inputs);
      return { id, outs: { ...outs, ...inputs } as ProtectionState };
    },
    /** One whose Cluster is gone protects nothing, and would be in the way for ever. */
    async read(id, props) {
      return (await identity.read(id, props)) as { id?: string; props?: ProtectionState };
    },
    async update(id, olds, news) {
      const { outs } = await identity.update(id, olds, news);
      return { outs: { ...outs, ...news } as ProtectionState };
    },
    /** Comes right before the Cluster's: what was made last may be gone, as after an earlier destroy that failed. */
    delete: (id, props) => identity.delete(id, props),
  };
}

export const deletionProtectionOperations = deletionProtection();
