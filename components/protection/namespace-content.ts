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

/**
 * Objects that somebody made and that are there to stay, as `configmaps/settings`: without an owner, and not being
 * deleted. Kinds that may not be listed, or that the API server cannot list now, count as content.
 */
export async function leftIn(api: ApiReader, namespace: string): Promise<string[]> {
  const left: string[] = [];
  for (const group of await groupsOf(api)) {
    const { resources } = await listed<ApiResources>(api, `/${group}`, {});
    if (!resources) {
      left.push(`whatever ${group} holds, which could not be listed`);
      continue;
    }
    const kinds = resources.filter(
      ({ name, namespaced, verbs }) => namespaced && verbs.includes("list") && !name.includes("/"),
    );
    for (const { name } of kinds) {
      if (DERIVED.includes(name)) continue;
      const { items } = await listed<{ items?: KubernetesObject[] }>(
        api,
        `/${group}/namespaces/${namespace}/${name}?limit=100`,
        {},
      );
      left.push(...(items ? items.filter(isLeft).map(reference(name)) : [`${name}, which could not be listed`]));
    }
  }
  return [...new Set(left)].filter((each) => !EVERYWHERE.includes(each));
}

/** `api/v1`, and the preferred version of each group, as `apis/apps/v1`. */
async function groupsOf(api: ApiReader): Promise<string[]> {
  const found = (await api.read("/apis")) as
    { groups?: { name: string; preferredVersion: { groupVersion: string } }[] } | undefined;
  const groups = (found?.groups ?? []).filter(({ name }) => !MEASURED.includes(name));
  return ["api/v1", ...groups.map(({ preferredVersion }) => `apis/${preferredVersion.groupVersion}`)];
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

function isLeft({ metadata }: KubernetesObject): boolean {
  const { ownerReferences = [], deletionTimestamp } = metadata as {
    ownerReferences?: unknown[];
    deletionTimestamp?: string;
  };
  return ownerReferences.length === 0 && deletionTimestamp === undefined;
}

function reference(kind: string) {
  return ({ metadata }: KubernetesObject) => `${kind}/${metadata.name}`;
}
