/**
 * Whether an instance's volumes are as large as was written. Where the storage refuses, CloudNativePG says so in its log
 * alone, and the Cluster stays "healthy". Pure.
 */
import { bytesOf } from "../kubernetes/quantity";
import type { KubernetesObject } from "../kubernetes/client";
import type { Problem } from "./problem";

interface VolumeSpec {
  size?: string;
  resizeInUseVolumes?: boolean;
  pvcTemplate?: { resources?: { requests?: { storage?: string } } };
}

interface ClaimSpec {
  storageClassName?: string;
  resources?: { requests?: { storage?: string } };
}

interface ClaimStatus {
  phase?: string;
  capacity?: { storage?: string };
  conditions?: { type: string; message?: string; status?: string }[];
  allocatedResourceStatuses?: Record<string, string>;
}

/** The operator asks for the new size within a moment; its informers may lag. */
const REFUSED_AFTER = 10;
/** Where the StorageClass may not be read, so that it takes time to tell. */
const UNASKED_AFTER = 45;

/** Where a claim is smaller than its Cluster's spec has it, with the reason as far as it is known. */
export function volumeProblems(
  cluster: KubernetesObject,
  claims: readonly KubernetesObject[],
  expands: (storageClass: string) => boolean | undefined,
): Problem[] {
  // The operator then leaves volumes in use alone, all of them, and makes new ones of the new size.
  if ((cluster.spec?.storage as VolumeSpec | undefined)?.resizeInUseVolumes === false) return [];
  return lagging(cluster, claims).map(({ claim, setting, size, capacity, requested }) => {
    const { storageClassName = "" } = (claim.spec ?? {}) as ClaimSpec;
    const text = `PersistentVolumeClaim ${claim.metadata.name} has ${capacity} instead of the ${size} of ${setting}`;
    const told = conditionsOf(claim);
    if (told !== "") return { text: `${text}: ${told}`, ...(isInfeasible(claim) ? refused(REFUSED_AFTER) : {}) };
    if ((bytesOf(requested ?? "0") ?? 0) >= (bytesOf(size) ?? 0)) return { text: `${text}: it is being resized` };
    if (expands(storageClassName) === true) return { text: `${text}: CloudNativePG has not requested it yet` };
    return expands(storageClassName) === false
      ? {
          text: `${text}: its StorageClass ${storageClassName} does not allow volumes to grow (allowVolumeExpansion)`,
          ...refused(REFUSED_AFTER),
        }
      : {
          text: `${text}: CloudNativePG could not request the new size; see allowVolumeExpansion of the StorageClass ${storageClassName}, and the operator's log`,
          ...refused(UNASKED_AFTER),
        };
  });
}

/** Names of the storage classes of claims that are too small. */
export function laggingClasses(cluster: KubernetesObject, claims: readonly KubernetesObject[]): string[] {
  const names = lagging(cluster, claims).map(({ claim }) => ((claim.spec ?? {}) as ClaimSpec).storageClassName ?? "");
  return [...new Set(names)].filter((name) => name !== "");
}

/** The webhook refuses a smaller size than before ("can't shrink existing storage", CNPG 1.30). */
function refused(patience: number): Pick<Problem, "patience" | "remedy"> {
  return {
    patience,
    remedy:
      "CloudNativePG does not accept a smaller size, and changes no pods of this Cluster until the volumes grow. Either " +
      "set allowVolumeExpansion: true on the StorageClass, if its driver can expand volumes, or set " +
      "storage.resizeInUseVolumes: false and run `pulumi up`: existing volumes then stay as they are, and new instances " +
      "get the new size.",
  };
}

function lagging(cluster: KubernetesObject, claims: readonly KubernetesObject[]) {
  return claims.flatMap((claim) => {
    const { phase, capacity: { storage: capacity } = {} } = (claim.status ?? {}) as ClaimStatus;
    const wanted = wantedOf(cluster, (claim.metadata.labels ?? {}) as Record<string, string>);
    if (phase !== "Bound" || claim.metadata.deletionTimestamp !== undefined || capacity === undefined || !wanted)
      return [];
    const [has, size] = [bytesOf(capacity), bytesOf(wanted.size)];
    // Provisioners may give more than is asked for.
    if (has === undefined || size === undefined || has >= size) return [];
    const requested = ((claim.spec ?? {}) as ClaimSpec).resources?.requests?.storage;
    return [{ claim, ...wanted, capacity, requested }];
  });
}

/** What the Cluster's spec says of a claim, by the labels that CNPG gives it. */
function wantedOf(
  { spec = {} }: KubernetesObject,
  labels: Record<string, string>,
): { setting: string; size: string } | undefined {
  const sized = (setting: string, volume: VolumeSpec | undefined) => {
    const size = volume?.size || volume?.pvcTemplate?.resources?.requests?.storage;
    return size ? { setting, size } : undefined;
  };
  switch (labels["cnpg.io/pvcRole"]) {
    case "PG_DATA":
      return sized("storage.size", spec.storage as VolumeSpec | undefined);
    case "PG_WAL":
      return sized("walStorage.size", spec.walStorage as VolumeSpec | undefined);
    case "PG_TABLESPACE": {
      const tablespaces = (spec.tablespaces ?? []) as { name: string; storage?: VolumeSpec }[];
      const found = tablespaces.find(({ name }) => name === labels["cnpg.io/tablespaceName"]);
      return sized(`tablespaces: ${found?.name ?? ""}`, found?.storage);
    }
    default:
      return undefined;
  }
}

function conditionsOf({ status }: KubernetesObject): string {
  const { conditions = [], allocatedResourceStatuses: { storage } = {} } = (status ?? {}) as ClaimStatus;
  const told = conditions
    .filter(({ status: holds }) => holds !== "False")
    .map(({ type, message }) => (message ? `${type} (${message.trim().slice(0, 300)})` : type));
  return [...(storage === undefined ? [] : [storage]), ...told].join(", ");
}

/** The storage said that it never will (KEP-1790). */
function isInfeasible({ status }: KubernetesObject): boolean {
  const { allocatedResourceStatuses: { storage = "" } = {} } = (status ?? {}) as ClaimStatus;
  return /Infeasible/.test(storage);
}
