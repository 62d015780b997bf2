/** Mocha's spec reporter, which also leaves its counts in the file that TEST_COUNTS names. */
import { writeFileSync } from "node:fs";
import { reporters, Runner } from "mocha";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

class CountingReporter extends reporters.Spec {
  override done(failures: number, end: (failures: number) => void): void {
    const counts: Counts = { passed: this.stats.passes, failed: this.stats.failures, skipped: this.stats.pending };
    if (process.env.TEST_COUNTS) writeFileSync(process.env.TEST_COUNTS, JSON.stringify(counts));
    end(failures);
  }
}

// Mocha loads a reporter with `require` and wants the class itself.
module.exports = CountingReporter satisfies new (runner: Runner, options: Mocha.MochaOptions) => unknown;
