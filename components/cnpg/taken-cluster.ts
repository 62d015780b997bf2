/** Whether the name of a Cluster that is to be made is taken. */
import type { ApiReader, KubernetesConnection, KubernetesObject, Patience } from "../kubernetes/client";
import { UNKNOWN } from "../dynamic/unknown";
import { OWNER_LABEL } from "../owner-label";

/** A way of reaching the API server. */
export type Connect = (connection: KubernetesConnection, patience?: Patience) => Promise<ApiReader>;

/** A preview waits for nobody: what cannot be asked now is asked by `up`. */
export const IN_PREVIEW: Patience = { limit: 10_000, delays: [] };

/** A Cluster that is to be made, and whose it will be. */
export interface WantedCluster {
  namespace: string;
  name: string;
  /** `<organization>/<project>/<stack>/<resource>` */
  owner: string;
}

/** The Cluster of this name; undefined if there is none. */
export async function findCluster(
  api: ApiReader,
  namespace: string,
  name: string,
): Promise<KubernetesObject | undefined> {
  const path = `/apis/postgresql.cnpg.io/v1/namespaces/${namespace}/clusters/${name}`;
  return (await api.read(path)) as KubernetesObject | undefined;
}

/**
 * Why a Cluster cannot be made under a name that is taken; undefined if it is free, ours already, or not known yet.
 *
 * @param isNew the stack never had this Cluster, so that one without an owner is not ours either
 */
export async function takenCluster(
  api: ApiReader,
  wanted: WantedCluster | undefined,
  isNew = false,
): Promise<string | undefined> {
  if (!wanted || wanted.namespace === UNKNOWN) return undefined;
  const { namespace, name, owner } = wanted;
  const found = await findCluster(api, namespace, name);
  if (!found) return undefined;
  const { annotations = {} } = found.metadata as { annotations?: Record<string, string> };
  const whose = annotations[OWNER_LABEL];
  // Ours may have been made by a run that was killed, or left by `onDelete: retain`. States of early versions of 0.1.0 have
  // Clusters that do not say whose they are.
  if (whose === owner || (whose === undefined && !isNew)) return undefined;
  return takenBy(`${namespace}/${name}`, whose, owner);
}

/** Says whose the Cluster is, which is to belong to `owner`. */
function takenBy(cluster: string, whose: string | undefined, owner: string): string {
  const told =
    `The Cluster ${cluster} exists already and ` +
    `${whose === undefined ? "names no owner" : `belongs to ${whose}, not to ${owner}`}. Nothing was changed. `;
  if (whose !== undefined && stackOf(whose) === stackOf(owner)) {
    return `${told}If you renamed the database, set formerNames. In a program of your own, give the resource an alias.`;
  }
  return (
    `${told}Set clusterName or namespace to another name. To move the Cluster into this stack, see docs/data-protection.md, ` +
    '"Take up a retained Cluster".'
  );
}

function stackOf(owner: string): string {
  return owner.split("/").slice(0, 3).join("/");
}
