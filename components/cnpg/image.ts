/** The version of PostgreSQL, the source of its image, and the condition of a major upgrade. Pure. */
import { checkDuration, hours } from "../durations";
import type { KubernetesObject } from "../kubernetes/client";
import { SettingProblem } from "../problems";
import { checkObjectName } from "../kubernetes/names";
import { checkOneOf, wrong } from "../value-check";

/** A CNPG ImageCatalog in the Cluster's namespace, or a ClusterImageCatalog. Becomes `spec.imageCatalogRef`. */
export interface ImageCatalog {
  /** `ImageCatalog`: a catalog in the Cluster's namespace. `ClusterImageCatalog`: a catalog of the Kubernetes cluster. */
  kind: "ImageCatalog" | "ClusterImageCatalog";
  /** Name of the catalog. */
  name: string;
  /** Major version of PostgreSQL, 14 or later, e.g. 17. If you raise it later, the database is offline during the upgrade. */
  major: number;
  /** API group of the catalog. Default: `postgresql.cnpg.io`. */
  apiGroup?: string;
}

/** The condition of an upgrade to a later major version of PostgreSQL, which cannot be undone once it has succeeded. */
export interface MajorUpgrade {
  /**
   * How old the newest complete backup may be when the upgrade begins: a whole number of hours or days, e.g. `24h`. `none`: the
   * upgrade needs no backup. To take a backup in the same `up`, set `backup.onDemand`. Default: `24h`.
   */
  backupWithin?: string;
}

export interface ImageSettings {
  /**
   * PostgreSQL image, 14 or later. Its tag must begin with the version. Becomes `spec.imageName`. Default: the
   * operator's.
   */
  image?: string;
  /**
   * Catalog that chooses the image; use it instead of `image`. If a Cluster was created with neither, the operator wrote its
   * own image into the spec, and a catalog cannot be set directly. First set `image` and run `pulumi up`. Then replace
   * `image` with the catalog, and run `pulumi up` again. Default: none.
   */
  imageCatalog?: ImageCatalog;
  /** What an upgrade to a later major version needs. Default: a complete backup that is at most 24 hours old. */
  majorUpgrade?: MajorUpgrade;
}

const API_GROUP = "postgresql.cnpg.io";
/** `pg_terminate_backend(pid, timeout)`, which ends the sessions of short-lived users, exists since 14. */
export const OLDEST_MAJOR = 14;
/** The problem with a version that is too old, in every setting. */
const TOO_OLD = `must be PostgreSQL ${OLDEST_MAJOR} or later`;
const NEWER = `Use ${OLDEST_MAJOR} or later, e.g. 17. Upgrade an older Cluster before you declare it here.`;

/** `spec.imageCatalogRef`. */
export function imageCatalogRef(catalog: ImageCatalog | undefined): Record<string, unknown> | undefined {
  return catalog && { apiGroup: API_GROUP, ...catalog };
}

/** The major version in an image's tag. */
export function majorOfImage(image: string): number | undefined {
  const major = /^[0-9]+/.exec(tagOf(image) ?? "")?.[0];
  return major === undefined ? undefined : Number(major);
}

/** The declared major version. Undefined if the operator chooses the image. */
export function declaredMajor({ image, imageCatalog }: ImageSettings): number | undefined {
  return image === undefined ? imageCatalog?.major : majorOfImage(image);
}

/** The image with which a Cluster's data was last used. Undefined if the operator has not written it. */
export function imageOfData({ status = {} }: KubernetesObject): string | undefined {
  const { pgDataImageInfo, image } = status as { pgDataImageInfo?: { image?: string }; image?: string };
  return pgDataImageInfo?.image ?? image;
}

/** The major version of a Cluster's data. During an upgrade, and after one that failed, it is the former version. */
export function majorOfData(cluster: KubernetesObject): number | undefined {
  const { pgDataImageInfo } = (cluster.status ?? {}) as { pgDataImageInfo?: { majorVersion?: number } };
  const image = imageOfData(cluster) ?? cluster.spec?.imageName;
  return pgDataImageInfo?.majorVersion ?? (typeof image === "string" ? majorOfImage(image) : undefined);
}

/** The distribution in an image's tag, as CloudNativePG's images have it (`17.6-standard-trixie`). */
export function distributionOf(image: string): string | undefined {
  return /(^|[-.])(buster|bullseye|bookworm|trixie|forky|ubi[0-9]+)([-.]|$)/.exec(tagOf(image) ?? "")?.[2];
}

const NO_BACKUP = "none";
const DEFAULT_BACKUP_WITHIN = "24h";

/** The maximum age in hours of the backup that a major upgrade needs. Undefined if it needs none. */
export function upgradeBackupHours({ majorUpgrade = {} }: ImageSettings): number | undefined {
  const { backupWithin = DEFAULT_BACKUP_WITHIN } = majorUpgrade;
  return backupWithin === NO_BACKUP ? undefined : hours(backupWithin);
}

export function checkImage(at: (setting: string) => string, settings: ImageSettings): SettingProblem[] {
  const { image, imageCatalog, majorUpgrade: { backupWithin = DEFAULT_BACKUP_WITHIN } = {} } = settings;
  const both = image !== undefined && imageCatalog !== undefined;
  return [
    ...(image === undefined ? [] : checkName(at("image"), image)),
    ...(both
      ? wrong(at("imageCatalog"), imageCatalog.name, "must not be set together with image", "Remove one of the two.")
      : []),
    ...(imageCatalog ? checkCatalog(at("imageCatalog"), imageCatalog) : []),
    ...(backupWithin === NO_BACKUP ? [] : checkDuration(at("majorUpgrade.backupWithin"), backupWithin)).map(
      (found) => ({
        ...found,
        fix: "Write a whole number of hours or days, e.g. 24h, or none if the upgrade needs no backup.",
      }),
    ),
  ];
}

function checkCatalog(setting: string, { name, major, apiGroup }: ImageCatalog): SettingProblem[] {
  return [
    ...checkObjectName(`${setting}.name`, name, "catalog"),
    ...checkOneOf(`${setting}.apiGroup`, apiGroup, [API_GROUP]),
    ...(Number.isInteger(major) && major < 100
      ? checkMajor(`${setting}.major`, major, major)
      : wrong(`${setting}.major`, major, "is not a major version of PostgreSQL", NEWER)),
  ];
}

/** CNPG detects upgrades by the tag, so an image needs a tag that begins with PostgreSQL's version. */
function checkName(setting: string, image: string): SettingProblem[] {
  const fix = "Add a tag that begins with PostgreSQL's version, e.g. :17.5. A digest may follow.";
  const tag = tagOf(image);
  if (tag === undefined) return wrong(setting, image, "has no tag", fix);
  const major = majorOfImage(image);
  if (major === undefined) return wrong(setting, image, "has a tag that does not begin with a version", fix);
  return checkMajor(setting, image, major);
}

function checkMajor(setting: string, value: unknown, major: number): SettingProblem[] {
  return major >= OLDEST_MAJOR ? [] : wrong(setting, value, TOO_OLD, NEWER);
}

/** The tag in `host:port/name:tag@digest`. */
function tagOf(image: string): string | undefined {
  const [name = ""] = image.split("@");
  return /:([\w.-]+)$/.exec(name.slice(name.lastIndexOf("/") + 1))?.[1];
}
