/** Runs the real `pulumi` on a separate stack, like a user or a CI job, inside the lab's environment. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { attempt, CommandOptions, CommandResult, run } from "../host/command";
import { PROJECT, PULUMI } from "../layout";

/** Far longer than any command takes, so that a command that hangs ends eventually. */
const PULUMI_LIMIT_MS = 30 * 60_000;
/** Programs are compiled once, not again in each process of each run. */
const COMPILED_ONCE = {
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --require ${JSON.stringify(join(__dirname, "transpile-cache.cjs"))}`,
  CNPG_TELEPORT_TRANSPILED: PULUMI.transpiled,
};

/** Configuration of a stack: the keys of `Pulumi.<env>.yaml` without the project's name before them. */
export type StackConfig = Record<string, unknown>;

export interface StackOptions {
  /** Folder with Pulumi.yaml. Default: this project. */
  project?: string;
  /** Folder of the configuration. Default: a temporary folder. */
  folder?: string;
  env?: NodeJS.ProcessEnv;
}

/** Content of a lock file of the backend. */
interface Lock {
  pid: number;
  hostname: string;
}

/** Pulumi's JSON summary of a run: how many resources it created, changed and so on. */
export type ChangeSummary = Record<string, number>;

/**
 * A stack in the lab's file backend. Its configuration is in a separate folder with a Pulumi.yaml that only names the
 * project, so that `pulumi stack init` writes the encryption salt there and not into the project's folder.
 */
export class Stack {
  private readonly folder: string;
  private readonly configFile: string;
  private readonly projectName: string;

  constructor(
    readonly name: string,
    private readonly options: StackOptions = {},
  ) {
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), "stack-"));
    this.configFile = join(this.folder, `Pulumi.${name}.yaml`);
    const project = parse(readFileSync(join(options.project ?? PROJECT, "Pulumi.yaml"), "utf8")) as { name: string };
    this.projectName = project.name;
  }

  /** Writes the configuration, replacing the former one. */
  configure(config: StackConfig): void {
    const entries = Object.entries(config).map(([key, value]) => [`${this.projectName}:${key}`, value]);
    this.configureWith(stringify({ config: Object.fromEntries(entries) }));
  }

  /** Writes the text of a `Pulumi.<env>.yaml` as the configuration. Keeps the salt of an existing stack. */
  configureWith(text: string): void {
    const salt = existsSync(this.configFile)
      ? /^encryptionsalt:.*\n/m.exec(readFileSync(this.configFile, "utf8"))?.[0]
      : undefined;
    writeFileSync(this.configFile, `${salt ?? ""}${text}`, { mode: 0o600 });
  }

  /** Creates the stack, or selects an existing one. Removes the lock of a killed run. */
  async init(): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(join(this.folder, "Pulumi.yaml"), stringify({ name: this.projectName, runtime: "nodejs" }));
    await run("pulumi", ["stack", "select", "--create", this.name, "--non-interactive"], {
      cwd: this.folder,
      env: this.options.env,
    });
    if (this.isLockedByDead()) await this.must(["cancel", "--yes"]);
  }

  /** Whether the stack has locks, and all of them belong to processes of this machine that have ended. */
  private isLockedByDead(): boolean {
    const folder = join(PULUMI.backend, ".pulumi", "locks", "organization", this.projectName, this.name);
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".json")) : [];
    const locks = files.map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Lock);
    return locks.length > 0 && locks.every(({ pid, hostname: host }) => host === hostname() && !isPulumi(pid));
  }

  /**
   * Runs `pulumi <command>` for this stack. Its temporary files go into a folder that is removed afterwards:
   * the Kubernetes plugin leaves copies of the kubeconfig behind.
   */
  async pulumi(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const config = ["stack", "state", "cancel"].includes(args[0] ?? "") ? [] : [`--config-file=${this.configFile}`];
    const temporary = mkdtempSync(join(tmpdir(), "pulumi-"));
    try {
      return await attempt(
        "pulumi",
        [...args, `--stack=${this.name}`, ...config, "--non-interactive", "--color=never"],
        {
          cwd: this.options.project ?? PROJECT,
          limit: PULUMI_LIMIT_MS,
          ...options,
          env: { TMPDIR: temporary, ...COMPILED_ONCE, ...this.options.env, ...options.env },
        },
      );
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
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

  /** The state as it is stored in the backend, where secrets are encrypted. */
  async state(): Promise<string> {
    return (await this.pulumi(["stack", "export"])).stdout;
  }

  /** The steps of a preview. */
  async plannedChanges(): Promise<ChangeSummary> {
    const result = await this.pulumi(["preview", "--json"]);
    if (result.code !== 0)
      throw new Error(
        `preview of ${this.name} ended with ${result.code}:\n${diagnostics(result.stdout) || result.output}`,
      );
    return (JSON.parse(result.stdout) as { changeSummary: ChangeSummary }).changeSummary;
  }

  /** Removes the stack and its files, even if it still has resources. */
  async remove(): Promise<void> {
    await attempt("pulumi", ["stack", "rm", this.name, "--yes", "--force", "--non-interactive"], {
      cwd: this.folder,
      env: this.options.env,
    });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether a process runs and is Pulumi, not another process with a reused ID. */
function isPulumi(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("pulumi");
  } catch {
    return false;
  }
}

/** The diagnostics of a preview in JSON, without its steps, which may be thousands of lines. */
function diagnostics(json: string): string {
  try {
    const { diagnostics: said = [] } = JSON.parse(json) as { diagnostics?: { message: string }[] };
    return said.map(({ message }) => message).join("");
  } catch {
    return "";
  }
}
