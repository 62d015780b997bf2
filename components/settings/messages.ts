/** What is said of settings that are not as they should be: unknown keys, wrong types, values that are not allowed. Pure. */
import { CLUSTER_SPEC_FIELDS, placeOfClusterField } from "../cnpg/cluster-fields";
import type { SettingProblem } from "../problems";

/**
 * A key that is not known: a field of CloudNativePG's, misspelt, at the wrong place, or none at all.
 *
 * @param known the keys that may stand there
 * @param elsewhere for a key of a database or an application: where it stands one level below
 */
export function unknownKey(
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

export function notAllowed(setting: string, value: unknown, allowed: readonly string[]): SettingProblem {
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
