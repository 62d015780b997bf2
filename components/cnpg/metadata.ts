/** Annotations by which CloudNativePG is told to pause. Pure. */
import { SettingProblem } from "../problems";
import { checkTwice, wrong } from "../value-check";

export interface MetadataSettings {
  /**
   * Stops all instances, and keeps the volumes. Changes that need a running PostgreSQL, e.g. users' rights, are made by
   * the first `up` after the hibernation. Becomes the annotation `cnpg.io/hibernation`. Default: what the annotation
   * says, else false.
   */
  hibernation?: boolean;
  /**
   * Instances whose PostgreSQL is kept stopped while their pods run: names as `orders-1`, or `*` for all. Becomes the
   * annotation `cnpg.io/fencedInstances`. Default: what the annotation says, else none.
   */
  fencedInstances?: string[];
}

const ALL = "*";
type At = (setting: string) => string;

/** The annotations of the Cluster that pause it. */
export function clusterAnnotations({ hibernation, fencedInstances }: MetadataSettings): Record<string, string> {
  return {
    ...(hibernation === undefined ? {} : { "cnpg.io/hibernation": hibernation ? "on" : "off" }),
    ...(fencedInstances === undefined ? {} : { "cnpg.io/fencedInstances": JSON.stringify(fencedInstances) }),
  };
}

/** How many of the instances are to serve. */
export function servingInstances(instances: number, { hibernation, fencedInstances = [] }: MetadataSettings): number {
  return hibernation || fencedInstances.includes(ALL) ? 0 : Math.max(0, instances - fencedInstances.length);
}

export function checkMetadata(at: At, settings: MetadataSettings, cluster?: string): SettingProblem[] {
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
            "is no instance of the Cluster",
            `Write e.g. ${cluster ?? "orders"}-1, or * alone for all.`,
          ),
    ),
    ...checkTwice((index) => at(`fencedInstances[${index}]`), fencedInstances),
  ];
}
