/**
 * Fields of a Cluster or Pooler that others wrote, as with `kubectl scale` or `kubectl annotate`. Whoever writes a field owns it
 * from then on: the API server then refuses who applies another value, and Pulumi's Kubernetes provider takes over what kubectl
 * wrote and removes what is not declared (`fixCSAFieldManagers`). Pure.
 */
import { FENCING, HIBERNATION } from "./sleep";
import type { KubernetesObject } from "../kubernetes/client";
import { ownersOf } from "../kubernetes/field-owners";
import { KEEPS_FIELD_MANAGER, PROVIDER_MANAGER } from "../kubernetes/field-owners";

/** Under which name annotations are kept that the settings do not declare. The provider takes nothing over from it. */
export const KEEPER = "cnpg-teleport-keeps-by-hand";
/** How the names begin that the provider takes fields over from: kubectl's, its plugins', and the API server's for unknown ones. */
const TAKEN_OVER = ["kubectl", "before-first-apply"];

/**
 * Options of a Cluster or Pooler. Where others may scale it, the provider leaves a field that changes are ignored of out of
 * what it applies where it is another's, and applies the number that is there where it is its own (`handleSSAIgnoreFields`):
 * so the field is never given up either, which would set it to the default of 1.
 */
export function keepsInstances({ scaledByOthers = false }: { scaledByOthers?: boolean }): { ignoreChanges: string[] } {
  if (!scaledByOthers) return KEEPS_FIELD_MANAGER;
  return { ignoreChanges: [...KEEPS_FIELD_MANAGER.ignoreChanges, "spec.instances"] };
}

/** What the settings declare of the fields that others write. */
export interface DeclaredFields {
  /** Absent where others may scale it. */
  instances?: number;
  /** Of those that stop instances; absent for what has none. */
  annotations?: Record<string, string>;
}

/** What is to be written before the provider applies what is declared. */
export interface Preparation {
  /** The declared values of fields that others have set otherwise. */
  changed: { spec?: { instances: number }; annotations?: Record<string, string> };
  /** Annotations that are not declared, and are to stay: all of those that `KEEPER` owns from now on. */
  kept: Record<string, string>;
  isNeeded: boolean;
  /** Says what others set and what becomes of it. */
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
    } else if (owners.includes(KEEPER)) {
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
