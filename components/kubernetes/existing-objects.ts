/** Objects that exist already under names of objects that a stack is about to create. */
import { OWNER_LABEL, stackOf } from "../owner-label";
import type { ApiReader, KubernetesObject } from "./client";
import { KubernetesError } from "./errors";

/** Names of objects of a namespace, by their kind in the API server's paths, e.g. `apis/networking.k8s.io/v1/networkpolicies`. */
export type ObjectNames = Record<string, string[]>;

/** An object that exists. */
export interface ExistingObject {
  /** E.g. `secrets/orders-server-tls`. */
  reference: string;
  /** `<organization>/<project>/<stack>/<resource>`. Undefined if the object has no owner annotation. */
  owner?: string;
}

/** The most objects, and owners, that a message names. */
const MAX_SHOWN = 5;
/** The most objects of a kind that are looked at. */
const MAX_LISTED = 500;

const OTHER_NAMES = "set clusterName, the name of the pooler, or namespace to another name";

/** Looks the names up, with one request for each kind, and without the data of Secrets. What cannot be listed counts as absent. */
export async function existingObjects(
  api: ApiReader,
  namespace: string,
  names: ObjectNames,
): Promise<ExistingObject[]> {
  const found = Object.entries(names).map(async ([kind, wanted]) => {
    const [group, plural] = [kind.replace(/\/[^/]*$/, ""), kind.replace(/.*\//, "")];
    const path = `/${group}/namespaces/${namespace}/${plural}?limit=${MAX_LISTED}`;
    return (await listed(api, path))
      .filter(({ metadata }) => wanted.includes(metadata.name))
      .map(({ metadata }) => ({ reference: `${plural}/${metadata.name}`, owner: ownerIn(metadata) }));
  });
  return (await Promise.all(found)).flat();
}

/** Why a stack cannot create its objects: some belong to other stacks. Undefined if none does. */
export function objectConflict(
  namespace: string,
  existing: readonly ExistingObject[],
  owner: string,
): string | undefined {
  const others = existing.filter((each) => each.owner !== undefined && stackOf(each.owner) !== stackOf(owner));
  if (others.length === 0) return undefined;
  const owners = shown([...new Set(others.map((each) => each.owner ?? ""))]);
  return (
    `In the namespace ${namespace}, objects with names of ${owner} exist already and belong to ${owners}: ` +
    `${references(others)}. Nothing was changed. To use other names, ${OTHER_NAMES}. ` +
    'To move the objects into this stack, see docs/take-over.md, "A Cluster that a stack kept".'
  );
}

/** What to know before a stack creates objects that exist already, and that belong to itself or to nobody. */
export function existingWarnings(namespace: string, existing: readonly ExistingObject[]): string[] {
  const own = existing.filter(({ owner }) => owner !== undefined);
  const ownerless = existing.filter(({ owner }) => owner === undefined);
  const already = `Warning: the namespace ${namespace} already has objects`;
  const ofThisStack = `${already} of this stack: ${references(own)}. If \`up\` says that one exists already, see docs/operations.md, "Interrupted runs".`;
  const ofNobody = `${already} that name no owner: ${references(ownerless)}. \`up\` fails or overwrites them. If they are somebody else's, ${OTHER_NAMES}.`;
  return [...(own.length > 0 ? [ofThisStack] : []), ...(ownerless.length > 0 ? [ofNobody] : [])];
}

async function listed(api: ApiReader, path: string): Promise<KubernetesObject[]> {
  try {
    const list = (await api.read(path, "metadata")) as { items?: KubernetesObject[] } | undefined;
    return list?.items ?? [];
  } catch (error) {
    if (error instanceof KubernetesError) return [];
    throw error;
  }
}

function ownerIn(metadata: KubernetesObject["metadata"]): string | undefined {
  return (metadata.annotations as Record<string, string> | undefined)?.[OWNER_LABEL];
}

function references(objects: readonly ExistingObject[]): string {
  return shown(objects.map(({ reference }) => reference));
}

function shown(names: readonly string[]): string {
  const more = names.length - MAX_SHOWN;
  return `${names.slice(0, MAX_SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
