/** A session in a database that stays open while something else goes on. */
import { spawn } from "node:child_process";
import { Login, openTunnel } from "../../lab/drive/login";
import { eventually } from "../lab/lab";

export interface OpenSession {
  /** Process of the server that serves it: the same for as long as it is the same session. */
  backend(): Promise<string>;
  end(): Promise<void>;
}

/** Logs in through Teleport and stays. */
export async function openSession(login: Login): Promise<OpenSession> {
  const tunnel = await openTunnel(login);
  const options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password", "--set=ON_ERROR_STOP=1"];
  const psql = spawn("psql", [...options, tunnel.address], { stdio: ["pipe", "pipe", "ignore"] });
  let told = "";
  psql.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
  psql.stdin.on("error", () => {}); // it has ended; what it does not answer tells
  return {
    async backend() {
      told = "";
      psql.stdin.write("SELECT pg_backend_pid();\n");
      await eventually("the open session answers", async () => told.endsWith("\n"));
      return told.trim();
    },
    async end() {
      psql.stdin.end();
      psql.kill();
      await tunnel.close();
    },
  };
}
