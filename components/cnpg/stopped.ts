/** Instances that are stopped on purpose, by annotations of the Cluster, whoever set them. Pure. */
import type { KubernetesObject } from "../kubernetes/client";

/** https://cloudnative-pg.io/documentation/current/declarative_hibernation/ */
export const HIBERNATION = "cnpg.io/hibernation";
/** https://cloudnative-pg.io/documentation/current/fencing/ */
export const FENCING = "cnpg.io/fencedInstances";
const ALL = "*";

function annotationsOf({ metadata }: KubernetesObject): Record<string, string> {
  return (metadata.annotations ?? {}) as Record<string, string>;
}

/** Whether the Cluster is hibernated, so that no instance runs. */
export function isHibernated(cluster: KubernetesObject): boolean {
  return annotationsOf(cluster)[HIBERNATION] === "on";
}

/** The fenced instances, whose PostgreSQL is stopped. */
export function fencedInstances(cluster: KubernetesObject): string[] {
  const names = fencingOf(cluster);
  return names.includes(ALL) ? ((cluster.status?.instanceNames ?? []) as string[]) : names;
}

function fencingOf(cluster: KubernetesObject): string[] {
  try {
    const names: unknown = JSON.parse(annotationsOf(cluster)[FENCING] ?? "[]");
    return Array.isArray(names) ? names.map(String) : [];
  } catch {
    return []; // the operator treats anything but a list as an empty list
  }
}

/** Why the Cluster is hibernated, with the annotation. Undefined if it is not. */
export function hibernationReason(cluster: KubernetesObject): string | undefined {
  return isHibernated(cluster) ? `it is hibernated (annotation ${HIBERNATION}: "on")` : undefined;
}

/** Why instances are fenced, with the annotation. Undefined if none is. */
export function fencingReason(cluster: KubernetesObject): string | undefined {
  const names = fencingOf(cluster);
  if (names.length === 0) return undefined;
  const which = names.includes(ALL)
    ? "all its instances are"
    : names.length === 1
      ? `${names[0]} is`
      : `${names.join(", ")} are`;
  return `${which} fenced (annotation ${FENCING}: ${JSON.stringify(names)})`;
}

/** Why the primary is stopped on purpose, so that no SQL can run in it. Undefined if it is not. */
export function stopReason(cluster: KubernetesObject): string | undefined {
  const hibernated = hibernationReason(cluster);
  if (hibernated !== undefined) return hibernated;
  const names = fencingOf(cluster);
  const primary = cluster.status?.currentPrimary as string | undefined;
  return names.includes(ALL) || (primary !== undefined && names.includes(primary)) ? fencingReason(cluster) : undefined;
}
