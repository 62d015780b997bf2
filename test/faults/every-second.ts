/** Checks something every second, and records failures and their times. */
import { setTimeout as sleep } from "node:timers/promises";

export interface Sample {
  /** Seconds since the first check. */
  at: number;
  /** The step at that time. */
  during: string;
  /** The failure; undefined if the check passed. */
  problem?: string;
}

export class EverySecond {
  readonly samples: Sample[] = [];
  private going = true;
  private readonly looking: Promise<void>;

  /**
   * @param during name of the current step
   * @param look resolves to the failure, or to undefined; an error counts as a failure
   */
  constructor(
    private readonly during: () => string,
    private readonly look: () => Promise<string | undefined>,
  ) {
    this.looking = this.run();
  }

  /** Ends after the current check. */
  async end(): Promise<Sample[]> {
    this.going = false;
    await this.looking;
    return this.samples;
  }

  /** Failed checks. */
  get problems(): Sample[] {
    return this.samples.filter(({ problem }) => problem !== undefined);
  }

  private async run(): Promise<void> {
    const start = Date.now();
    while (this.going) {
      const began = Date.now();
      const during = this.during();
      const problem = await this.look().catch((error: Error) => error.message);
      this.samples.push({ at: Math.round((began - start) / 1000), during, problem });
      await sleep(Math.max(0, 1_000 - (Date.now() - began)));
    }
  }
}
