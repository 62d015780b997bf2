/** What the schema finds, in our words. What is allowed is taken from the schema, so that no hint can omit any. Pure. */
import { z } from "zod";
import { CLUSTER_SPEC_FIELDS, placeOfClusterField } from "../components/cnpg/cluster-fields";
import type { SettingProblem } from "../components/problems";

type JsonObject = Record<string, unknown>;
type Issue = z.core.$ZodIssue;

export const isObject = (value: unknown): value is JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** Schema of a value: the issues that a check finds name what they allow. */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.ZodSafeParseResult<z.output<Schema>> {
  return schema.safeParse(value, { reportInput: true, error: allowedKeys });
}

/** The only way to learn from zod which keys an object may have: its schema is not in the issue in the end. */
function allowedKeys({ code, inst }: z.core.$ZodRawIssue): string | undefined {
  if (code !== "unrecognized_keys") return undefined;
  const { shape = {} } = (inst as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def ?? {};
  return JSON.stringify(Object.keys(shape));
}

/** Where a value may be one or a list: what is wrong with it as what it is, and not that it is neither. */
export function told(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const ofItsKind = issue.errors.find(
    (found) => !found.some(({ code, path }) => code === "invalid_type" && !path.length),
  );
  if (!ofItsKind?.length) return [issue];
  return ofItsKind.flatMap((nested) => told({ ...nested, path: [...issue.path, ...nested.path] }));
}

/** What a failed check found, by settings; `root` is put before each. `schema` is what was checked. */
export function problemsOf(found: z.ZodError, root: string, schema: z.ZodType): SettingProblem[] {
  return found.issues.flatMap(told).flatMap((issue) => problemsOfIssue(issue, root, schema));
}

const REFERENCE = "docs/configuration.md lists all settings and their values.";

function problemsOfIssue(issue: Issue, root: string, schema: z.ZodType): SettingProblem[] {
  const setting = issue.path.reduce<string>(
    (path, step) => (typeof step === "number" ? `${path}[${step}]` : `${path}.${String(step)}`),
    root,
  );
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = JSON.parse(issue.message) as string[];
      return issue.keys.map((key) => ({
        setting: `${setting}.${key}`,
        ...unknownKey(key, known, issue.path, schema),
      }));
    }
    case "invalid_type": {
      const expected = NAMES_OF_TYPES[issue.expected] ?? `a ${issue.expected}`;
      return issue.input === undefined
        ? [{ setting, problem: "is missing", fix: `Give it ${expected}.` }]
        : [{ setting, value: issue.input, problem: `must be ${expected}`, fix: typeHint(expected, issue.input) }];
    }
    case "invalid_union":
      return [ofNoKind(issue, setting)];
    case "invalid_value":
      return [notAllowed(setting, issue.input, issue.values.map(String))];
    default:
      return [{ setting, value: issue.input, problem: issue.message, fix: REFERENCE }];
  }
}

/** A key that the schema does not know: a field of CloudNativePG's, misspelt, at the wrong place, or none at all. */
function unknownKey(
  key: string,
  known: readonly string[],
  path: readonly PropertyKey[],
  schema: z.ZodType,
): Pick<SettingProblem, "problem" | "fix"> {
  const problem = "is not a setting";
  const isOfDatabase = path.length === 0 && known.includes("storage");
  const ofCluster = isOfDatabase ? placeOfClusterField(key) : undefined;
  if (ofCluster !== undefined) return ofCluster;
  const similar = nearest(key, known);
  if (similar !== undefined) return { problem, fix: `Did you mean ${similar}?` };
  const [elsewhere, ...others] = path.length === 0 && key !== "name" ? placesOf(key, schema) : [];
  if (elsewhere !== undefined && others.length === 0) return { problem: `${problem} here`, fix: `Use ${elsewhere}.` };
  const field = isOfDatabase ? nearest(key, CLUSTER_SPEC_FIELDS) : undefined;
  const place = field === undefined ? undefined : placeOfClusterField(field);
  if (place !== undefined) return { problem, fix: `Did you mean CloudNativePG's ${field}? ${place.fix}` };
  return { problem, fix: "Check the spelling; docs/configuration.md lists all settings." };
}

/** What chooses between kinds is wrong, or the value is neither a mapping nor what else may stand there. */
function ofNoKind(issue: Extract<Issue, { code: "invalid_union" }>, setting: string): SettingProblem {
  const { discriminator, options } = issue as { discriminator?: string; options?: unknown[] };
  if (discriminator !== undefined && options) {
    const value = isObject(issue.input) ? issue.input[discriminator] : undefined;
    return notAllowed(setting, value, options.map(String));
  }
  const kinds = issue.errors.flatMap((found) =>
    found.flatMap((nested) =>
      nested.code === "invalid_type" ? [NAMES_OF_TYPES[nested.expected] ?? `a ${nested.expected}`] : [],
    ),
  );
  const allowed = listed([...new Set(kinds)]);
  return { setting, value: issue.input, problem: `must be ${allowed}`, fix: `Write ${allowed}.` };
}

function notAllowed(setting: string, value: unknown, allowed: readonly string[]): SettingProblem {
  const fix = `Use ${listed(allowed)}.`;
  return value === undefined
    ? { setting, problem: "is missing", fix }
    : { setting, value, problem: "is not one of the allowed values", fix };
}

/** The schema's names of types, as YAML calls them. */
const NAMES_OF_TYPES: Record<string, string> = {
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  string: "a string",
  boolean: "true or false",
  int: "a whole number",
};

function typeHint(expected: string, value: unknown): string {
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

/** Where a key stands one level below in the schema: `dataChecksums` is `initdb.dataChecksums`. */
function placesOf(key: string, schema: z.ZodType): string[] {
  return Object.entries(shapeOf(schema)).flatMap(([name, inner]) =>
    kindsOf(inner).some((kind) => Object.hasOwn(shapeOf(kind), key)) ? [`${name}.${key}`] : [],
  );
}

type Definition = { shape?: Record<string, z.core.$ZodType>; innerType?: z.core.$ZodType; options?: z.core.$ZodType[] };
const definitionOf = (schema: z.core.$ZodType) => schema._zod.def as unknown as Definition;
const shapeOf = (schema: z.core.$ZodType) => definitionOf(schema).shape ?? {};

/** A schema without what makes it optional, or the kinds that it chooses between. */
function kindsOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  const { innerType, options } = definitionOf(schema);
  return innerType ? kindsOf(innerType) : (options?.flatMap(kindsOf) ?? [schema]);
}
