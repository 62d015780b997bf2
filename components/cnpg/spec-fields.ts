/**
 * What is read of `spec`, CloudNativePG's own fields. Any JSON may stand there. A value of another form than CloudNativePG's
 * counts as left out here: the operator refuses it. Pure.
 */
import { isObject } from "../value-check";

/** CloudNativePG's own fields, as a user writes them under `spec`. */
export type Spec = Readonly<Record<string, unknown>>;

/** What is at a field, e.g. `postgresql.ldap`; undefined if there is nothing. */
export function valueAt(object: unknown, field: string): unknown {
  return field
    .split(".")
    .reduce<unknown>((value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined), object);
}

/**
 * The keys that lead to a field as the API server names it, e.g. `a.b[0].c`. Keys may have dots. Undefined if nothing is
 * there.
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

/** The text at a field. */
export function textAt(object: unknown, field: string): string | undefined {
  const value = valueAt(object, field);
  return typeof value === "string" ? value : undefined;
}

/** The number at a field. */
export function numberAt(object: unknown, field: string): number | undefined {
  const value = valueAt(object, field);
  return typeof value === "number" ? value : undefined;
}

/** The list at a field; empty if there is none. */
export function listAt(object: unknown, field: string): readonly unknown[] {
  const value = valueAt(object, field);
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** The texts of the list at a field. */
export function textsAt(object: unknown, field: string): string[] {
  return listAt(object, field).filter((value) => typeof value === "string");
}

/** The texts of the mapping at a field, e.g. labels. */
export function textMapAt(object: unknown, field: string): Record<string, string> {
  const value = valueAt(object, field);
  const texts = Object.entries(isObject(value) ? value : {}).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}

/** CloudNativePG's Services that are not made: of `ro` and `r`. */
export function disabledServices(spec: Spec = {}): string[] {
  return textsAt(spec, "managed.services.disabledDefaultServices");
}

/** Names of the Services besides CloudNativePG's. */
export function additionalServices(spec: Spec = {}): string[] {
  return listAt(spec, "managed.services.additional").flatMap(
    (service) => textAt(service, "serviceTemplate.metadata.name") ?? [],
  );
}

/** Whether the primary is updated only when a person says so. */
export function isSupervised(spec: Spec = {}): boolean {
  return textAt(spec, "primaryUpdateStrategy") === "supervised";
}
