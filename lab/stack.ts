/** Runs the real `pulumi` on a stack of its own, as a user or a CI job would, from inside the lab's environment. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";

/** The checkout, which is the Pulumi project. */
export const PROJECT = resolve(__dirname, "..");

/** How a command ended. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
  /** Both, in the order in which they came. */
  output: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Show the output as it comes. */
  echo?: boolean;
  input?: string;
}

/** Runs a command to its end; its exit code is a result, not an error. */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolveResult, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? PROJECT,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const result = { stdout: "", stderr: "", output: "" };
    const collect = (stream: "stdout" | "stderr") => (text: string) => {
      result[stream] += text;
      result.output += text;
      if (options.echo) process.stdout.write(text);
    };
    child.stdout.setEncoding("utf8").on("data", collect("stdout"));
    child.stderr.setEncoding("utf8").on("data", collect("stderr"));
    child.on("error", reject);
    child.on("close", (code) => resolveResult({ code: code ?? -1, ...result }));
    child.stdin.on("error", () => {}); // a command that reads nothing may have ended already
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a command that has to succeed. */
export async function must(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${result.code}:\n${result.output}`);
  return result.stdout;
}

/** Configuration of a stack: the keys of `Pulumi.<env>.yaml` without the project's name before them. */
export type StackConfig = Record<string, unknown>;

export interface StackOptions extends CommandOptions {
  /** Folder with Pulumi.yaml. Default: this project. */
  project?: string;
}

/** What `pulumi` printed as JSON of a run: how many resources it created, changed and so on. */
export type ChangeSummary = Record<string, number>;

/** A stack of the lab's file backend. */
export class Stack {
  private readonly folder = mkdtempSync(join(tmpdir(), "stack-"));
  private readonly configFile = join(this.folder, "Pulumi.stack.yaml");

  constructor(
    readonly name: string,
    private readonly options: StackOptions = {},
  ) {}

  /** Writes the configuration, in place of what was there. The encryption salt of a stack made before is kept. */
  configure(config: StackConfig, project = "cnpg-teleport"): void {
    const entries = Object.entries(config).map(([key, value]) => [`${project}:${key}`, value]);
    writeFileSync(this.configFile, `${this.salt()}${stringify({ config: Object.fromEntries(entries) })}`, {
      mode: 0o600,
    });
  }

  private salt(): string {
    try {
      return /^encryptionsalt:.*\n/m.exec(readFileSync(this.configFile, "utf8"))?.[0] ?? "";
    } catch {
      return "";
    }
  }

  async init(): Promise<void> {
    await this.must(["stack", "init", this.name]);
  }

  /** Runs `pulumi <command>` for this stack. */
  pulumi(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const where = ["--stack", this.name, "--non-interactive", "--color=never"];
    const config = ["up", "preview", "refresh", "destroy", "stack"].includes(args[0] ?? "")
      ? ["--config-file", this.configFile]
      : [];
    const isStackCommand = args[0] === "stack";
    const full =
      isStackCommand && args[1] === "init" ? [...args, "--non-interactive", "--color=never"] : [...args, ...where];
    return run("pulumi", [...full, ...(isStackCommand ? [] : config)], {
      cwd: this.options.project ?? PROJECT,
      ...this.options,
      ...options,
      env: { ...this.options.env, ...options.env },
    });
  }

  async must(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const result = await this.pulumi(args, options);
    if (result.code !== 0)
      throw new Error(`pulumi ${args.join(" ")} of ${this.name} ended with ${result.code}:\n${result.output}`);
    return result.output;
  }

  up(options: CommandOptions = {}): Promise<string> {
    return this.must(["up", "--yes", "--skip-preview"], options);
  }

  destroy(options: CommandOptions = {}): Promise<string> {
    return this.must(["destroy", "--yes", "--skip-preview"], options);
  }

  async outputs<Outputs>(): Promise<Outputs> {
    return JSON.parse((await this.pulumi(["stack", "output", "--json"])).stdout) as Outputs;
  }

  /** The state as it lies in the backend: what is secret is encrypted in it. */
  async state(): Promise<string> {
    return (await this.pulumi(["stack", "export"])).stdout;
  }

  /** What a preview would do. */
  async plannedChanges(): Promise<ChangeSummary> {
    const result = await this.pulumi(["preview", "--json"]);
    if (result.code !== 0) throw new Error(`preview of ${this.name} ended with ${result.code}:\n${result.output}`);
    return (JSON.parse(result.stdout) as { changeSummary: ChangeSummary }).changeSummary;
  }

  /** Removes the stack, whatever is left in it, and its files. */
  async remove(): Promise<void> {
    await this.pulumi(["stack", "rm", "--yes", "--force"]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
