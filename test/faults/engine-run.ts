/** A run of the engine that a test ends in the middle: its processes, and their remains. */
import { strict as assert } from "node:assert";
import { ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { CommandResult } from "../../lab/host/command";
import { kill, processesWith } from "../../lab/host/processes";
import { eventually } from "../lab/lab";

/** How a run is ended. */
export type Ending =
  /** Ctrl-C: the engine ends after the operations in progress. */
  | "SIGINT"
  /** Ctrl-C twice: the engine ends at once. */
  | "SIGINT twice"
  /** The engine, the language host, the providers and their children, all at the same moment. */
  | "SIGKILL of all"
  /** Only the engine: its children become orphans that are not notified. */
  | "SIGKILL of the engine";

/** How long orphans may continue: far longer than they need. */
const ORPHANS_END_WITHIN = 60_000;
/**
 * Pulumi's own language host checks for its engine every five minutes (`rpcutil.Healthcheck` in its main). Without
 * one it does nothing.
 */
const IDLE = /\/pulumi-language-nodejs /;

export class EngineRun {
  /** Folder for temporary files of its processes. All of them have it in their environment, also `tctl`. */
  readonly temporary = mkdtempSync(join(tmpdir(), "engine-run-"));
  /** The result of the run. */
  readonly ended: Promise<CommandResult>;
  private engine?: ChildProcess;

  constructor(stack: Stack, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const started = (child: ChildProcess) => (this.engine = child);
    this.ended = stack.pulumi(args, { started, env: { ...env, TMPDIR: this.temporary } });
  }

  /**
   * Ends the run. `between` runs after the signal, e.g. to release what was held. Resolves when no process is left
   * that could change anything.
   */
  async end(how: Ending, between: () => void = () => {}): Promise<CommandResult> {
    if (how === "SIGKILL of all") this.processes().forEach(kill);
    else this.engine?.kill(how === "SIGKILL of the engine" ? "SIGKILL" : "SIGINT");
    if (how === "SIGINT twice") {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      this.engine?.kill("SIGINT");
    }
    between();
    const result = await this.ended;
    await eventually("nothing of the run goes on", async () => this.working().length === 0, ORPHANS_END_WITHIN).catch(
      (error: Error) => assert.fail(`${error.message}: ${this.working().map(commandOf).join("; ")}`),
    );
    return result;
  }

  /** Remaining processes of the run, whatever their parent is now. */
  processes(): number[] {
    const mark = `TMPDIR=${this.temporary}`;
    return processesWith((variable) => variable === mark);
  }

  private working(): number[] {
    return this.processes().filter((pid) => !IDLE.test(commandOf(pid)));
  }

  /** Temporary files that contain a private key. */
  secretsLeft(): string[] {
    return readdirSync(this.temporary, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => readFileSync(file, "utf8").includes("PRIVATE KEY-----"));
  }

  /** Ends remaining processes, and removes their files. */
  remove(): void {
    this.processes().forEach(kill);
    rmSync(this.temporary, { recursive: true, force: true });
  }
}

/** What a user does after an engine was killed: remove its lock, and run the command again. */
export async function runAgain(stack: Stack, args: readonly string[], after: Ending, env: NodeJS.ProcessEnv = {}) {
  if (after.startsWith("SIGKILL")) {
    const locked = await stack.pulumi(args, { env });
    assert.notEqual(locked.code, 0, locked.output);
    assert.match(locked.output, /the stack is currently locked by 1 lock/);
    await stack.must(["cancel", "--yes"]);
  }
  return stack.must(args, { env });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "ended";
  }
}
