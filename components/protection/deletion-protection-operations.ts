/** The methods of Pulumi's provider behind a DeletionProtection: it makes nothing, and refuses what would lose data. */
import { ApiReader, apiReader, KubernetesConnection, Patience } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { Provider } from "../provider";
import { UNKNOWN } from "../teleport/document";
import { howToDelete, type ProtectedCluster } from "./deletion-protection";
import { findCluster } from "./taken-cluster";

/** A way of reaching the API server. */
export type Connect = (connection: KubernetesConnection, patience?: Patience) => Promise<ApiReader>;

/** A preview waits for nobody. */
export const IN_PASSING: Patience = { limit: 10_000, delays: [] };

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
export function otherPlace(before: ProtectedCluster, now: Omit<ProtectedCluster, "protected">): string | undefined {
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
export const deletionProtection = (connect: Connect = apiReader): Provider<ProtectedCluster, ProtectedCluster> => ({
  async check(olds, news) {
    const reason = olds?.protected === true ? otherPlace(olds, news) : undefined;
    const isRefused = reason !== undefined && (await mayExist(connect, { ...olds, context: news.context }));
    return { inputs: news, failures: isRefused ? [{ property: "", reason }] : [] };
  },
  async diff(_id, olds, news) {
    const keys = ["database", "namespace", "cluster", "protected"] as const;
    return { changes: keys.some((key) => olds[key] !== news[key]) };
  },
  async create(inputs) {
    return { id: inputs.database, outs: inputs };
  },
  async read(id, props) {
    return props ? { id, props } : {};
  },
  async update(_id, _olds, news) {
    return { outs: news };
  },
  async delete() {
    // It made nothing, so there is nothing to remove.
  },
});

export const deletionProtectionOperations = deletionProtection();
