/** Logs in every second during other steps, and measures for how long nobody could. */
import { EverySecond } from "./every-second";

export interface LoginReport {
  /** The way of these logins. */
  name: string;
  made: number;
  failed: number;
  /** The longest time without a successful login, in seconds. */
  gap: number;
  /** What failed logins printed last, each line once. */
  reasons: string;
  /** The step during which the last failed login began. */
  lastFailed?: string;
}

export class RepeatedLogin {
  private readonly begun = Date.now();
  private readonly worked: number[] = [];
  private readonly every: EverySecond;

  /**
   * @param name the way of the logins
   * @param during name of the current step
   * @param logIn logs in once
   */
  constructor(
    private readonly name: string,
    during: () => string,
    logIn: () => Promise<{ code: number; output: string }>,
  ) {
    this.every = new EverySecond(during, async () => {
      const { code, output } = await logIn();
      if (code === 0) this.worked.push(Date.now());
      return code === 0 ? undefined : output.trim();
    });
  }

  /** Ends after the current login. */
  async end(): Promise<LoginReport> {
    const samples = await this.every.end();
    const times = [this.begun, ...this.worked, Date.now()];
    const { problems } = this.every;
    return {
      name: this.name,
      made: samples.length,
      failed: problems.length,
      gap: Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time))) / 1_000,
      reasons: [...new Set(problems.map(({ problem = "" }) => problem.split("\n").at(-1)))].join("; "),
      lastFailed: problems.at(-1)?.during,
    };
  }
}

/** The report as a line of a test's output. */
export function printed({ name, made, failed, gap, reasons }: LoginReport): string {
  return `    ${name}: ${failed} of ${made} logins failed, longest gap ${gap.toFixed(1)} s ${reasons}`;
}
