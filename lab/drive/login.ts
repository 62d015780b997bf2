/** Logs in to a database through Teleport like a person: with tsh's local proxy, a client certificate, and psql. */
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

/** Time limits in milliseconds: until tsh's proxy listens, and until an agent serves a newly registered database. */
const LISTEN_LIMIT = 120_000;
const SERVED_LIMIT = 45_000;
/** Limits for processes that hang, in seconds and milliseconds. A login can be slow on a busy machine. */
const CONNECT_LIMIT = 120;
const ASK_LIMIT = 180_000;

/** Runs SQL through Teleport. Returns psql's output, unaligned, tuples only. */
export async function sqlThroughTeleport(login: Login, sql: string): Promise<CommandResult> {
  const deadline = Date.now() + SERVED_LIMIT;
  for (;;) {
    const result = await logIn(login, sql);
    // Agents serve a new database about two seconds after its registration.
    const notServedYet =
      /not found|no database servers|failed to connect to any of the database servers|closed the connection/i;
    const ended = /terminating connection/.test(result.output); // the login succeeded, but the session was terminated
    if (result.code === 0 || ended || !notServedYet.test(result.output) || Date.now() > deadline) return result;
    await sleep(1_000);
  }
}

/** Logs in once, without repetition. */
export async function logIn(login: Login, sql: string): Promise<CommandResult> {
  let tunnel: Tunnel | undefined;
  try {
    tunnel = await openTunnel(login);
    return await tunnel.ask(sql);
  } catch (error) {
    if (error instanceof TunnelError) return { code: -1, stdout: "", stderr: error.message, output: error.message };
    throw error;
  } finally {
    await tunnel?.close();
  }
}

/** tsh exited or timed out before it listened. The message is tsh's output. */
export class TunnelError extends Error {}

/** tsh's local proxy for one database and one user. Each connection through it is a separate login. */
export interface Tunnel {
  /** Logs in, runs SQL, and logs out. Returns psql's output, unaligned, tuples only. */
  ask(sql: string): Promise<CommandResult>;
  /** The connection string for psql. */
  address: string;
  close(): Promise<void>;
}

/** @throws TunnelError if tsh does not start to listen */
export async function openTunnel(login: Login): Promise<Tunnel> {
  const port = await freePort();
  const args = [`--identity=${login.identity}`, `--proxy=${login.proxy}`, "proxy", "db", "--tunnel", `--port=${port}`];
  const target = [`--db-user=${login.user}`, `--db-name=${login.database}`, login.teleportDatabase];
  const tsh = spawn("tsh", [...args, ...target], { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  const ended = new Promise<void>((resolve) => tsh.once("close", () => resolve()));
  tsh.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
  tsh.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
  const close = async () => {
    tsh.kill("SIGTERM");
    await Promise.race([ended, sleep(3_000).then(() => tsh.kill("SIGKILL"))]);
  };
  const listens = await listening(
    () => told,
    () => tsh.exitCode !== null,
  );
  if (!listens) {
    await close();
    throw new TunnelError(told);
  }
  const address = `host=127.0.0.1 port=${port} user=${login.user} dbname=${login.database} sslmode=disable connect_timeout=${CONNECT_LIMIT}`;
  const options = ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--no-password"];
  return { address, close, ask: (sql) => attempt("psql", [...options, address], { input: sql, limit: ASK_LIMIT }) };
}

async function listening(told: () => string, ended: () => boolean): Promise<boolean> {
  const deadline = Date.now() + LISTEN_LIMIT;
  while (Date.now() < deadline && !ended()) {
    if (/Started authenticated tunnel/.test(told())) return true;
    await sleep(50);
  }
  return false;
}
