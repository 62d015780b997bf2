/** Runs a command and gives what it printed; the one way in which the lab starts short-lived processes. */
import { ChildProcess, spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { NETWORK } from "../layout";

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Given to its standard input. */
  input?: string;
  /** Appended with everything that it prints, instead of being returned. */
  log?: string;
  /** After so many milliseconds it is ended. Default: a minute. */
  limit?: number;
}

/** A command that ended with another code than 0, or was not to be found. */
export class CommandError extends Error {
  constructor(
    command: string,
    readonly output: string,
    why: string,
  ) {
    super(`${command}: ${why}${output.trim() ? `\n${output.trim()}` : ""}`);
  }
}

const running = new Set<ChildProcess>();

/** Ends the commands that still run; for a lab command that is interrupted. */
export function endCommands(): void {
  for (const child of running) child.kill("SIGTERM");
}

/** Runs a command in the machine's own network; resolves to its standard output. */
export function run(command: string, args: string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    running.add(child);
    let output = "";
    let errors = "";
    let timedOut = false;
    const limit = options.limit ?? 60_000;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, limit);
    if (options.log) {
      const log = createWriteStream(options.log, { flags: "a", mode: 0o600 });
      child.stdout?.pipe(log, { end: false });
      child.stderr?.pipe(log, { end: false });
      child.on("close", () => log.end());
    } else {
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
    }
    child.on("error", (error) => {
      clearTimeout(timer);
      running.delete(child);
      reject(new CommandError(command, "", error.message));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      if (code === 0) return resolve(output);
      const why = timedOut ? `no end after ${limit / 1000} s` : signal ? `ended by ${signal}` : `exit code ${code}`;
      const shown = `${command} ${args.slice(0, 3).join(" ")}`;
      reject(new CommandError(shown, options.log ? tail(options.log) : errors || output, why));
    });
    if (options.input !== undefined && child.stdin) {
      child.stdin.on("error", () => {}); // it may end before it has read; its exit code tells
      child.stdin.end(options.input);
    }
  });
}

/** Runs a command in the lab's network. */
export function runInside(command: string, args: string[], options: CommandOptions = {}): Promise<string> {
  return run("nsenter", [`--net=${NETWORK.handle}`, command, ...args], options);
}

/** Whether a command ends with 0. */
export async function succeeds(command: string, args: string[], options: CommandOptions = {}): Promise<boolean> {
  return run(command, args, options).then(
    () => true,
    () => false,
  );
}

/** Whether a command in the lab's network ends with 0. */
export function succeedsInside(command: string, args: string[]): Promise<boolean> {
  return succeeds("nsenter", [`--net=${NETWORK.handle}`, command, ...args]);
}

/** The last lines of a log. */
export function tail(file: string, lines = 20): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
