/** What is in a Namespace besides what Kubernetes puts into each, and what goes with objects that are deleted. */
import type { ApiReader, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";

interface ApiResources {
  resources?: { name: string; kind: string; namespaced: boolean; verbs: string[] }[];
}

/** Made by Kubernetes in each Namespace, or after the objects that somebody makes there. */
const EVERYWHERE = ["serviceaccounts/default", "configmaps/kube-root-ca.crt"];
const DERIVED = ["events", "endpoints", "endpointslices", "leases"];
/** Not objects: measurements. */
const MEASURED = ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/** What is in a Namespace. */
export interface Content {
  /** Objects that are there to stay, as `configmaps/settings`, and kinds that could not be listed. */
  left: string[];
  /** Objects whose owner is not in the Namespace: it was deleted a moment ago, or it is the whole cluster's. */
  orphaned: string[];
}

/**
 * Looks through all kinds. An object is left if nobody deletes it: it has no owner, and is not being deleted. One whose
 * owner is in the Namespace goes or stays with it. Kinds that may not be listed, or that the API server cannot list now,
 * count as left.
 */
export async function contentOf(api: ApiReader, namespace: string): Promise<Content> {
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
        left.push(`${name}, ${items ? "of which there are many" : "which could not be listed"}`);
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

/** `api/v1`, and each version of each group, as `apis/apps/v1`: a kind may be in one of them alone. */
async function groupsOf(api: ApiReader): Promise<string[]> {
  const found = (await api.read("/apis")) as
    { groups?: { name: string; versions: { groupVersion: string }[] }[] } | undefined;
  const groups = (found?.groups ?? []).filter(({ name }) => !MEASURED.includes(name));
  const versions = groups.flatMap((group) => group.versions.map(({ groupVersion }) => `apis/${groupVersion}`));
  return ["api/v1", ...versions];
}

/** What cannot be listed, for want of rights or of a server behind it, gives `otherwise`. */
async function listed<Answer>(api: ApiReader, path: string, otherwise: Answer): Promise<Answer> {
  try {
    return ((await api.read(path)) as Answer | undefined) ?? otherwise;
  } catch (error) {
    if (error instanceof KubernetesError && error.failure !== "configuration") return otherwise;
    throw error;
  }
}
