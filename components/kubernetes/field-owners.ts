/**
 * Who owns a field of an object: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
 * Pure.
 */
import type { KubernetesObject } from "./client";
import { isObject } from "../value-check";

/** How the names begin under which Pulumi's Kubernetes provider writes. */
export const PROVIDER_MANAGER = "pulumi-kubernetes";

/** Under which name Pulumi's Kubernetes provider writes an object. */
export const FIELD_MANAGER = "pulumi.com/patchFieldManager";

/**
 * An object keeps the name under which it was created, e.g. of a stack that was renamed, or the provider's of a release that
 * left it to the provider. Under another one, an update that changes a value would be refused for the sake of the first.
 */
export const KEEPS_FIELD_MANAGER = { ignoreChanges: [`metadata.annotations["${FIELD_MANAGER}"]`] };

/** @param path in the notation of `fieldsV1`: `"f:spec", "f:instances"` */
export function ownersOf({ metadata }: KubernetesObject, ...path: string[]): string[] {
  const { managedFields = [] } = metadata as { managedFields?: { manager?: string; fieldsV1?: object }[] };
  return managedFields.filter(({ fieldsV1 }) => isIn(fieldsV1, path)).map(({ manager = "another" }) => manager);
}

function isIn(fields: unknown, [first, ...rest]: string[]): boolean {
  if (first === undefined) return fields !== undefined;
  return isIn((fields as Record<string, unknown> | undefined)?.[first], rest);
}

/**
 * The `managedFields` of an object in which only one applier owns fields, and only the given ones. When this manager applies the
 * object, no other manager conflicts. The API server then removes those of the given fields that the manager does not apply. All
 * other fields stay, and belong to nobody until somebody changes them.
 *
 * @param fields paths, e.g. `["spec", "imageName"]`. At least one must exist: without any owner, the API server would treat all
 * fields as another manager's (`before-first-apply`)
 */
export function ownedOnlyBy(found: KubernetesObject, manager: string, fields: readonly string[][]): object[] {
  const { managedFields = [] } = found.metadata as { managedFields?: { subresource?: string }[] };
  const fieldsV1: Owned = {};
  for (const path of fields) {
    let below = fieldsV1;
    let value: unknown = found;
    for (const key of path) {
      value = isObject(value) ? value[key] : undefined;
      below = below[`f:${key}`] ??= {};
    }
    Object.assign(below, ownedBelow(value));
  }
  return [
    // The operator's status.
    ...managedFields.filter(({ subresource = "" }) => subresource !== ""),
    { manager, operation: "Apply", apiVersion: found.apiVersion, fieldsType: "FieldsV1", fieldsV1 },
  ];
}

interface Owned {
  [key: string]: Owned;
}

function ownedBelow(value: unknown): Owned {
  if (!isObject(value)) return {};
  return Object.fromEntries([[".", {}], ...Object.entries(value).map(([key, each]) => [`f:${key}`, ownedBelow(each)])]);
}
