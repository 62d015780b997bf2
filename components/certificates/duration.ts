/** Durations in settings: a whole number and a unit, e.g. `90d` or `2160h`. Pure. */
import { SettingProblem } from "../problems";

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
