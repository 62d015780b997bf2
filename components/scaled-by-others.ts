/** Objects whose number of instances somebody else may change. */
import { KEEPS_FIELD_MANAGER } from "./owner";

/**
 * Options of a Cluster or Pooler. Whoever scales it owns `spec.instances` from then on, and the API server refuses who
 * applies another number. Pulumi's Kubernetes provider leaves a field that changes are ignored of out of what it applies
 * where it is another's, and applies the number that is there where it is its own (`handleSSAIgnoreFields`): so the field
 * is never given up either, which would set it to the default of 1.
 */
export function keepsInstances({ scaledByOthers = false }: { scaledByOthers?: boolean }): { ignoreChanges: string[] } {
  if (!scaledByOthers) return KEEPS_FIELD_MANAGER;
  return { ignoreChanges: [...KEEPS_FIELD_MANAGER.ignoreChanges, "spec.instances"] };
}
