/** A session in a database that stays open during other steps. */
import { ChildProcess, spawn } from "node:child_process";
import { Login, openTunnel } from "../../lab/drive/login";
import { eventually, kubectl } from "../lab/lab";

const PSQL = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];
/** Time limit for commands that hang. */
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

  /** @param address psql's connection string; a password is passed as PGPASSWORD in `env` */
  static open(address: string, env: NodeJS.ProcessEnv = {}, close = async () => {}): OpenSession {
    return new OpenSession(
      spawn("psql", [...PSQL, address], { env: { ...process.env, ...env }, stdio: "pipe" }),
      close,
    );
  }

  /** As PostgreSQL's superuser, inside the primary's pod of the Cluster `name` in the namespace of its name. */
  static async asSuperuser(name: string, database: string): Promise<OpenSession> {
    const primary = await kubectl("-n", name, "get", "cluster", name, "-o", "jsonpath={.status.currentPrimary}");
    const exec = ["-n", name, "exec", "-i", primary, "-c", "postgres", "--", "psql", ...PSQL, "-d", database];
    return new OpenSession(spawn("kubectl", exec, { stdio: "pipe" }), async () => {});
  }

  static async throughTeleport(login: Login): Promise<OpenSession> {
    const tunnel = await openTunnel(login);
    return OpenSession.open(tunnel.address, {}, () => tunnel.close());
  }

  /** ID of the server process: it stays the same as long as the session does. Fails if the session has ended. */
  backend(): Promise<string> {
    return this.ask("pg_backend_pid()");
  }

  /** The value of a numeric expression. Fails if the session has ended. */
  async ask(expression: string): Promise<string> {
    const mark = `answer ${++this.asked}:`;
    const given = () => new RegExp(`^${mark}(\\d+)$`, "m").exec(this.told)?.[1];
    const ended = () => this.psql.exitCode !== null || this.psql.signalCode !== null;
    this.psql.stdin?.write(`SELECT '${mark}' || (${expression});\n`);
    await eventually("the open session answers", async () => given() !== undefined || ended(), LIMIT);
    const answer = given();
    if (answer === undefined) throw new Error(`the session ended: ${this.told.trim().slice(-300)}`);
    return answer;
  }

  async end(): Promise<void> {
    this.psql.stdin?.end();
    this.psql.kill();
    await this.close();
  }
}
