/** The owner of a database, as an application comes: password, TLS, and verify-full against the CA that it was given. */
import { ChildProcess, spawn } from "node:child_process";
import { attempt, CommandResult } from "../../lab/host/command";
import { kubectl } from "../lab/lab";

export interface Owner {
  /** Name that the certificate must have. */
  host: string;
  hostaddr: string;
  user: string;
  database: string;
  /** File with the CAs. */
  caFile: string;
  password: string;
}

/** The owner of the Cluster in the namespace of its name, at one of its Services. */
export async function ownerOf(cluster: string, service: string, caFile: string): Promise<Owner> {
  const of = (kind: string, name: string, path: string) =>
    kubectl("-n", cluster, "get", kind, name, "-o", `jsonpath={${path}}`);
  const [hostaddr, password, user] = await Promise.all([
    of("service", service, ".spec.clusterIP"),
    of("secret", `${cluster}-app`, ".data.password"),
    of("secret", `${cluster}-app`, ".data.username"),
  ]);
  const decoded = (text: string) => Buffer.from(text, "base64").toString("utf8");
  return {
    host: `${service}.${cluster}.svc`,
    hostaddr,
    user: decoded(user),
    database: "app",
    caFile,
    password: decoded(password),
  };
}

function address({ host, hostaddr, user, database, caFile }: Owner): string {
  return `host=${host} hostaddr=${hostaddr} port=5432 user=${user} dbname=${database} sslmode=verify-full sslrootcert=${caFile} connect_timeout=60`;
}

/** Ends what hangs, however slow the machine is. */
const LIMIT_MS = 120_000;
const PSQL = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];

/** Logs in anew. */
export function logInAsOwner(owner: Owner, sql: string): Promise<CommandResult> {
  return attempt("psql", [...PSQL, "-c", sql, address(owner)], {
    env: { PGPASSWORD: owner.password },
    limit: LIMIT_MS,
  });
}

/** A session that stays open. */
export class OwnerSession {
  private told = "";
  private ended = false;
  private count = 0;

  private constructor(private readonly psql: ChildProcess) {
    psql.stdout?.setEncoding("utf8").on("data", (text: string) => (this.told += text));
    psql.stderr?.setEncoding("utf8").on("data", (text: string) => (this.told += text));
    psql.once("close", () => (this.ended = true));
  }

  static open(owner: Owner): OwnerSession {
    const env = { ...process.env, PGPASSWORD: owner.password };
    return new OwnerSession(spawn("psql", [...PSQL, address(owner)], { env, stdio: "pipe" }));
  }

  /** The backend that serves it. Fails where the session has ended. */
  async backend(): Promise<string> {
    const mark = `answer ${++this.count}:`;
    this.psql.stdin?.write(`SELECT '${mark}' || pg_backend_pid();\n`);
    const deadline = Date.now() + LIMIT_MS;
    while (Date.now() < deadline && !this.ended) {
      const answer = new RegExp(`^${mark}(\\d+)$`, "m").exec(this.told);
      if (answer?.[1]) return answer[1];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the session ${this.ended ? "ended" : "does not answer"}: ${this.told.trim().slice(-300)}`);
  }

  close(): void {
    this.psql.stdin?.end();
    this.psql.kill("SIGTERM");
  }
}
