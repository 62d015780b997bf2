/**
 * A separate Teleport for a test, next to the lab's: auth and proxy in one process, and optionally an agent. A test
 * may rotate its CAs, stop it or kill it. It has the lab's roles and users, and ends with the test's process.
 */
import { ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocuments, TeleportDocument } from "../../components/teleport/client/tctl";
import { tool } from "../../lab/build/tools";
import { ensureServerCertificate } from "../../lab/certificates";
import { attempt, CommandResult, run, tail } from "../../lab/host/command";
import { freePort } from "../../lab/host/free-port";
import { waitFor } from "../../lab/host/wait";
import { CLUSTER, NETWORK, PKI } from "../../lab/layout";
import { TELEPORT_DOCUMENTS } from "../../lab/teleport/access";
import { teleportConfiguration } from "../../lab/teleport/configuration";

export interface OwnTeleportOptions {
  /** Name of the Teleport cluster; unique, so that an identity shows its cluster. */
  name: string;
  /**
   * `host:port` that Teleport publishes to clients, e.g. of a TcpProxy in front of it. Default: the address at which
   * the proxy listens.
   */
  publicAddress?: string;
  /** Port on loopback at which the proxy listens. Default: any that is free. */
  port?: number;
  /** Runs an agent in the same process, for databases with the program's label. Default: none. */
  agent?: boolean;
  /** Overrides teleport.yaml, section by section: `{ proxy_service: { … } }`. */
  sections?: Record<string, Record<string, unknown>>;
}

/** Users that every Teleport of the lab has. */
export type TeleportUser = "registrar" | "reader" | "writer" | "admin";

/** Seconds; far longer than a start takes, so that a start that hangs ends eventually. */
const START_LIMIT = 120;
const STOP_LIMIT = 20;

/**
 * Arguments: a resolv.conf, the command. Pods resolve names of Services below the cluster's domain, and an agent gets
 * such names; the lab's network has no search list. The mount belongs to the process. The kernel ends the command
 * with the process that started it, however that ends.
 */
const AS_IN_POD = 'mount --bind "$1" /etc/resolv.conf && shift && exec setpriv --pdeathsig KILL -- "$@"';

export class OwnTeleport {
  /** `host:port` for clients. */
  readonly proxy: string;
  private process?: ChildProcess;

  private constructor(
    /** Name of the Teleport cluster. */
    readonly name: string,
    /** `host:port` at which the proxy really listens. */
    readonly listens: string,
    private readonly folder: string,
    publicAddress?: string,
  ) {
    this.proxy = publicAddress ?? listens;
  }

  /** Starts a Teleport and waits until it is ready. */
  static async start(options: OwnTeleportOptions): Promise<OwnTeleport> {
    const { name, publicAddress, agent, sections } = options;
    const folder = mkdtempSync(join(tmpdir(), "own-teleport-")); // 0700
    const proxy = `127.0.0.1:${options.port ?? (await freePort())}`;
    const auth = `127.0.0.1:${await freePort()}`;
    const own = new OwnTeleport(name, proxy, folder, publicAddress);
    try {
      const pair = await ensureServerCertificate("teleport");
      const server = { nodename: name, clusterName: name, data: join(folder, "data"), auth, proxy, publicAddress };
      writeFileSync(own.configuration, teleportConfiguration({ ...server, ...pair, agent, sections }), { mode: 0o600 });
      const resolver = `nameserver ${NETWORK.address}\nsearch svc.${CLUSTER.domain} ${CLUSTER.domain}\noptions ndots:5\n`;
      writeFileSync(own.resolver, resolver);
      process.once("exit", own.discard);
      await own.resume();
      await own.tctl(["create", "--force"], TELEPORT_DOCUMENTS.map((document) => JSON.stringify(document)).join("\n"));
      return own;
    } catch (error) {
      await own.remove();
      throw error;
    }
  }

