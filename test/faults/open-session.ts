/** A session in a database that stays open while something else goes on. */
import { ChildProcess, spawn } from "node:child_process";
import { Login, openTunnel } from "../../lab/drive/login";
import { eventually } from "../lab/lab";

const PSQL = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];
/** Ends what hangs. */
const LIMIT = 60_000;

export class OpenSession {
  private told = "";
  private asked = 0;

  private constructor(
    private readonly psql: ChildProcess,
    private readonly close: () => Promise<void>,
  ) {
    psql.stdout?.setEncoding("utf8").on("data", (text: string) => (this.told += text));
    psql.stderr?.setEncoding("utf8").on("data", (text: string) => (this.told += text));
    psql.stdin?.on("error", () => {}); // it has ended; what it does not answer tells
  }

  /** @param address what psql is given to connect; a password goes by PGPASSWORD in `env` */
  static open(address: string, env: NodeJS.ProcessEnv = {}, close = async () => {}): OpenSession {
    return new OpenSession(
      spawn("psql", [...PSQL, address], { env: { ...process.env, ...env }, stdio: "pipe" }),
      close,
    );
  }

  static async throughTeleport(login: Login): Promise<OpenSession> {
    const tunnel = await openTunnel(login);
    return OpenSession.open(tunnel.address, {}, () => tunnel.close());
  }

  /** Process of the server that serves it: the same for as long as it is the same session. Fails where it has ended. */
  async backend(): Promise<string> {
    const mark = `answer ${++this.asked}:`;
    const answer = () => new RegExp(`^${mark}(\\d+)$`, "m").exec(this.told)?.[1];
    const ended = () => this.psql.exitCode !== null || this.psql.signalCode !== null;
    this.psql.stdin?.write(`SELECT '${mark}' || pg_backend_pid();\n`);
    await eventually("the open session answers", async () => answer() !== undefined || ended(), LIMIT);
    const backend = answer();
    if (backend === undefined) throw new Error(`the session ended: ${this.told.trim().slice(-300)}`);
    return backend;
  }

  async end(): Promise<void> {
    this.psql.stdin?.end();
    this.psql.kill();
    await this.close();
  }
}
