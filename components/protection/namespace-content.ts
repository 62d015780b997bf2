/** The objects in a Namespace, without those that Kubernetes creates or deletes itself. */
import type { ApiReader, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";

interface ApiResources {
  resources?: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
}

/** Objects that Kubernetes creates in each Namespace, and kinds that it derives from other objects. */
const EVERYWHERE = ["serviceaccounts/default", "configmaps/kube-root-ca.crt"];
const DERIVED = ["events", "endpoints", "endpointslices", "leases"];
/** API groups of measurements, not objects. */
const MEASURED = ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/** The content of a Namespace. */
export interface NamespaceContent {
  /** Objects that nothing will delete, e.g. `configmaps/settings`, and kinds that could not be listed. */
  left: string[];
  /** Objects whose owner is not in the Namespace: it was just deleted, or it has no namespace. */
  orphaned: string[];
}

/**
 * Lists all kinds of objects. An object counts as left if nothing deletes it: it has no owner, and is not being
 * deleted. An object whose owner is in the Namespace is deleted or stays with its owner. Kinds that cannot be listed,
 * because of rights or of the API server, count as left.
 */
export async function contentOf(api: ApiReader, namespace: string): Promise<NamespaceContent> {
  const left: string[] = [];
  const found = new Map<string, { reference: string; owners: string[] }>();
  for (const group of await groupsOf(api)) {
    const { resources } = await listed<ApiResources>(api, `/${group}`, {});
    if (!resources) left.push(`objects of ${group} (not checked: the kinds of this API group could not be listed)`);
    const kinds = (resources ?? []).filter(
      ({ name, namespaced, verbs }) =>
        namespaced && verbs.includes("list") && !name.includes("/") && !DERIVED.includes(name),
    );
    for (const { name } of kinds) {
      const path = `/${group}/namespaces/${namespace}/${name}?limit=500`;
      const { items, metadata } = await listed<ObjectList>(api, path, {});
      if (!items || metadata?.continue)
        left.push(`${name}, ${items ? "of which there are too many to list" : "which could not be listed"}`);
      for (const { metadata: object } of items ?? []) {
        const { ownerReferences = [], deletionTimestamp } = object as unknown as Owned;
        const reference = `${name}/${object.name}`;
        if (deletionTimestamp !== undefined || EVERYWHERE.includes(reference)) continue;
        found.set(object.uid ?? reference, { reference, owners: ownerReferences.map(({ uid }) => uid) });
      }
    }
  }
  const objects = [...found.values()];
  const named = (which: (owners: string[]) => boolean) => [
    ...new Set(objects.filter(({ owners }) => which(owners)).map(({ reference }) => reference)),
  ];
  return {
    left: [...left, ...named((owners) => owners.length === 0)],
    orphaned: named((owners) => owners.length > 0 && !owners.some((uid) => found.has(uid))),
  };
}

interface ObjectList {
  items?: KubernetesObject[];
  metadata?: { continue?: string };
}

interface Owned {
  ownerReferences?: { uid: string }[];
  deletionTimestamp?: string;
}

/** `api/v1`, and every version of every group, e.g. `apis/apps/v1`: a kind may exist in only one of them. */
async function groupsOf(api: ApiReader): Promise<string[]> {
  const found = (await api.read("/apis")) as
    { groups?: { name: string; versions: { groupVersion: string }[] }[] } | undefined;
  const groups = (found?.groups ?? []).filter(({ name }) => !MEASURED.includes(name));
  const versions = groups.flatMap((group) => group.versions.map(({ groupVersion }) => `apis/${groupVersion}`));
  return ["api/v1", ...versions];
}

/** Returns `otherwise` if something cannot be listed, because a right or the server behind it is missing. */
async function listed<Answer>(api: ApiReader, path: string, otherwise: Answer): Promise<Answer> {
  try {
    return ((await api.read(path)) as Answer | undefined) ?? otherwise;
  } catch (error) {
    if (error instanceof KubernetesError && error.failure !== "configuration") return otherwise;
    throw error;
  }
}
