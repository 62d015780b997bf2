/**
 * Instances that are stopped on purpose, by annotations of the Cluster: hibernation and fencing. The settings here
 * write the annotations, and others may write them as well. Pure.
 */
import { SettingProblem } from "../problems";
import { checkUnique, wrong } from "../value-check";
import type { KubernetesObject } from "../kubernetes/client";

/** https://cloudnative-pg.io/documentation/current/declarative_hibernation/ */
export const HIBERNATION = "cnpg.io/hibernation";
/** https://cloudnative-pg.io/documentation/current/fencing/ */
export const FENCING = "cnpg.io/fencedInstances";
const ALL = "*";

/** What the user stops on purpose. */
export interface StopSettings {
  /**
   * Stops all instances and keeps the volumes. The first `up` after the hibernation makes the changes that need a running
   * PostgreSQL, e.g. of users' rights. Becomes the annotation `cnpg.io/hibernation`. Default: the value of the annotation,
   * else false.
   */
  hibernation?: boolean;
  /**
   * Instances whose PostgreSQL stays stopped while their pods run: names such as `orders-1`, or `*` for all. Becomes the
   * annotation `cnpg.io/fencedInstances`. Default: the value of the annotation, else none.
   */
  fencedInstances?: string[];
}

type At = (setting: string) => string;

/** The annotations of the Cluster for hibernation and fencing. */
export function clusterAnnotations({ hibernation, fencedInstances }: StopSettings): Record<string, string> {
  return {
    ...(hibernation === undefined ? {} : { [HIBERNATION]: hibernation ? "on" : "off" }),
    ...(fencedInstances === undefined ? {} : { [FENCING]: JSON.stringify(fencedInstances) }),
  };
}

/** The number of instances that must be ready. */
export function expectedReadyInstances(instances: number, { hibernation, fencedInstances = [] }: StopSettings): number {
  return hibernation || fencedInstances.includes(ALL) ? 0 : Math.max(0, instances - fencedInstances.length);
}

export function checkFencing(at: At, settings: StopSettings, cluster?: string): SettingProblem[] {
  const { fencedInstances = [] } = settings;
  const isInstance = (name: string) =>
    /-[0-9]+$/.test(name) && (cluster === undefined || name.replace(/-[0-9]+$/, "") === cluster);
  return [
    ...fencedInstances.flatMap((name, index) =>
      isInstance(name) || (name === ALL && fencedInstances.length === 1)
        ? []
        : wrong(
            at(`fencedInstances[${index}]`),
            name,
            "is not an instance of the Cluster",
            `Write e.g. ${cluster ?? "orders"}-1, or * alone for all.`,
          ),
    ),
    ...checkUnique((index) => at(`fencedInstances[${index}]`), fencedInstances),
  ];
}

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
