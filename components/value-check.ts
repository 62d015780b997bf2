/**
 * Single values: what is known of them, and checks with the same messages for every setting. A missing value passes.
 * Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import { SettingProblem } from "./problems";

/** An amount, with or without a unit: `200`, `0.5`, `512Mi`. YAML may have it as a number. */
export type Amount = string;

/** Whether it is a mapping, as YAML and JSON have it. An output of Pulumi is none. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== "object") return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Whether it is neither a plain value nor a list or mapping: an output or a promise. */
export function isComputed(value: unknown): boolean {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !isObject(value);
}

/** Refuses an output or a promise. `why` says what needs the value. */
export function checkPlain(setting: string, value: unknown, why: string): SettingProblem[] {
  if (!isComputed(value)) return [];
  return wrong(setting, undefined, `must be known when the program runs, because ${why}`, "Write a plain value.");
}

/** Pulumi's placeholder in a preview for a value that is not known yet. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What is known of a value that may be computed: undefined until it is. */
export function valueIfKnown<Value extends string>(value: pulumi.Input<Value> | undefined): Value | undefined {
  return typeof value === "string" ? value : undefined;
}

export function wrong(setting: string, value: unknown, problem: string, fix: string): SettingProblem[] {
  return [{ setting, value, problem, fix }];
}

/** Checks a whole number. `what` says what it counts, e.g. `seconds`. */
export function checkWholeNumber(
  setting: string,
  value: number | undefined,
  what: string,
  least = 0,
): SettingProblem[] {
  if (value === undefined || (Number.isInteger(value) && value >= least && value < 2 ** 31)) return [];
  return wrong(setting, value, `is not a valid number of ${what}`, `Use a whole number of at least ${least}.`);
}

/** The highest port. */
export const MAX_PORT = 65_535;

export function isPort(port: number, least = 1): boolean {
  return Number.isInteger(port) && port >= least && port <= MAX_PORT;
}

export function checkPort(setting: string, port: number | undefined): SettingProblem[] {
  if (port === undefined || isPort(port)) return [];
  return wrong(setting, port, "is not a valid port", `Write a number from 1 to ${MAX_PORT}.`);
}

export function checkOneOf(setting: string, value: string | undefined, known: readonly string[]): SettingProblem[] {
  if (value === undefined || known.includes(value)) return [];
  return wrong(setting, value, "is not one of the allowed values", `Use ${known.join(" or ")}.`);
}

/** Whether PostgreSQL accepts a name: 1 to 63 bytes, without NUL. */
export function isPostgresName(name: string): boolean {
  return name !== "" && !name.includes("\0") && Buffer.byteLength(name) <= 63;
}

/** Refuses repeated values. `fix` says what to do with a repetition. */
export function checkUnique(
  setting: (index: number) => string,
  values: readonly string[],
  fix = "Remove one of the two.",
): SettingProblem[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) < index ? wrong(setting(index), value, "is listed twice", fix) : [],
  );
}

/**
 * Whether the text is a URL that begins with http:// or https://. `localhost:8200` is a URL too, with the scheme
 * `localhost`.
 */
export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^/]/i.test(text);
}
