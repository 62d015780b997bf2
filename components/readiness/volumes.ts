/**
 * Whether the volumes of an instance have the written size. If the storage refuses it, only CloudNativePG's log says
 * so, and the Cluster stays "healthy". Pure.
 */
import { bytesOf } from "../kubernetes/quantity";
import type { KubernetesObject } from "../kubernetes/client";
import type { Problem } from "./reasons";

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

/** In seconds. The operator requests the new size within moments, but its informers may lag. */
const REFUSED_AFTER = 10;
/** In seconds, if the StorageClass may not be read. Then only time shows that the size is refused. */
const UNASKED_AFTER = 45;

/** Claims that are smaller than in the Cluster's spec, with the reason if it is known. */
export function volumeProblems(
  cluster: KubernetesObject,
  claims: readonly KubernetesObject[],
  expands: (storageClass: string) => boolean | undefined,
): Problem[] {
  // Then the operator does not resize existing volumes, and only new volumes get the new size.
  if ((cluster.spec?.storage as VolumeSpec | undefined)?.resizeInUseVolumes === false) return [];
  return unexpandedClaims(cluster, claims).map(({ claim, setting, size, capacity, requested }) => {
    const { storageClassName = "" } = (claim.spec ?? {}) as ClaimSpec;
    const text = `PersistentVolumeClaim ${claim.metadata.name} has ${capacity} instead of the ${size} of ${setting}`;
    const conditions = conditionsOf(claim);
    if (conditions !== "")
      return { text: `${text}: ${conditions}`, ...(isInfeasible(claim) ? refused(REFUSED_AFTER) : {}) };
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

/**
 * Claims that an update would leave too small, because their storage class does not let volumes grow. Claims that are too small
 * already do not count.
 *
 * @param declared fields of the Cluster's spec, as the update writes them
 */
export function refusedGrowth(
  cluster: KubernetesObject,
  declared: Record<string, unknown>,
  { claims, expands }: { claims: readonly KubernetesObject[]; expands: (storageClass: string) => boolean | undefined },
): string[] {
  if ((declared.storage as VolumeSpec | undefined)?.resizeInUseVolumes === false) return [];
  const before = unexpandedClaims(cluster, claims).map(({ claim, size }) => `${claim.metadata.name} ${size}`);
  return unexpandedClaims(withSpec(cluster, declared), claims).flatMap(({ claim, setting, size, capacity }) => {
    const { storageClassName = "" } = (claim.spec ?? {}) as ClaimSpec;
    if (expands(storageClassName) !== false || before.includes(`${claim.metadata.name} ${size}`)) return [];
    return [
      `PersistentVolumeClaim ${claim.metadata.name} has ${capacity}, and cannot grow to the ${size} of ${setting}, because its ` +
        `StorageClass ${storageClassName} does not allow it`,
    ];
  });
}

/** The Cluster with other fields in its spec. */
export function withSpec(cluster: KubernetesObject, fields: Record<string, unknown>): KubernetesObject {
  return { ...cluster, spec: { ...cluster.spec, ...fields } };
}

/** Names of the storage classes of claims that are too small. */
export function unexpandedStorageClasses(cluster: KubernetesObject, claims: readonly KubernetesObject[]): string[] {
  const names = unexpandedClaims(cluster, claims).map(
    ({ claim }) => ((claim.spec ?? {}) as ClaimSpec).storageClassName ?? "",
  );
  return [...new Set(names)].filter((name) => name !== "");
}

/** The webhook also refuses to set the old size again ("can't shrink existing storage", CNPG 1.30). */
function refused(finalAfter: number): Pick<Problem, "finalAfter" | "remedy"> {
  return {
    finalAfter,
    remedy:
      "CloudNativePG does not accept a smaller size, and changes no pods of this Cluster until the volumes grow. Either " +
      "set allowVolumeExpansion: true on the StorageClass, if its driver can expand volumes, or set " +
      "storage.resizeInUseVolumes: false and run `pulumi up`: existing volumes then stay as they are, and new instances " +
      "get the new size.",
  };
}

function unexpandedClaims(cluster: KubernetesObject, claims: readonly KubernetesObject[]) {
  return claims.flatMap((claim) => {
    const { phase, capacity: { storage: capacity } = {} } = (claim.status ?? {}) as ClaimStatus;
    const wanted = wantedOf(cluster, (claim.metadata.labels ?? {}) as Record<string, string>);
    if (phase !== "Bound" || claim.metadata.deletionTimestamp !== undefined || capacity === undefined || !wanted)
      return [];
    const [has, size] = [bytesOf(capacity), bytesOf(wanted.size)];
    // Provisioners may give more than requested.
    if (has === undefined || size === undefined || has >= size) return [];
    const requested = ((claim.spec ?? {}) as ClaimSpec).resources?.requests?.storage;
    return [{ claim, ...wanted, capacity, requested }];
  });
}

/** The size of a claim in the Cluster's spec, found by CNPG's labels on the claim. */
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
  const reasons = conditions
    .filter(({ status: holds }) => holds !== "False")
    .map(({ type, message }) => (message ? `${type} (${message.trim().slice(0, 300)})` : type));
  return [...(storage === undefined ? [] : [storage]), ...reasons].join(", ");
}

/** Whether the storage will never grow the volume (KEP-1790). */
function isInfeasible({ status }: KubernetesObject): boolean {
  const { allocatedResourceStatuses: { storage = "" } = {} } = (status ?? {}) as ClaimStatus;
  return /Infeasible/.test(storage);
}
