/** What a declaration needs of CloudNativePG, and whether an API server serves it. Pure. */

/** Names of the fields of an object and of its nested objects. A list has the fields of all its elements. */
export interface Fields {
  [field: string]: Fields;
}

/** Fields that are written, by kind. Kinds have the names of the API server's paths: `clusters`, `poolers`, `databases`. */
export type OperatorNeeds = Record<string, { spec?: Fields }>;

/** What an API server serves of `postgresql.cnpg.io/v1`. */
export interface ServedOperator {
  /** Names of kinds, by their names in paths. Undefined if the group is not served. */
  kinds?: Record<string, string>;
  /** Schemas by kind. None if they cannot be read. */
  schemas?: Record<string, Schema>;
}

/** The parts of an OpenAPI schema that are used. */
export interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** The names of a value's fields, without the values. Anything but a plain object, e.g. an output, has no fields. */
export function fieldsOf(value: unknown): Fields {
  if (Array.isArray(value)) return value.map(fieldsOf).reduce(together, {});
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return {};
  const present = Object.entries(value).filter(([, content]) => content !== undefined);
  return Object.fromEntries(present.map(([field, content]) => [field, fieldsOf(content)]));
}

function together(one: Fields, other: Fields): Fields {
  const common = Object.entries(other).map(([field, fields]) => [field, together(one[field] ?? {}, fields)]);
  return { ...one, ...Object.fromEntries(common) };
}

/** The combined needs of several declarations. */
export function combinedNeeds(all: readonly OperatorNeeds[]): OperatorNeeds {
  const kinds = [...new Set(all.flatMap((needs) => Object.keys(needs)))];
  const fields = (kind: string) => all.map((needs) => needs[kind]?.spec ?? {}).reduce(together, {});
  return Object.fromEntries(kinds.map((kind) => [kind, { spec: fields(kind) }]));
}

/** The needs that are not served: kinds, and fields as paths (`poolers: spec.pgbouncer.clientTLSSecret`). */
export function unsupportedNeeds({ kinds = {}, schemas = {} }: ServedOperator, needs: OperatorNeeds): string[] {
  return Object.entries(needs).flatMap(([plural, fields]) => {
    const kind = kinds[plural];
    if (kind === undefined) return [plural];
    return unknownFields({ spec: fields.spec ?? {} }, schemas[kind] ?? {}, "").map((path) => `${plural}: ${path}`);
  });
}

/** An API server silently drops fields that are not in the schema. If a schema lists no fields, every field is accepted. */
function unknownFields(fields: Fields, schema: Schema, path: string): string[] {
  const { properties, additionalProperties, items, "x-kubernetes-preserve-unknown-fields": keepsAll } = schema;
  if (items) return unknownFields(fields, items, path);
  return Object.entries(fields).flatMap(([field, below]) => {
    const at = path === "" ? field : `${path}.${field}`;
    const known = properties?.[field] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
    if (known) return unknownFields(below, known, at);
    return properties && !keepsAll && !additionalProperties ? [at] : [];
  });
}
