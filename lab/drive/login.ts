/** Logs in to a database through Teleport as a person does: tsh's local proxy with a client certificate, and psql. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { attempt, CommandResult } from "../host/command";
import { freePort } from "../host/free-port";

export interface Login {
  /** Path of the person's Teleport identity file. */
  identity: string;
  /** `host:port` of the proxy. */
  proxy: string;
  /** Name of the database in Teleport. */
  teleportDatabase: string;
  /** PostgreSQL user. */
  user: string;
  /** PostgreSQL database. */
  database: string;
}

/** Limits in milliseconds: for tsh's proxy to listen, and for an agent to take up a database registered just now. */
const LISTEN_LIMIT = 20_000;
const SERVED_LIMIT = 45_000;

/** Runs SQL through Teleport; the result is psql's, unaligned, tuples only. */
export async function sqlThroughTeleport(login: Login, sql: string): Promise<CommandResult> {
  const deadline = Date.now() + SERVED_LIMIT;
  for (;;) {
    const result = await logIn(login, sql);
    // Agents take up a new database about two seconds after its registration.
    const notServedYet =
      /not found|no database servers|failed to connect to any of the database servers|closed the connection/i;
    const ended = /terminating connection/.test(result.output); // a session that was served, and was ended
    if (result.code === 0 || ended || !notServedYet.test(result.output) || Date.now() > deadline) return result;
    await sleep(1_000);
  }
}

/** Logs in once: what fails has failed. */
export async function logIn(login: Login, sql: string): Promise<CommandResult> {
  const port = await freePort();
  const args = [`--identity=${login.identity}`, `--proxy=${login.proxy}`, "proxy", "db", "--tunnel", `--port=${port}`];
  const target = [`--db-user=${login.user}`, `--db-name=${login.database}`, login.teleportDatabase];
  const tsh = spawn("tsh", [...args, ...target], { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  const ended = new Promise<void>((resolve) => tsh.once("close", () => resolve()));
  tsh.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
  tsh.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
  try {
    if (
      !(await listening(
        () => told,
        () => tsh.exitCode !== null,
      ))
    )
      return { code: -1, stdout: "", stderr: told, output: told };
    const address = `host=127.0.0.1 port=${port} user=${login.user} dbname=${login.database} sslmode=disable connect_timeout=15`;
    return await attempt(
      "psql",
      ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--no-password", address],
      { input: sql },
    );
  } finally {
    tsh.kill("SIGTERM");
    await Promise.race([ended, sleep(3_000).then(() => tsh.kill("SIGKILL"))]);
  }
}

async function listening(told: () => string, ended: () => boolean): Promise<boolean> {
  const deadline = Date.now() + LISTEN_LIMIT;
  while (Date.now() < deadline && !ended()) {
    if (/Started authenticated tunnel/.test(told())) return true;
    await sleep(50);
  }
  return false;
}
