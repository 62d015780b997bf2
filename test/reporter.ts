/** Mocha's spec reporter, which also says at once why a test failed, and leaves its counts in the file that TEST_COUNTS names. */
import { writeFileSync } from "node:fs";
import { reporters, Runner } from "mocha";

/** Characters of a failure's message that are shown at once. */
const SHOWN = 3_000;

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

class CountingReporter extends reporters.Spec {
  constructor(runner: Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    // At once as well as in the list at the end, which may be an hour away.
    runner.on("fail", (_test, error: Error) => console.log(`\n${error.message.slice(0, SHOWN)}\n`));
  }

  override done(failures: number, end: (failures: number) => void): void {
    const counts: Counts = { passed: this.stats.passes, failed: this.stats.failures, skipped: this.stats.pending };
    if (process.env.TEST_COUNTS) writeFileSync(process.env.TEST_COUNTS, JSON.stringify(counts));
    end(failures);
  }
}

// Mocha loads a reporter with `require` and wants the class itself.
module.exports = CountingReporter satisfies new (runner: Runner, options: Mocha.MochaOptions) => unknown;
