/**
 * `npm test`: unit tests, then the tests on the real systems that fit its time, then one line with all counts.
 * `npm run test:lab`: all tests on the real systems. `npm run test:faults`: all tests that cause faults.
 * `npm run test:compat`: the newest engine, and the package as npm, pnpm and yarn install it. Starts the lab. If the
 * lab was not running before, stops it at the end, unless `--keep` is given.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { inherit } from "../lab/host/command";
import { PROJECT, STATE, STATUS_CODE } from "../lab/layout";
import type { Counts } from "./reporter";

const folder = mkdtempSync(join(tmpdir(), "test-counts-"));
/** How long each file on the real systems took. */
const times = join(folder, "times");
/** The signal, e.g. of Ctrl-C. The running command receives it too and ends. No other command is started. */
let interrupted: NodeJS.Signals | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => (interrupted = signal));

async function main(): Promise<number> {
  const totals: Counts = { passed: 0, failed: 0, skipped: 0 };
  const underFault = process.argv.includes("--faults");
  const compat = process.argv.includes("--compat");
  const wholeLab = process.argv.includes("--lab");
  /** Prepares what the tests need from the network. */
  const prepare = compat ? "test/compat/prepare.ts" : underFault ? "test/faults/alone/prepare.ts" : undefined;
  if (!underFault && !compat && !wholeLab) await suite("unit", []);
  const wasUp = (await command("npm", ["run", "--silent", "lab", "--", "status"], true)) !== STATUS_CODE.absent;
  if (interrupted) {
    totals.failed++;
  } else if (
    (await command("npm", ["run", "--silent", "lab", "--", "up"])) === 0 &&
    (!prepare || (await command("npx", ["ts-node", "--transpile-only", prepare])) === 0)
  ) {
    for (const kind of underFault ? ["faults", "faults/alone"] : [compat ? "compat" : wholeLab ? "lab/all" : "lab"])
      await suite(kind, ["npm", "run", "--silent", "lab", "--", "exec"]);
  } else {
    totals.failed++; // what could not run has not passed
  }
  if (compat) rmSync(STATE.compat, { recursive: true, force: true });
  if (!wasUp && !process.argv.includes("--keep")) await command("npm", ["run", "--silent", "lab", "--", "down"]);

  if (existsSync(times)) console.log(readFileSync(times, "utf8").split("\n").sort().reverse().join("\n"));
  console.log(`${totals.passed} passed, ${totals.failed} failed${totals.skipped ? `, ${totals.skipped} skipped` : ""}`);
  if (interrupted) return 128 + constants.signals[interrupted];
  return totals.failed + totals.skipped > 0 ? 1 : 0;

  async function suite(kind: string, prefix: string[]): Promise<void> {
    if (interrupted) return;
    const counts = join(folder, kind.replace("/", "-"));
    const mocha = [
      "npx",
      "mocha",
      "--config",
      `test/${kind}/.mocharc.yaml`,
      "--require",
      "ts-node/register/transpile-only",
      ...(kind === "unit" ? [] : ["--require", "test/file-times.ts"]),
    ];
    const [program = "", ...args] = [...prefix, ...mocha, "--reporter", "test/reporter.ts"];
    const code = await command(program, args, false, { TEST_COUNTS: counts, TEST_TIMES: times });
    if (!existsSync(counts)) {
      totals.failed++;
      return;
    }
    const { passed, failed, skipped } = JSON.parse(readFileSync(counts, "utf8")) as Counts;
    totals.passed += passed;
    totals.failed += failed + (code !== 0 && failed === 0 ? 1 : 0);
    totals.skipped += skipped;
  }
}

function command(program: string, args: string[], quiet = false, env: NodeJS.ProcessEnv = {}): Promise<number> {
  return inherit(program, args, { cwd: PROJECT, quiet, env });
}

main()
  .then((code) => (process.exitCode = code))
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  })
  .finally(() => rmSync(folder, { recursive: true, force: true }));
