/** An `up` of which a test sees how far it has come, to disturb it at a certain moment. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandResult } from "../../lab/host/command";
import { Stack } from "../../lab/drive/stack";

/**
 * Starts `up` and calls `disturb` once, when `moment` finds what it looks for.
 *
 * @param moment is asked again and again, with what Pulumi printed so far
 * @returns how `up` ended; `output` has all that it printed
 * @throws Error if it ended before the moment came
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
      await running; // also where the test failed: whoever cleans up afterwards must not meet it
    }
    const { code } = await running;
    return { code, output: printed() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
