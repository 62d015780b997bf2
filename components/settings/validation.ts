/**
 * Checks settings against their JSON Schema, and says what is wrong in this project's words: values that come out of
 * YAML, and the arguments of programs, in which some may be computed. Pure.
 */
import Ajv, { type ErrorObject, type SchemaObject, type ValidateFunction } from "ajv";
import { isComputed, isHttpUrl, isObject } from "../value-check";
import type { SettingProblem } from "../problems";
import * as file from "./settings.schema.json";
import { CLUSTER_SPEC_FIELDS, placeOfClusterField } from "../cnpg/cluster-fields";

/** Types whose values are checked. */
type TypeName = "ApplicationSettings" | "DatabaseSettings" | "KubernetesSettings" | "VaultSettings";

/** The part of JSON Schema that settings.schema.json uses. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: string[];
  const?: string;
  properties?: Record<string, Schema>;
  oneOf?: Schema[];
  then?: Schema;
  else?: Schema;
  discriminator?: { propertyName: string };
  computed?: boolean;
}

/** What a check found. */
export interface Checked<Value> {
  /** The value; undefined if something is wrong with it. */
  value?: Value;
  problems: SettingProblem[];
  /** The value without what is wrong; undefined if something required is missing. */
  rest?: Value;
}

/** That the file is a valid schema is for a unit test; checking and optimizing it would cost each run a second of CPU. */
const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  ownProperties: true,
  discriminator: true,
  allowUnionTypes: true,
  strictTypes: false,
  validateSchema: false,
  meta: false,
  inlineRefs: false,
  code: { optimize: false },
});
ajv.addFormat("url", isHttpUrl);
ajv.addKeyword({
  keyword: "asText",
  modifying: true,
  errors: false,
  /** YAML makes numbers and booleans of `200` and `true`; where text is meant they are taken as they were written. */
  validate: (
    _schema: true,
    value: unknown,
    _parent?: unknown,
    place?: { parentData: unknown; parentDataProperty: string | number },
  ) => {
    if (typeof value === "string" || !place) return true;
    // More digits than this are not kept.
    if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) return false;
    if (typeof value === "number" || typeof value === "boolean")
      (place.parentData as Record<string | number, unknown>)[place.parentDataProperty] = String(value);
    return true;
  },
});
ajv.addKeyword("computed");
const ROOT = "settings";
ajv.addSchema(file as SchemaObject, ROOT);
const definitions = file.definitions as unknown as Record<string, Schema>;

/** Checks a value that came out of YAML; `setting` is where it was written. */
export function validate<Value>(type: TypeName, written: unknown, setting: string): Checked<Value> {
  const check = checkOf<Value>(type);
  const value = structuredClone(written);
  if (check(value)) return { value, problems: [], rest: value };
  const found = withoutFollowing(check.errors ?? []);
  const rest = structuredClone(written);
  for (const error of found) remove(rest, placeOf(error));
  return {
    problems: found.map((error) => problemOf(error, written, setting, type)),
    rest: check(rest) ? rest : undefined,
  };
}

/** A value that the program gives as an output or a promise. */
class Computed {}

/** Checks the arguments of a program. A computed value is accepted where the schema says so; its content is not checked. */
export function checkArguments(type: TypeName, given: object): SettingProblem[] {
  const check = checkOf(type);
  const value = marked(given);
  if (check(value)) return [];
  const found = withoutFollowing(check.errors ?? []);
  const computed = found.filter(({ data }) => data instanceof Computed);
  const refused = new Map(
    computed
      .filter(({ parentSchema }) => !(parentSchema as Schema).computed)
      .map(({ instancePath }) => [instancePath, pathOf(value, keysOf(instancePath), "")]),
  );
  return [
    ...found.filter((error) => !computed.includes(error)).map((error) => problemOf(error, value, "", type)),
    ...[...refused.values()].map((setting) => ({
      setting,
      problem: "must be known when the program runs, but is an output",
      fix: "Write a plain value. docs/library.md lists what may be computed.",
    })),
  ];
}

/** Whether an output or a promise is anywhere in it. */
export function hasComputed(value: unknown): boolean {
  if (value === null || typeof value !== "object") return false;
  return isComputed(value) || Object.values(value).some(hasComputed);
}

/** A copy in which each output and each promise is marked. */
function marked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(marked);
  if (value === null || typeof value !== "object") return value;
  if (!isObject(value)) return new Computed();
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, marked(inner)]));
}

