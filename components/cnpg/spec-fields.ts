/**
 * Reads `spec`, CloudNativePG's own fields, which may contain any JSON. A value of the wrong type counts as absent here,
 * because the operator refuses it. Pure.
 */
import { isObject } from "../value-check";

/** CloudNativePG's own fields, as a user writes them under `spec`. */
export type Spec = Readonly<Record<string, unknown>>;

/** The value of a field, e.g. `postgresql.ldap`. Undefined if there is none. */
export function valueAt(object: unknown, field: string): unknown {
  return field
    .split(".")
    .reduce<unknown>((value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), object);
}

/**
 * The keys on the path to a field, in the API server's notation, e.g. `a.b[0].c`. Keys may contain dots. Undefined if the
 * field does not exist.
 */
export function keysTo(value: unknown, field: string): string[] | undefined {
  if (field === "") return [];
  if (Array.isArray(value)) {
    const [, index, rest = ""] = /^\[([0-9]+)\](.*)$/s.exec(field) ?? [];
    if (index === undefined || Number(index) >= value.length) return undefined;
    const below = keysTo(value[Number(index)], rest);
    return below && [index, ...below];
  }
  if (!isObject(value)) return undefined;
  const inside = field.replace(/^\./, "");
  for (const key of Object.keys(value)) {
    const rest = inside.slice(key.length);
    const below = inside.startsWith(key) && /^([.[]|$)/.test(rest) ? keysTo(value[key], rest) : undefined;
    if (below) return [key, ...below];
  }
  return undefined;
}

/** The string in a field. Undefined if there is none. */
export function stringAt(object: unknown, field: string): string | undefined {
  const value = valueAt(object, field);
  return typeof value === "string" ? value : undefined;
}

/** The number in a field. Undefined if there is none. */
export function numberAt(object: unknown, field: string): number | undefined {
  const value = valueAt(object, field);
  return typeof value === "number" ? value : undefined;
}

/** The list in a field. Empty if there is none. */
export function listAt(object: unknown, field: string): readonly unknown[] {
  const value = valueAt(object, field);
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** The strings of the list in a field. */
export function stringsAt(object: unknown, field: string): string[] {
  return listAt(object, field).filter((value) => typeof value === "string");
}

/** The string values of the mapping in a field, e.g. labels. */
export function stringMapAt(object: unknown, field: string): Record<string, string> {
  const value = valueAt(object, field);
  const texts = Object.entries(isObject(value) ? value : {}).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}

/** CloudNativePG's Services that are disabled: `ro`, `r`, or both. */
export function disabledServices(spec: Spec = {}): string[] {
  return stringsAt(spec, "managed.services.disabledDefaultServices");
}

/** Names of the additional Services. */
export function additionalServices(spec: Spec = {}): string[] {
  return listAt(spec, "managed.services.additional").flatMap(
    (service) => stringAt(service, "serviceTemplate.metadata.name") ?? [],
  );
}

/** Whether a person must start the update of the primary. */
export function isSupervised(spec: Spec = {}): boolean {
  return stringAt(spec, "primaryUpdateStrategy") === "supervised";
}
