/** Annotations that make CloudNativePG stop instances: hibernation and fencing. Pure. */
import { SettingProblem } from "../problems";
import { checkUnique, wrong } from "../value-check";

export interface MetadataSettings {
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
export function clusterAnnotations({ hibernation, fencedInstances }: MetadataSettings): Record<string, string> {
  return {
    ...(hibernation === undefined ? {} : { [HIBERNATION]: hibernation ? "on" : "off" }),
    ...(fencedInstances === undefined ? {} : { [FENCING]: JSON.stringify(fencedInstances) }),
  };
}

/** The number of instances that must be ready. */
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
            "is not an instance of the Cluster",
            `Write e.g. ${cluster ?? "orders"}-1, or * alone for all.`,
          ),
    ),
    ...checkUnique((index) => at(`fencedInstances[${index}]`), fencedInstances),
  ];
}
