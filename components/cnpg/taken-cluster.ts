/** Checks whether the name of a new Cluster is already used. */
import type { ApiReader, KubernetesConnection, KubernetesObject, RequestLimits } from "../kubernetes/client";
import { ownersOf, PROVIDER_MANAGER } from "../kubernetes/field-owners";
import { existingObjects, existingWarnings, objectConflict, type ObjectNames } from "../kubernetes/existing-objects";
import { UNKNOWN } from "../value-check";
import { OWNER_LABEL, stackOf } from "../owner-label";

/** Connects to the API server. */
export type Connect = (connection: KubernetesConnection, limits?: RequestLimits) => Promise<ApiReader>;

/** A preview does not wait: `up` repeats a check that got no answer. */
export const IN_PREVIEW: RequestLimits = { limit: 10_000, delays: [] };

/** A Cluster to create, and its owner. */
export interface WantedCluster {
  namespace: string;
  name: string;
  /** `<organization>/<project>/<stack>/<resource>` */
  owner: string;
  /** Take over a Cluster without an owner. Default: refuse it. */
  adopt?: boolean;
  /** Names of the objects that are created with it in its namespace. Default: none is looked up. */
  objects?: ObjectNames;
}

/** The Cluster of this name. Undefined if there is none. */
export async function findCluster(
  api: ApiReader,
  namespace: string,
  name: string,
): Promise<KubernetesObject | undefined> {
  const path = `/apis/postgresql.cnpg.io/v1/namespaces/${namespace}/clusters/${name}`;
  return (await api.read(path)) as KubernetesObject | undefined;
}

/**
 * Why a Cluster cannot be created: its name is already used. Undefined if the name is free, already ours, to be taken over, or not
 * known yet.
 *
 * @param isNew the stack never had this Cluster, so a Cluster without an owner is not ours
 */
export async function clusterConflict(
  api: ApiReader,
  wanted: WantedCluster | undefined,
  isNew = false,
): Promise<string | undefined> {
  if (!wanted || wanted.namespace === UNKNOWN) return undefined;
  const { namespace, name, owner, adopt = false } = wanted;
  const found = await findCluster(api, namespace, name);
  if (!found) return undefined;
  const whose = ownerOf(found);
  // A Cluster of ours may come from a killed run, or from `onDelete: retain`. In states of early versions of 0.1.0,
  // Clusters have no owner annotation. Pulumi wrote them.
  const mayBeOurs = !isNew && !isWrittenByOthers(found);
  if (whose === owner || (whose === undefined && (adopt || mayBeOurs))) return undefined;
  return takenBy(`${namespace}/${name}`, whose, owner);
}

/** Whether it is known who wrote the spec, and it was not Pulumi. */
function isWrittenByOthers(found: KubernetesObject): boolean {
  const managers = ownersOf(found, "f:spec");
  return managers.length > 0 && !managers.some((manager) => manager.startsWith(PROVIDER_MANAGER));
}

/**
 * The same for the objects that a new stack creates with the Cluster: the plugin's own error names no owner. Prints
 * warnings about objects that belong to this stack or to nobody.
 */
export async function newObjectsConflict(
  api: ApiReader,
  wanted: WantedCluster | undefined,
): Promise<string | undefined> {
  // An adoption takes over what belongs to the Cluster, and checks and lists it itself.
  if (wanted?.objects === undefined || wanted.adopt || wanted.namespace === UNKNOWN) return undefined;
  const { namespace, name, owner, objects } = wanted;
  const found = await findCluster(api, namespace, name);
  // A state of 0.1.0 has the objects, but not this check. Its objects have no owner annotation.
  if (found && ownerOf(found) === undefined) return undefined;
  const existing = await existingObjects(api, namespace, objects);
  const conflict = objectConflict(namespace, existing, owner);
  if (conflict === undefined) for (const warning of existingWarnings(namespace, existing)) console.error(warning);
  return conflict;
}

function ownerOf(cluster: KubernetesObject): string | undefined {
  return (cluster.metadata as { annotations?: Record<string, string> }).annotations?.[OWNER_LABEL];
}

/** The message about the present owner of a Cluster that should belong to `owner`. */
function takenBy(cluster: string, whose: string | undefined, owner: string): string {
  const problem =
    `The Cluster ${cluster} exists already and ` +
    `${whose === undefined ? "names no owner" : `belongs to ${whose}, not to ${owner}`}. Nothing was changed. `;
  if (whose !== undefined && stackOf(whose) === stackOf(owner)) {
    return `${problem}If you renamed the database, set formerNames. In a program of your own, give the resource an alias.`;
  }
  return (
    `${problem}Set clusterName or namespace to another name. ` +
    (whose === undefined
      ? "Or take the Cluster over with adopt: true: see docs/take-over.md."
      : 'If that stack no longer has the Cluster, take it over: see docs/take-over.md, "A Cluster that a stack kept".')
  );
}
