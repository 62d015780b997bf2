/** Measures ours and the baseline in turn, and keeps what was measured. */
import { performance } from "node:perf_hooks";
import { step } from "../lab/host/progress";
import type { Figures } from "./figures";
import type { Options } from "./options";
import { RowId, rowsFor } from "./rows";

/** What is measured on each side, in the unit of the row. */
export interface Sides {
  ours(): Promise<number>;
  baseline?(): Promise<number>;
}

export class Bench {
  /** Number of databases, and of registrations. */
  readonly databases: number;
  private round = 0;
  private readonly measured = new Map<RowId, { ours: number[]; baseline: number[] }>();

  constructor(private readonly options: Options) {
    this.databases = options.databases;
  }

  /** Whether one of these rows is wanted. */
  wants(...ids: RowId[]): boolean {
    return this.options.rows.some(({ id }) => ids.includes(id));
  }

  /** Repeats measurements as often as the user wants. */
  async rounds(once: () => Promise<void>): Promise<void> {
    for (this.round = 1; this.round <= this.options.times; this.round++) await once();
  }

  /** Runs both sides, and keeps the results if both succeed. Every other round begins with the baseline. */
  async measure(id: RowId, { ours, baseline }: Sides): Promise<void> {
    const sides = [
      ["ours", ours],
      ["baseline", baseline],
    ] as const;
    const name = rowsFor(this.databases).find((row) => row.id === id)?.name;
    const measured: [side: "ours" | "baseline", value: number][] = [];
    for (const [side, run] of this.round % 2 === 1 ? sides : sides.toReversed()) {
      if (!run) continue;
      const value = await step(`${name}, ${side}, ${this.round} of ${this.options.times}`, run, { announce: true });
      if (!Number.isFinite(value)) throw new Error(`The measurement of ${name}, ${side} gave no number: ${value}.`);
      measured.push([side, value]);
    }
    const values = this.measured.get(id) ?? { ours: [], baseline: [] };
    this.measured.set(id, values);
    for (const [side, value] of measured) values[side].push(value);
  }

  /** The wanted rows that were measured as often as wanted. A failed measurement leaves its row out. */
  figures(): Figures[] {
    return this.options.rows.flatMap(({ id, name, unit }) => {
      const { ours = [], baseline = [] } = this.measured.get(id) ?? {};
      const isComplete = ours.length === this.options.times && [0, ours.length].includes(baseline.length);
      return isComplete ? [{ name, unit, ours, baseline }] : [];
    });
  }
}

/** How long something takes, in seconds. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}
