/** The volumes of an instance: data, write-ahead log, tablespaces. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import { SettingProblem } from "../problems";
import { checkOwner } from "./initdb";
import { checkObjectName } from "../kubernetes/names";
import { checkQuantity, parseQuantity } from "../kubernetes/quantity";
import { valueIfKnown, wrong } from "../value-check";

/** A PersistentVolumeClaim of each instance. */
export interface Storage {
  /**
   * Kubernetes quantity, e.g. `10Gi`. You can raise it later if the storage class can expand volumes; otherwise
   * `preview` and `up` refuse it. You cannot lower it.
   */
  size: string;
  /** Name of the StorageClass of the volume. Default: the Kubernetes cluster's default StorageClass. */
  storageClass?: pulumi.Input<string>;
  /** Whether volumes in use grow with `size`. Only the setting in `storage` has an effect. Default: CNPG's, true. */
  resizeInUseVolumes?: boolean;
  /**
   * Further fields of the PersistentVolumeClaim's spec, e.g. `accessModes`, `selector`, `volumeAttributesClassName`.
   * Default: none.
   */
  pvcTemplate?: Record<string, unknown>;
}

/** A tablespace with its own volume. You cannot remove it later. Becomes an entry of `spec.tablespaces`. */
export interface Tablespace extends Storage {
  /** Name of the tablespace. */
  name: string;
  /** Role that owns it. The role must exist. Default: the owner of the application's database. */
  owner?: string;
  /** For temporary tables and files (`temp_tablespaces`). Default: false. */
  temporary?: boolean;
}

export interface StorageSettings {
  /** Volume for data. */
  storage: Storage;
  /** Volume for the write-ahead log. You cannot remove it later. Default: the log is on the data volume. */
  walStorage?: Storage;
  /** Tablespaces, each on a volume of its own. Default: none besides PostgreSQL's own. */
  tablespaces?: Tablespace[];
}

/** Names that CNPG's webhook accepts (IsTablespaceNameValid), in lower case: upper-case names need quotes in SQL. */
const TABLESPACE = /^[a-z_][a-z0-9_$]{0,62}$/;
/** In bytes. In a smaller size, the unit is probably missing. */
const SMALLEST_VOLUME = 1024 ** 2;
/** The pod's volume is named `tbs-` and the tablespace, as a DNS label. */
const MAX_TABLESPACE = 59;

/** The fields of the Cluster's spec that say how large volumes are, and nothing else of them. */
export function volumeSizes({ storage, walStorage, tablespaces }: StorageSettings): Record<string, unknown> {
  const { size, resizeInUseVolumes } = storage;
  return {
    storage: { size, ...(resizeInUseVolumes === undefined ? {} : { resizeInUseVolumes }) },
    ...(walStorage === undefined ? {} : { walStorage: { size: walStorage.size } }),
    ...(tablespaces === undefined
      ? {}
      : { tablespaces: tablespaces.map((each) => ({ name: each.name, storage: { size: each.size } })) }),
  };
}

/** `spec.tablespaces`. */
export function tablespaceSpecs(tablespaces: Tablespace[] | undefined): Record<string, unknown>[] | undefined {
  return tablespaces?.map(({ name, owner, temporary, ...volume }) => ({
    name,
    storage: volume,
    ...(owner === undefined ? {} : { owner: { name: owner } }),
    ...(temporary === undefined ? {} : { temporary }),
  }));
}

export function checkVolumes(at: (setting: string) => string, settings: StorageSettings): SettingProblem[] {
  const { storage, walStorage, tablespaces = [] } = settings;
  return [
    ...checkStorage(at("storage"), storage),
    ...(walStorage ? checkStorage(at("walStorage"), walStorage) : []),
    ...tablespaces.flatMap((tablespace, index) => {
      const setting = at(`tablespaces[${index}]`);
      return [
        ...checkTablespaceName(`${setting}.name`, tablespace.name, tablespaces.slice(0, index)),
        ...checkStorage(setting, tablespace),
        ...(tablespace.owner === undefined ? [] : checkOwner(`${setting}.owner`, tablespace.owner)),
      ];
    }),
  ];
}

function checkStorage(setting: string, { size, storageClass, pvcTemplate = {} }: Storage): SettingProblem[] {
  const requested = (pvcTemplate.resources as { requests?: { storage?: unknown } } | undefined)?.requests?.storage;
  const instead = (field: string, value: unknown, name: string) =>
    value === undefined
      ? []
      : wrong(`${setting}.pvcTemplate.${field}`, value, `must be set by ${name}`, `Use ${name} instead.`);
  return [
    ...checkQuantity(`${setting}.size`, size, "10Gi"),
    ...checkUnit(`${setting}.size`, size),
    ...checkObjectName(`${setting}.storageClass`, valueIfKnown(storageClass), "StorageClass"),
    ...instead("resources.requests.storage", requested, "size"),
    ...instead("storageClassName", pvcTemplate.storageClassName, "storageClass"),
  ];
}

/** Kubernetes reads `size: 10` as ten bytes. */
function checkUnit(setting: string, size: string): SettingProblem[] {
  if (!((parseQuantity(size) ?? 0) > 0) || (parseQuantity(size) ?? 0) >= SMALLEST_VOLUME) return [];
  return wrong(setting, size, "must be at least 1Mi", "Write a number and a unit, e.g. 10Gi.");
}

function checkTablespaceName(setting: string, name: string, before: readonly Tablespace[]): SettingProblem[] {
  if (name.startsWith("pg_")) return wrong(setting, name, "is reserved by PostgreSQL", "Choose another name.");
  if (!TABLESPACE.test(name) || name.length > MAX_TABLESPACE || /[_$]$/.test(name)) {
    return wrong(
      setting,
      name,
      "is not a valid tablespace name",
      `Use at most ${MAX_TABLESPACE} lower-case letters, digits and underscores, beginning with a letter and ending with a letter or digit.`,
    );
  }
  const volume = volumeName(name);
  const other = before.find((tablespace) => volumeName(tablespace.name) === volume);
  if (!other) return [];
  return other.name === name
    ? wrong(setting, name, "is listed twice", "Remove one of the two.")
    : wrong(
        setting,
        name,
        `would use the same volume name as ${other.name}`,
        "Choose a name with other letters or digits.",
      );
}

/** CNPG's name for the volume of a tablespace (convertPostgresIDToK8sName). */
function volumeName(tablespace: string): string {
  return tablespace.replace(/^_/, "1").replace(/[_$]/g, "-").toLowerCase();
}
