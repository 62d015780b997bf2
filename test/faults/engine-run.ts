/** A run of the engine that a test ends in the midst of it: its processes, and what is left of them. */
import { strict as assert } from "node:assert";
import { ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { CommandResult } from "../../lab/host/command";
import { eventually } from "../lab/lab";

/** How a run is ended. */
export type Ending =
  /** Ctrl-C: the engine ends when what it has begun has ended. */
  | "SIGINT"
  /** Ctrl-C twice: the engine ends at once. */
  | "SIGINT twice"
  /** The engine, the language host, the providers and whatever they run, all at one moment. */
  | "SIGKILL of all"
  /** The engine alone: its children are orphans that know of nothing. */
  | "SIGKILL of the engine";

/** How long orphans may go on: far more than they take. */
const ORPHANS_END_WITHIN = 60_000;
/**
 * Pulumi's own language host looks for its engine every five minutes (`rpcutil.Healthcheck` in its main). It has nothing
 * to do without one.
 */
const IDLE = /\/pulumi-language-nodejs /;

export class EngineRun {
  /** Where its processes put temporary files; all of them have it in their environment, `tctl` too. */
  readonly temporary = mkdtempSync(join(tmpdir(), "engine-run-"));
  /** How it ended. */
  readonly ended: Promise<CommandResult>;
  private engine?: ChildProcess;

  constructor(stack: Stack, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const started = (child: ChildProcess) => (this.engine = child);
    this.ended = stack.pulumi(args, { started, env: { ...env, TMPDIR: this.temporary } });
  }

  /**
   * Ends it; `between` is done after the signal, e.g. to let go on what was held. Resolves when no process is left that
   * could change anything.
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

  /** Processes of the run that are left, whoever their parent is by now. */
  processes(): number[] {
    const mark = `TMPDIR=${this.temporary}`;
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(mark))
      .map(Number);
  }

  private working(): number[] {
    return this.processes().filter((pid) => !IDLE.test(commandOf(pid)));
  }

  /** Temporary files that hold a private key. */
  secretsLeft(): string[] {
    return readdirSync(this.temporary, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => readFileSync(file, "utf8").includes("PRIVATE KEY-----"));
  }

  /** Ends what is left, and removes its files. */
  remove(): void {
    this.processes().forEach(kill);
    rmSync(this.temporary, { recursive: true, force: true });
  }
}

/** What a user does after an engine was killed: take its lock away, and run the command again. */
export async function runAgain(stack: Stack, args: readonly string[], after: Ending, env: NodeJS.ProcessEnv = {}) {
  if (after.startsWith("SIGKILL")) {
    const locked = await stack.pulumi(args, { env });
    assert.notEqual(locked.code, 0, locked.output);
    assert.match(locked.output, /the stack is currently locked by 1 lock/);
    await stack.must(["cancel", "--yes"]);
  }
  return stack.must(args, { env });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "ended";
  }
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return []; // it has ended
  }
}
