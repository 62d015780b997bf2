/** Runs short-lived commands and waits for their end. The lab, the demo and the tests start all such processes here. */
import { ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter } from "node:path";
import { NETWORK } from "../layout";

export interface CommandOptions {
  /** Variables in addition to those of this process. undefined removes a variable. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Text for its standard input. */
  input?: string;
  /** A file to which all output is appended, instead of being returned. */
  log?: string;
  /** Show the output while the command runs. */
  echo?: boolean;
  /** Time limit in milliseconds, after which the command is ended. Default: a minute. */
  limit?: number;
  /** Called with the process once it runs, for callers that send signals to it. */
  started?: (child: ChildProcess) => void;
}

/** The result of a command. */
export interface CommandResult {
  /** Exit code; -1 if a signal ended the command. */
  code: number;
  stdout: string;
  stderr: string;
  /** Standard output and standard error, in the order in which they were written. */
  output: string;
}

/** A command that failed, hung, or was not found. */
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

/** Ends the commands that still run, when a lab command is interrupted. */
export function endCommands(): void {
  for (const child of running) child.kill("SIGTERM");
}

/**
 * Folders that are searched for executables. The PATH of `su` has no sbin, and that of `sudo` does not have the usual
 * folder of Go.
 */
export function searchPath(): string[] {
  const own = (process.env.PATH ?? "").split(delimiter);
  return [...new Set([...own, "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin"])];
}

/** Runs a command in the machine's own network. A nonzero exit code is a result, not an error. */
export function attempt(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const shown = `${command} ${args.slice(0, 3).join(" ")}`;
  return new Promise((resolve, reject) => {
    const log = options.log === undefined ? "pipe" : openSync(options.log, "a", 0o600);
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, PATH: searchPath().join(delimiter), ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", log, log],
    });
    if (typeof log === "number") closeSync(log);
    running.add(child);
    options.started?.(child);
    const result = { stdout: "", stderr: "", output: "" };
    const collect = (stream: "stdout" | "stderr") => (text: string) => {
      result[stream] += text;
      result.output += text;
      if (options.echo) process.stdout.write(text);
    };
    child.stdout?.setEncoding("utf8").on("data", collect("stdout"));
    child.stderr?.setEncoding("utf8").on("data", collect("stderr"));
    const limit = options.limit ?? 60_000;
    let hung = false;
    const timers = [
      setTimeout(() => (hung = child.kill("SIGTERM")), limit),
      setTimeout(() => child.kill("SIGKILL"), limit + 10_000),
    ];
    const ended = () => {
      timers.forEach(clearTimeout);
      running.delete(child);
    };
    child.on("error", (error) => {
      ended();
      reject(new CommandError(command, "", error.message));
    });
    child.on("close", (code) => {
      ended();
      if (hung) return reject(new CommandError(shown, printed(result, options), `timed out after ${limit / 1000} s`));
      resolve({ code: code ?? -1, ...result });
    });
    child.stdin?.on("error", () => {}); // it may exit before it has read its input; its exit code gives the result
    child.stdin?.end(options.input);
  });
}

/** Runs a command that must succeed. Resolves to its standard output. */
export async function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await attempt(command, args, options);
  if (result.code === 0) return result.stdout;
  const why = result.code < 0 ? "ended by a signal" : `exit code ${result.code}`;
  throw new CommandError(`${command} ${args.slice(0, 3).join(" ")}`, printed(result, options), why);
}

function printed({ stderr, output }: Omit<CommandResult, "code">, { log }: CommandOptions): string {
  return log === undefined ? stderr || output : tail(log);
}

/** Runs a command at this process's terminal, or discards its output. Resolves to its exit code. */
export function inherit(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; quiet?: boolean } = {},
): Promise<number> {
  const output = options.quiet ? "ignore" : "inherit";
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, PATH: searchPath().join(delimiter), ...options.env },
      stdio: ["inherit", output, output],
    });
    const forward = (signal: NodeJS.Signals) => {
      // A terminal sends Ctrl-C to the command itself as well.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.on(signal, forward);
    const ended = () => signals.forEach((signal) => process.off(signal, forward));
    child.on("error", (error) => {
      ended();
      reject(new CommandError(command, "", error.message));
    });
    child.on("close", (code, signal) => {
      ended();
      resolve(signal ? 128 + constants.signals[signal] : (code ?? 1));
    });
  });
}

/** Runs a command in the lab's network. */
export function runInside(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return run("nsenter", [`--net=${NETWORK.handle}`, command, ...args], options);
}

/** Whether a command succeeds. */
export function succeeds(command: string, args: readonly string[], options: CommandOptions = {}): Promise<boolean> {
  return run(command, args, options).then(
    () => true,
    () => false,
  );
}

/** Whether a command in the lab's network succeeds. */
export function succeedsInside(command: string, args: readonly string[]): Promise<boolean> {
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
