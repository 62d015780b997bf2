/**
 * Who owns a field of an object: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
 * Pure.
 */
import type { KubernetesObject } from "./client";

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
