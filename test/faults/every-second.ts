/** Looks at something every second, and keeps what was wrong with it, and when. */
import { setTimeout as sleep } from "node:timers/promises";

export interface Sample {
  /** Seconds since the first look. */
  at: number;
  /** What was being done then. */
  during: string;
  /** What was wrong; undefined where nothing was. */
  problem?: string;
}

export class EverySecond {
  readonly samples: Sample[] = [];
  private going = true;
  private readonly looking: Promise<void>;

  /**
   * @param during what is being done now, in a word
   * @param look resolves to what is wrong, and to undefined where nothing is; what it throws is wrong as well
   */
  constructor(
    private readonly during: () => string,
    private readonly look: () => Promise<string | undefined>,
  ) {
    this.looking = this.run();
  }

  /** Ends after the look that is under way. */
  async end(): Promise<Sample[]> {
    this.going = false;
    await this.looking;
    return this.samples;
  }

  /** Looks that found something wrong. */
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
