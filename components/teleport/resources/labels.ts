/** Checks of labels in Teleport. Pure; what is not known yet in a preview passes. */
import type { SettingProblem } from "../../problems";
import { UNKNOWN } from "../../dynamic/unknown";
import { OWNER_LABEL } from "../../owner-label";
import { parseDuration } from "../../go-duration";

/** Teleport's rule for the keys of labels (`IsValidLabelKey`). */
const KEY = /^[a-z0-9A-Z/_:*.-]+$/;

/** Labels with a fixed value. */
export function checkLabels(setting: string, labels: unknown): SettingProblem[] {
  if (labels === undefined || labels === UNKNOWN) return [];
  return Object.entries(labels as Record<string, unknown>).flatMap(([key, value]) => {
    const at = `${setting} ${key}`;
    if (value === UNKNOWN) return [];
    const wrongKey = checkKey(at, key);
    if (wrongKey.length > 0 || typeof value === "string") return wrongKey;
    return [{ setting: at, value, problem: "has a value that is no text", fix: "Quote it." }];
  });
}

/** Labels whose value a command prints. */
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
            { setting: `${at}.command`, value: command, problem: "is no command", fix: 'Write a list, e.g. ["date"].' },
          ]),
      ...(lasts >= 1_000 // what runs more often than that is a mistake; Teleport raises it to a second
        ? []
        : [
            {
              setting: `${at}.period`,
              value: period,
              problem: "is no duration of a second or more",
              fix: "Write e.g. 1m or 1h30m.",
            },
          ]),
    ];
  });
}

function checkKey(setting: string, key: string): SettingProblem[] {
  if (!KEY.test(key)) {
    return [{ setting, problem: "has a character that Teleport refuses", fix: "Use letters, digits and / _ : * . -" }];
  }
  if (key !== OWNER_LABEL && !key.startsWith("teleport.dev/")) return [];
  return [{ setting, problem: "is reserved", fix: "Choose another key." }];
}