function checkOf<Value>(type: TypeName): ValidateFunction<Value> {
  return ajv.getSchema(`${ROOT}#/definitions/${type}`) as ValidateFunction<Value>;
}

/** Without errors that only say that another one was found, and those of values that have no right type at all. */
function withoutFollowing(errors: readonly ErrorObject[]): ErrorObject[] {
  const told = errors.filter(({ keyword }) => keyword !== "if" && keyword !== "oneOf");
  const untyped = told.filter(({ keyword }) => keyword === "type");
  return told.filter(
    (error) =>
      !untyped.some(
        (other) =>
          other !== error &&
          other.instancePath === error.instancePath &&
          (error.keyword !== "type" || untyped.indexOf(other) < untyped.indexOf(error)),
      ),
  );
}

/** Keys that lead to what is wrong. */
function placeOf({ instancePath, keyword, params }: ErrorObject): string[] {
  const keys = keysOf(instancePath);
  const { additionalProperty, missingProperty, tag } = params as Record<string, string | undefined>;
  const last = { additionalProperties: additionalProperty, required: missingProperty, discriminator: tag }[keyword];
  return last === undefined ? keys : [...keys, last];
}

function problemOf(error: ErrorObject, written: unknown, root: string, type: TypeName): SettingProblem {
  const place = placeOf(error);
  const setting = pathOf(written, place, root);
  const value = valueAt(written, place);
  const schema = (error.parentSchema ?? {}) as Schema;
  switch (error.keyword) {
    case "additionalProperties": {
      const known = Object.keys(schema.properties ?? {});
      const [key = ""] = place.slice(-1);
      return { setting, ...unknownKey(key, known, place.length === 1 ? placesOf(key, type) : undefined) };
    }
    case "required": {
      const missing = schema.properties?.[place.at(-1) ?? ""] ?? {};
      const { enum: allowed } = resolved(missing);
      return {
        setting,
        problem: "is missing",
        fix: allowed ? `Use ${listed(allowed)}.` : `Write ${typeName(missing)}.`,
      };
    }
    case "discriminator":
      return notAllowed(setting, value, tagsOf(schema));
    case "enum":
    case "const":
      return notAllowed(setting, value, schema.enum ?? [String(schema.const)]);
    case "type":
    case "asText": {
      const expected = typeName(schema);
      return { setting, value, problem: `must be ${expected}`, fix: typeHint(expected, value) };
    }
    case "minLength":
      return { setting, value, problem: "must not be empty", fix: "Write a value, or remove it." };
    case "format":
      return {
        setting,
        value,
        problem: "must be a URL that begins with https:// or http://",
        fix: "Write the URL in full.",
      };
    default:
      throw new Error(`${setting}: nothing explains ${error.keyword}: ${error.message}`);
  }
}

/** Keys of a JSON pointer. */
function keysOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function pathOf(written: unknown, place: readonly string[], root: string): string {
  const [path] = place.reduce<[string, unknown]>(
    ([above, value], key) => [
      Array.isArray(value) ? `${above}[${key}]` : above === "" ? key : `${above}.${key}`,
      valueAt(value, [key]),
    ],
    [root, written],
  );
  return path;
}

