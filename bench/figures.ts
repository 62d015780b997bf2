/** The figures of a run: medians, spread, and how they are printed. Pure. */
import type { Row } from "./rows";

/** What was measured for a row. */
export interface Figures extends Pick<Row, "name" | "unit"> {
  ours: readonly number[];
  /** Empty if the row has no baseline. */
  baseline: readonly number[];
}

/** A row of the JSON object. */
export interface Result {
  /** Medians. */
  ours: number;
  baseline: number | null;
  /** Of the medians. */
  ratio: number | null;
  unit: string;
  /** How often each side was measured. */
  n: number;
}

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new Error("There is no median of no values.");
  return (low + high) / 2;
}

export function results(figures: readonly Figures[]): Record<string, Result> {
  return Object.fromEntries(
    figures.map(({ name, unit, ours, baseline }) => {
      const [mine, theirs] = [median(ours), baseline.length > 0 ? median(baseline) : null];
      const ratio = theirs === null ? null : rounded(mine / theirs);
      return [name, { ours: rounded(mine), baseline: theirs && rounded(theirs), ratio, unit, n: ours.length }];
    }),
  );
}

/** Medians, in parentheses the lowest and the highest value, and the ratio of the medians. */
export function table(figures: readonly Figures[]): string {
  const lines = figures.map((each) => {
    const { ratio } = results([each])[each.name] as Result;
    return [
      each.name,
      withSpread(each.ours, each.unit),
      each.baseline.length > 0 ? withSpread(each.baseline, each.unit) : "-",
      ratio === null ? "-" : shown(ratio),
      String(each.ours.length),
    ];
  });
  const rows = [["row", "ours", "baseline", "ratio", "n"], ...lines];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function withSpread(values: readonly number[], unit: string): string {
  const spread = values.length > 1 ? ` (${shown(Math.min(...values))} to ${shown(Math.max(...values))})` : "";
  return `${shown(median(values))} ${unit}${spread}`;
}

/** With two decimals below 10, one below 100, and none above. */
function shown(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
