/**
 * Fields of a Cluster or Pooler that others wrote, e.g. with `kubectl scale` or `kubectl annotate`. The last writer owns a
 * field. The API server then refuses other values from other appliers. And Pulumi's Kubernetes provider takes over the fields
 * that kubectl wrote, and removes those that are not declared (`fixCSAFieldManagers`). Pure.
 */
import { FENCING, HIBERNATION } from "./stopped";
import type { KubernetesObject } from "../kubernetes/client";
import { ownersOf, PROVIDER_MANAGER, KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";

/** The field manager that keeps annotations that the settings do not declare. The provider takes nothing over from it. */
export const KEPT_ANNOTATIONS_MANAGER = "cnpg-teleport-keeps-by-hand";
/**
 * Prefixes of the field managers that the provider takes over: kubectl, its plugins, and the API server's for unknown
 * ones.
 */
const TAKEN_OVER = ["kubectl", "before-first-apply"];

/**
 * Pulumi options of a Cluster or Pooler. If others may scale it, changes of `spec.instances` are ignored. The provider then
 * leaves this field out if another manager owns it, and applies the present number if it owns the field itself
 * (`handleSSAIgnoreFields`). So it never gives the field up, which would set it to the default of 1.
 */
export function ignoredChanges({ scaledByOthers = false }: { scaledByOthers?: boolean }): { ignoreChanges: string[] } {
  if (!scaledByOthers) return KEEPS_FIELD_MANAGER;
  return { ignoreChanges: [...KEEPS_FIELD_MANAGER.ignoreChanges, "spec.instances"] };
}

/** The declared values of fields that others may write. */
export interface DeclaredFields {
  /** Absent if others may scale the object. */
  instances?: number;
  /** The annotations that stop instances. Absent for a Pooler, which has none. */
  annotations?: Record<string, string>;
}

/** What must be written before the provider applies the declared object. */
export interface Preparation {
  /** The declared values of fields that others have changed. */
  changed: { spec?: { instances: number }; annotations?: Record<string, string> };
  /** Annotations that are not declared and must stay. `KEPT_ANNOTATIONS_MANAGER` owns all of them from now on. */
  kept: Record<string, string>;
  isNeeded: boolean;
  /** Messages about what others set, and what happens to it. */
  messages: string[];
}

export function preparationFor(found: KubernetesObject, declared: DeclaredFields): Preparation {
  const changed: Preparation["changed"] = {};
  const kept: Record<string, string> = {};
  const messages: string[] = [];
  let isNeeded = false;
  const name = `${String(found.metadata.namespace)}/${found.metadata.name}`;

  const scaled = ownersOf(found, "f:spec", "f:instances").filter(isForeign);
  const { instances } = declared;
  if (instances !== undefined && found.spec?.instances !== instances && scaled.length > 0) {
    changed.spec = { instances };
    messages.push(
      `${name} was scaled to ${String(found.spec?.instances)} by ${scaled.join(", ")}. It gets ${instances} again, as ` +
        "declared. To leave the number to others, set scaledByOthers: true.",
    );
  }

  const annotations = (found.metadata.annotations ?? {}) as Record<string, string>;
  for (const annotation of declared.annotations === undefined ? [] : [HIBERNATION, FENCING]) {
    const [value, wanted] = [annotations[annotation], declared.annotations?.[annotation]];
    if (value === undefined) continue;
    const owners = ownersOf(found, "f:metadata", "f:annotations", `f:${annotation}`);
    const foreign = owners.filter(isForeign);
    if (wanted !== undefined && value !== wanted && foreign.length > 0) {
      changed.annotations = { ...changed.annotations, [annotation]: wanted };
      messages.push(
        `${name} has the annotation ${annotation}: ${JSON.stringify(value)}, which ${foreign.join(", ")} wrote. It gets ` +
          `${JSON.stringify(wanted)}, as declared.`,
      );
    } else if (owners.includes(KEPT_ANNOTATIONS_MANAGER)) {
      kept[annotation] = value;
    } else if (wanted === undefined && owners.some((owner) => TAKEN_OVER.some((begin) => owner.startsWith(begin)))) {
      kept[annotation] = value;
      isNeeded = true;
    }
  }
  return { changed, kept, isNeeded: isNeeded || messages.length > 0, messages };
}

function isForeign(manager: string): boolean {
  return !manager.startsWith(PROVIDER_MANAGER);
}