function valueAt(value: unknown, place: readonly string[]): unknown {
  return place.reduce<unknown>(
    (above, key) =>
      above !== null && typeof above === "object" && Object.hasOwn(above, key)
        ? (above as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

function remove(value: unknown, place: readonly string[]): void {
  const parent = valueAt(value, place.slice(0, -1));
  if (isObject(parent)) delete parent[place.at(-1) ?? ""];
}

function resolved(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : (definitions[schema.$ref.replace("#/definitions/", "")] ?? {});
}

/** The values of the key that tells kinds apart. */
function tagsOf({ oneOf = [], discriminator }: Schema): string[] {
  return oneOf.flatMap((kind) => {
    const tag = resolved(kind).properties?.[discriminator?.propertyName ?? ""] ?? {};
    return tag.enum ?? (tag.const === undefined ? [] : [tag.const]);
  });
}

/** JSON's types, as YAML calls them. */
const TYPES: Record<string, string> = {
  object: "a mapping",
  array: "a list",
  string: "a string",
  boolean: "true or false",
  number: "a number",
};

function typeName(schema: Schema): string {
  const { type, oneOf } = resolved(schema);
  const types = oneOf ? ["object"] : [type ?? []].flat();
  // Where text may stand, numbers and booleans are taken for it.
  const written = types.includes("string")
    ? types.filter((each) => ["string", "object", "array"].includes(each))
    : types;
  const order = Object.keys(TYPES);
  return listed(
    written.sort((one, other) => order.indexOf(one) - order.indexOf(other)).map((each) => TYPES[each] ?? `a ${each}`),
  );
}

/** Where a key is one level below: for `dataChecksums` that is `initdb.dataChecksums`. */
function placesOf(key: string, type: TypeName): string[] {
  return Object.entries(definitions[type]?.properties ?? {}).flatMap(([name, inner]) =>
    kindsOf(inner).some(({ properties = {} }) => Object.hasOwn(properties, key)) ? [`${name}.${key}`] : [],
  );
}

function kindsOf(schema: Schema): Schema[] {
  const one = resolved(schema);
  const kinds = [...(one.oneOf ?? []), ...(one.then ? [one.then] : []), ...(one.else ? [one.else] : [])];
  return kinds.length > 0 ? kinds.flatMap(kindsOf) : [one];
}

/**
 * A key that is not known: a field of CloudNativePG's, misspelt, at the wrong place, or none at all.
 *
 * @param known the keys that may stand there
 * @param elsewhere for a key of a database or an application: where it stands one level below
 */
function unknownKey(
  key: string,
  known: readonly string[],
  elsewhere: readonly string[] | undefined,
): Pick<SettingProblem, "problem" | "fix"> {
  const problem = "is not a setting";
  const isOfDatabase = elsewhere !== undefined && known.includes("storage");
  const ofCluster = isOfDatabase ? placeOfClusterField(key) : undefined;
  if (ofCluster !== undefined) return ofCluster;
  const similar = nearest(key, known);
  if (similar !== undefined) return { problem, fix: `Did you mean ${similar}?` };
  const [only, ...others] = key === "name" ? [] : (elsewhere ?? []);
  if (only !== undefined && others.length === 0) return { problem: `${problem} here`, fix: `Use ${only}.` };
  const field = isOfDatabase ? nearest(key, CLUSTER_SPEC_FIELDS) : undefined;
  const place = field === undefined ? undefined : placeOfClusterField(field);
  if (place !== undefined) return { problem, fix: `Did you mean CloudNativePG's ${field}? ${place.fix}` };
  return { problem, fix: "Check the spelling; docs/configuration.md lists all settings." };
}

function notAllowed(setting: string, value: unknown, allowed: readonly string[]): SettingProblem {
  const fix = `Use ${listed(allowed)}.`;
  return value === undefined
    ? { setting, problem: "is missing", fix }
    : { setting, value, problem: "is not one of the allowed values", fix };
}

/** What to do about a value of another type. */
export function typeHint(expected: string, value: unknown): string {
  if (expected === "a string" && typeof value === "number") {
    return Number.isInteger(value)
      ? "Put the value in quotes: a number of this size is not kept exactly."
      : "Put the value in quotes: without them 1.10 is read as 1.1.";
  }
  return `Write ${expected}, or remove it. docs/configuration.md lists all settings.`;
}

/** `a`, `a or b`, `a, b or c`. */
export function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}

/** The word that was probably meant: few letters differ. Undefined if there is none, or several are as near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.min(3, Math.floor(word.length / 3));
  if (word.length > 40 || limit < 1) return undefined;
  const ranked = known
    .map((candidate) => ({ candidate, distance: distance(word.toLowerCase(), candidate.toLowerCase(), limit) }))
    .filter((found) => found.distance <= limit)
    .sort((one, other) => one.distance - other.distance);
  return ranked[0] && ranked[0].distance !== ranked[1]?.distance ? ranked[0].candidate : undefined;
}

/** Letters to add, to remove, to replace, or to exchange with their neighbour (optimal string alignment). */
function distance(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) > limit) return Infinity;
  const rows = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = Math.min(
        (rows[i - 1]?.[j] ?? Infinity) + 1,
        (row[j - 1] ?? Infinity) + 1,
        (rows[i - 1]?.[j - 1] ?? Infinity) + same,
        swapped ? (rows[i - 2]?.[j - 2] ?? Infinity) + 1 : Infinity,
      );
    }
    rows.push(row);
  }
  return rows[one.length]?.[other.length] ?? Infinity;
}
