/**
 * Starts, adopts and stops the lab's long-running processes. A process is identified by its ID and its start time, so
 * that another process with a reused ID is never mistaken for it.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tail } from "./command";
import { NETWORK, STATE } from "../layout";
import { writeWhole } from "./private-file";
import { waitFor } from "./wait";

/** The daemon to run. */
export interface Daemon {
  name: string;
  command: string[];
  /** Its complete environment, except PATH. */
  env?: Record<string, string>;
  /** Content of its configuration. The daemon is restarted when it changes. */
  configuration?: string;
}

/** A running daemon, as recorded when it was started. */
export interface RunningDaemon {
  name: string;
  pid: number;
  /** Start time in clock ticks since the machine's boot, and the ID of that boot. */
  startTime: string;
  boot: string;
  since: string;
  revision: string;
}

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LOG_LIMIT_BYTES = 50_000_000;

export function logOf(name: string): string {
  return join(STATE.logs, `${name}.log`);
}

/**
 * Starts a daemon in the lab's network, unless it already runs with the same configuration. Returns whether it was
 * started.
 */
export async function ensureDaemon(daemon: Daemon): Promise<boolean> {
  const revision = createHash("sha256").update(JSON.stringify(daemon)).digest("hex").slice(0, 16);
  const known = recorded(daemon.name);
  if (known && isAlive(known)) {
    if (known.revision === revision) return false;
    await stopDaemon(daemon.name);
  }
  mkdirSync(STATE.logs, { recursive: true });
  if (existsSync(logOf(daemon.name)) && statSync(logOf(daemon.name)).size > LOG_LIMIT_BYTES)
    truncateSync(logOf(daemon.name));
  const log = openSync(logOf(daemon.name), "a", 0o600);
  // Uses nsenter instead of `ip netns exec`, which mounts a new /sys that hides the cgroups from kubelet.
  const child = spawn("nsenter", [`--net=${NETWORK.handle}`, ...daemon.command], {
    cwd: "/",
    env: { PATH: SYSTEM_PATH, HOME: STATE.root, ...daemon.env },
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  if (child.pid === undefined) {
    await new Promise((_, reject) => child.on("error", reject));
  }
  const pid = child.pid as number;
  const startTime = startTimeOf(pid) ?? "gone";
  const now: RunningDaemon = {
    name: daemon.name,
    pid,
    startTime,
    boot: bootId(),
    since: new Date().toISOString(),
    revision,
  };
  writeWhole(pidFile(daemon.name), `${JSON.stringify(now)}\n`);
  child.unref();
  return true;
}

/** Waits until a daemon is ready. Fails at once with the end of its log if it has exited. */
export async function waitUntilServes(name: string, look: () => Promise<boolean>, limit = 60): Promise<void> {
  let died = false;
  await waitFor(
    `${name} serves`,
    async () => {
      const known = recorded(name);
      died = !known || !isAlive(known);
      return died || look();
    },
    { limit, hint: () => `Log: ${logOf(name)}\n${tail(logOf(name), 8)}` },
  );
  if (died) throw new Error(`${name} ended. Log: ${logOf(name)}\n${tail(logOf(name), 8)}`);
}

/** Whether a UDP port of an IPv4 address is open in a daemon's network. */
export function receivesDatagrams(name: string, address: string, port: number): boolean {
  const known = recorded(name);
  if (!known || !isAlive(known)) return false;
  const digits = (value: number, width: number) => value.toString(16).toUpperCase().padStart(width, "0");
  const reversed = address.split(".").reverse(); // the kernel prints it in the machine's byte order
  const local = `${reversed.map((part) => digits(Number(part), 2)).join("")}:${digits(port, 4)}`;
  return readFileSync(`/proc/${known.pid}/net/udp`, "utf8").includes(` ${local} `);
}

/** Stops a daemon: with SIGTERM, and after `patience` seconds with SIGKILL. */
export async function stopDaemon(name: string, patience = 5): Promise<void> {
  const known = recorded(name);
  if (known && isAlive(known)) {
    signal(known, "SIGTERM");
    if (!(await goneWithin(known, patience))) {
      signal(known, "SIGKILL");
      if (!(await goneWithin(known, 10))) throw new Error(`${name} (process ${known.pid}) cannot be stopped.`);
    }
  }
  rmSync(pidFile(name), { force: true });
}

export function recorded(name: string): RunningDaemon | undefined {
  try {
    return JSON.parse(readFileSync(pidFile(name), "utf8")) as RunningDaemon;
  } catch {
    return undefined; // never started, or the machine lost power while the record was written
  }
}

export function recordedDaemons(): RunningDaemon[] {
  if (!existsSync(STATE.pids)) return [];
  const files = readdirSync(STATE.pids).filter((file) => file.endsWith(".json"));
  return files.flatMap((file) => recorded(file.replace(/\.json$/, "")) ?? []);
}

export function isAlive(daemon: RunningDaemon): boolean {
  return daemon.boot === bootId() && startTimeOf(daemon.pid) === daemon.startTime;
}

function pidFile(name: string): string {
  return join(STATE.pids, `${name}.json`);
}

function signal(daemon: RunningDaemon, name: NodeJS.Signals): void {
  if (!isAlive(daemon)) return;
  try {
    process.kill(daemon.pid, name);
  } catch {
    // it has exited in the meantime
  }
}

async function goneWithin(daemon: RunningDaemon, seconds: number): Promise<boolean> {
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await sleep(50)) {
    if (!isAlive(daemon)) return true;
  }
  return !isAlive(daemon);
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Field 22 of /proc/PID/stat. Undefined for a process that has exited or is a zombie. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
