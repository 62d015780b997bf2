/** What a declaration needs of CloudNativePG, and whether an API server serves it. Pure. */

/** Names of the fields of an object, and of what is in them; of a list, those of all its elements together. */
export interface Fields {
  [field: string]: Fields;
}

/** What is written, by the kinds' names in the API server's paths: `clusters`, `poolers`, `databases`, `databaseroles`. */
export type OperatorNeeds = Record<string, { spec?: Fields }>;

/** What an API server serves of `postgresql.cnpg.io/v1`. */
export interface ServedOperator {
  /** Names of kinds, by their names in paths; undefined where the group is not served. */
  kinds?: Record<string, string>;
  /** Schemas by kind; none where they cannot be read. */
  schemas?: Record<string, Schema>;
}

/** What we look at of an OpenAPI schema. */
export interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** The fields of a value, without what is in them. What is no plain object, as an output, has none. */
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

/** What several declarations need together. */
export function needsOfAll(all: readonly OperatorNeeds[]): OperatorNeeds {
  const kinds = [...new Set(all.flatMap((needs) => Object.keys(needs)))];
  const fields = (kind: string) => all.map((needs) => needs[kind]?.spec ?? {}).reduce(together, {});
  return Object.fromEntries(kinds.map((kind) => [kind, { spec: fields(kind) }]));
}

/** What of the needs is not served: kinds, and fields as paths (`poolers: spec.pgbouncer.clientTLSSecret`). */
export function unserved({ kinds = {}, schemas = {} }: ServedOperator, needs: OperatorNeeds): string[] {
  return Object.entries(needs).flatMap(([plural, fields]) => {
    const kind = kinds[plural];
    if (kind === undefined) return [plural];
    return unknownFields({ spec: fields.spec ?? {} }, schemas[kind] ?? {}, "").map((path) => `${plural}: ${path}`);
  });
}

/** An API server leaves out what a schema does not name, without a word. Where a schema says nothing, all is taken. */
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