  /** Starts it again with its data, after `stop` or `kill`, and waits until it is ready. */
  async resume(): Promise<void> {
    const log = openSync(this.log, "a", 0o600);
    const teleport = [tool("teleport"), "start", `--config=${this.configuration}`];
    const started = spawn(
      "unshare",
      ["--mount", "--propagation", "private", "sh", "-c", AS_IN_POD, "teleport", this.resolver, ...teleport],
      {
        cwd: this.folder,
        // Without the test's environment: it would use an identity or a proxy in it as its own.
        env: { PATH: process.env.PATH, HOME: this.folder, SSL_CERT_FILE: PKI.bundle },
        stdio: ["ignore", log, log],
      },
    );
    closeSync(log);
    this.process = started;
    const hint = () => tail(this.log, 8);
    const serves = async () => !this.runs || (await this.answers());
    await waitFor(`the Teleport ${this.name} serves`, serves, { limit: START_LIMIT, hint });
    if (!this.runs) throw new Error(`The Teleport ${this.name} ended.\n${hint()}`);
  }

  /** Stops it like an administrator. */
  stop(): Promise<void> {
    return this.end("SIGTERM");
  }

  /** Kills it, whatever it is doing. */
  kill(): Promise<void> {
    return this.end("SIGKILL");
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.resume();
  }

  /** Stops it and removes all its data. Call it when the test is over, also after a failure. */
  async remove(): Promise<void> {
    await this.kill();
    process.off("exit", this.discard);
    this.discard();
  }

  /** Runs `tctl` as its own administrator, who may do everything. Needs the process to run. */
  tctl(args: string[], input?: string): Promise<string> {
    return run("tctl", [`--config=${this.configuration}`, ...args], { env: this.clientEnvironment, input });
  }

  /** Like `tctl`, but a nonzero exit code is a result, not an error. */
  attemptTctl(args: string[], input?: string): Promise<CommandResult> {
    return attempt("tctl", [`--config=${this.configuration}`, ...args], { env: this.clientEnvironment, input });
  }

  async get(reference: string): Promise<TeleportDocument[]> {
    return parseDocuments(await this.tctl(["get", reference, "--format=json"]));
  }

  async databases(): Promise<TeleportDocument[]> {
    return this.get("db");
  }

  /** Path of a new identity file of a user, which is removed with the rest. `ttl` as Teleport writes it, e.g. `1h`. */
  async sign(user: TeleportUser | string, ttl = "1h"): Promise<string> {
    const identities = join(this.folder, "identities");
    mkdirSync(identities, { recursive: true, mode: 0o700 });
    const file = join(identities, `${user}-${Date.now()}.identity`);
    await this.tctl(["auth", "sign", `--user=${user}`, `--out=${file}`, `--ttl=${ttl}`, "--overwrite"]);
    return file;
  }

  /** Its log. */
  get log(): string {
    return join(this.folder, "teleport.log");
  }

  get runs(): boolean {
    return this.process !== undefined && this.process.exitCode === null && this.process.signalCode === null;
  }

  private get configuration(): string {
    return join(this.folder, "teleport.yaml");
  }

  private get resolver(): string {
    return join(this.folder, "resolv.conf");
  }

  private get clientEnvironment(): NodeJS.ProcessEnv {
    return { TELEPORT_IDENTITY_FILE: undefined, HOME: this.folder };
  }

  private readonly discard = () => rmSync(this.folder, { recursive: true, force: true });

  private async answers(): Promise<boolean> {
    if (!(await this.tctl(["status"])).includes("Cluster")) return false;
    return (await fetch(`https://${this.listens}/webapi/ping`)).ok;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const ending = this.process;
    if (ending === undefined || !this.runs) return;
    const ended = new Promise<void>((resolve) => ending.once("exit", () => resolve()));
    ending.kill(signal);
    const patience = setTimeout(() => ending.kill("SIGKILL"), STOP_LIMIT * 1_000);
    await ended;
    clearTimeout(patience);
  }
}
