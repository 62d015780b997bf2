/** Checks labels in Teleport. Pure. Values that a preview does not know yet pass. */
import type { SettingProblem } from "../../problems";
import { UNKNOWN } from "../../value-check";
import { OWNER_LABEL } from "../../owner-label";
import { parseDuration } from "../../durations";

/** Teleport's rule for the keys of labels (`IsValidLabelKey`). */
const KEY = /^[a-z0-9A-Z/_:*.-]+$/;

/** Checks labels with a fixed value. */
export function checkLabels(setting: string, labels: unknown): SettingProblem[] {
  if (labels === undefined || labels === UNKNOWN) return [];
  return Object.entries(labels as Record<string, unknown>).flatMap(([key, value]) => {
    const at = `${setting} ${key}`;
    if (value === UNKNOWN) return [];
    const wrongKey = checkKey(at, key);
    if (wrongKey.length > 0 || typeof value === "string") return wrongKey;
    return [{ setting: at, value, problem: "must be a string", fix: "Write the value in quotes." }];
  });
}

/** Checks labels whose value is the output of a command. */
export function checkDynamicLabels(setting: string, labels: unknown): SettingProblem[] {
  const entries = Object.entries((labels ?? {}) as Record<string, { command?: unknown; period?: unknown }>);
  return entries.flatMap(([key, { command, period }]) => {
    const at = `${setting}.${key}`;
    const isCommand = Array.isArray(command) && command.length > 0 && command.every((part) => typeof part === "string");
    const lasts = typeof period === "string" ? (parseDuration(period) ?? 0) : 0;
    return [
      ...checkKey(at, key),
      ...(isCommand
        ? []
        : [
            {
              setting: `${at}.command`,
              value: command,
              problem: "must be a non-empty list of strings",
              fix: 'Write e.g. ["date"].',
            },
          ]),
      ...(lasts >= 1_000 // a shorter period is a mistake; Teleport raises it to a second
        ? []
        : [
            {
              setting: `${at}.period`,
              value: period,
              problem: "must be a duration of at least 1s",
              fix: "Write e.g. 1m or 1h30m.",
            },
          ]),
    ];
  });
}

function checkKey(setting: string, key: string): SettingProblem[] {
  if (!KEY.test(key)) {
    return [
      {
        setting,
        problem: "contains a character that Teleport refuses",
        fix: "Use letters, digits and the characters / _ : * . -",
      },
    ];
  }
  if (key !== OWNER_LABEL && !key.startsWith("teleport.dev/")) return [];
  return [{ setting, problem: "is reserved", fix: "Choose another key." }];
}
