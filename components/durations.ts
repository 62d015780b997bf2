/**
 * Durations in settings: a whole number of days or hours, e.g. `90d` or `2160h`; and in Go's notation, as Teleport and
 * Vault read and print them, e.g. `1h30m`. Pure.
 */
import { SettingProblem } from "./problems";

const HOURS_OF: Record<string, number> = { h: 1, d: 24 };
const DURATION = /^([1-9][0-9]{0,5})([hd])$/;

/** The hours of a checked duration. @throws RangeError if it is not valid */
export function hours(duration: string): number {
  const [, number, unit] = DURATION.exec(duration) ?? [];
  if (number === undefined || unit === undefined)
    throw new RangeError(`${duration} is not a valid duration, such as 90d or 2160h`);
  return Number(number) * (HOURS_OF[unit] ?? NaN);
}

/** Checks a duration. */
export function checkDuration(setting: string, duration: string): SettingProblem[] {
  if (DURATION.test(duration)) return [];
  return [
    {
      setting,
      value: duration,
      problem: "is not a valid duration",
      fix: "Write a whole number of days or hours, e.g. 90d or 2160h.",
    },
  ];
}

const GO_DURATION = /^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$/;
const MILLISECONDS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** A duration in Go's notation in milliseconds; undefined if it is not valid, e.g. `8` or `1 hour`. */
export function parseDuration(text: string): number | undefined {
  if (!GO_DURATION.test(text)) return undefined;
  const parts = text.matchAll(/([0-9.]+)(h|ms|m|s)/g);
  const sum = [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (MILLISECONDS[unit ?? ""] ?? NaN), 0);
  // Rounded to microseconds, because multiplication leaves smaller errors. Go counts nanoseconds in 63 bits.
  return sum < 2 ** 63 / 1e6 ? Math.round(sum * 1_000) / 1_000 : undefined;
}

/** The form that Go prints: `90s` becomes `1m30s`, `8h` becomes `8h0m0s`. */
export function goDuration(text: string): string | undefined {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) return undefined;
  if (milliseconds > 0 && milliseconds < 1_000) return `${milliseconds}ms`;
  const [hours, rest] = [Math.floor(milliseconds / 3_600_000), milliseconds % 3_600_000];
  const [minutes, seconds] = [Math.floor(rest / 60_000), Math.round((rest % 60_000) * 1_000) / 1_000_000];
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
