/** An `up` whose progress a test can see, to disturb it at a certain step. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandResult } from "../../lab/host/command";
import { Stack } from "../../lab/drive/stack";

/**
 * Starts `up` and calls `disturb` once, when `moment` returns true.
 *
 * @param moment is called repeatedly with Pulumi's output so far
 * @returns the result of `up`; `output` has all its output
 * @throws Error if `up` ended earlier
 */
export async function disturbedUp(
  stack: Stack,
  moment: (printed: string) => boolean | Promise<boolean>,
  disturb: () => Promise<unknown>,
): Promise<Pick<CommandResult, "code" | "output">> {
  const folder = mkdtempSync(join(tmpdir(), "watched-up-"));
  const log = join(folder, "log");
  const printed = () => {
    try {
      return readFileSync(log, "utf8");
    } catch {
      return "";
    }
  };
  try {
    let ended = false;
    const running = stack.pulumi(["up", "--yes", "--skip-preview"], { log }).finally(() => (ended = true));
    try {
      while (!ended && !(await moment(printed()))) await sleep(50);
      if (ended) throw new Error(`\`up\` ended before it could be disturbed:\n${printed()}`);
      await disturb();
    } finally {
      await running; // also after a failed test: the cleanup must not run at the same time
    }
    const { code } = await running;
    return { code, output: printed() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
