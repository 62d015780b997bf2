/**
 * Who owns a field of an object: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
 * Pure.
 */
import type { KubernetesObject } from "./client";

/** @param path in the notation of `fieldsV1`: `"f:spec", "f:instances"` */
export function ownersOf({ metadata }: KubernetesObject, ...path: string[]): string[] {
  const { managedFields = [] } = metadata as { managedFields?: { manager?: string; fieldsV1?: object }[] };
  return managedFields.filter(({ fieldsV1 }) => isIn(fieldsV1, path)).map(({ manager = "another" }) => manager);
}

function isIn(fields: unknown, [first, ...rest]: string[]): boolean {
  if (first === undefined) return fields !== undefined;
  return isIn((fields as Record<string, unknown> | undefined)?.[first], rest);
}
