/**
 * `npm run bench`: measures the product and a baseline on the lab, in turn, and prints a table. Starts the lab if it does
 * not run, and then stops it at the end. Removes everything that it made, also after Ctrl-C. The exit code is 0 only if
 * every wanted row was measured.
 */
import { constants } from "node:os";
import { execInLab } from "../lab/environment";
import { endCommands, inherit } from "../lab/host/command";
import { say } from "../lab/host/progress";
import { PROJECT, STATUS_CODE } from "../lab/layout";
import { Bench } from "./bench";
import { results, table } from "./figures";
import { GROUPS } from "./groups";
import { OptionError, Options, parseOptions, USAGE } from "./options";
import { removeAllOfBench, withPlace } from "./place";

/** Set for the part that runs inside the lab. */
const INSIDE = "--inside";
/** The signal, e.g. of Ctrl-C. After it, nothing else is measured. */
let interrupted: NodeJS.Signals | undefined;

async function main(args: string[]): Promise<number> {
  const isInside = args[0] === INSIDE;
  const options = parseOptions(isInside ? args.slice(1) : args);
  if (isInside) return withPlace(() => measure(options));

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => (interrupted ??= signal));
  const lab = (command: string, quiet = false) =>
    inherit("npm", ["run", "--silent", "lab", "--", command], { cwd: PROJECT, quiet });
  const status = await lab("status", true);
  try {
    if (status !== STATUS_CODE.healthy && !interrupted && (await lab("up")) !== 0)
      throw new Error("The lab did not start. The messages above say why.");
    if (interrupted) return 128 + constants.signals[interrupted];
    return await execInLab([process.execPath, "-r", "ts-node/register/transpile-only", __filename, INSIDE, ...args]);
  } finally {
    if (status === STATUS_CODE.absent) await lab("down");
  }
}

/** Measures inside the lab, and prints the figures. */
async function measure(options: Options): Promise<number> {
  const interruption = new Promise<never>((_resolve, reject) => {
    const interrupt = (signal: NodeJS.Signals) => {
      if (interrupted) return;
      interrupted = signal;
      say("\nInterrupted. Removing what the bench made …");
      reject(new Error("interrupted"));
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
  });
  interruption.catch(() => {}); // it may come while nothing is measured
  const bench = new Bench(options);
  let failed = false;
  for (const { rows, run } of GROUPS.filter((group) => bench.wants(...group.rows))) {
    if (interrupted) break;
    try {
      await Promise.race([run(bench), interruption]);
    } catch (error) {
      failed = true;
      if (!interrupted) say(`\n${(error as Error).message}\n\nNot measured completely: ${rows.join(", ")}`);
    }
    endCommands(); // that a failed or interrupted measurement still runs
    await removeAllOfBench();
  }
  const figures = bench.figures();
  if (figures.length > 0) console.log(table(figures));
  if (options.json) console.log(JSON.stringify(results(figures)));
  if (interrupted) return 128 + constants.signals[interrupted];
  return failed ? 1 : 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code), // an interrupted measurement may still wait for something
  (error: Error) => {
    process.stderr.write(`${error.message}\n${error instanceof OptionError ? `\n${USAGE}` : ""}`);
    process.exit(error instanceof OptionError ? 2 : 1);
  },
);
