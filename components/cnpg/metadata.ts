/** Labels and annotations: those by which CNPG is told to pause, and those of the objects that it makes. Pure. */
import { SettingProblem } from "../problems";
import { checkAnnotations, checkLabels, checkNotCnpgs } from "../kubernetes/names";
import { checkTwice, wrong } from "../value-check";

/** Labels and annotations of an object. */
export interface Metadata {
  /** Labels, by key. Default: none. */
  labels?: Record<string, string>;
  /** Annotations, by key. Default: none. */
  annotations?: Record<string, string>;
}

export interface MetadataSettings {
  /** Put on everything that CNPG makes for the Cluster. Becomes `spec.inheritedMetadata`. */
  inheritedMetadata?: Metadata;
  /** Put on the instances' ServiceAccount, e.g. `eks.amazonaws.com/role-arn`. Becomes `spec.serviceAccountTemplate`. */
  serviceAccountTemplate?: Metadata;
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

export function metadataSpec(settings: MetadataSettings): Record<string, unknown> {
  const { inheritedMetadata, serviceAccountTemplate } = settings;
  return {
    inheritedMetadata,
    serviceAccountTemplate: serviceAccountTemplate && { metadata: serviceAccountTemplate },
  };
}

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
  const { inheritedMetadata, serviceAccountTemplate, fencedInstances = [] } = settings;
  const isInstance = (name: string) =>
    /-[0-9]+$/.test(name) && (cluster === undefined || name.replace(/-[0-9]+$/, "") === cluster);
  return [
    ...checkOne(at("inheritedMetadata"), inheritedMetadata),
    ...checkOne(at("serviceAccountTemplate"), serviceAccountTemplate),
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

function checkOne(setting: string, { labels, annotations }: Metadata = {}): SettingProblem[] {
  return [
    ...checkLabels(`${setting}.labels`, labels),
    ...checkNotCnpgs(`${setting}.labels`, labels),
    ...checkAnnotations(`${setting}.annotations`, annotations),
    ...checkNotCnpgs(`${setting}.annotations`, annotations),
  ];
}
