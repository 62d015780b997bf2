/**
 * A lock that no crash leaves behind: flock(1) holds it as long as its standard input is open, and the kernel closes
 * that when this process ends, however it ends.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Runs `work` while holding the lock. If another process has it, calls `onWait` with that process, and waits. */
export async function withLock<Result>(
  file: string,
  work: () => Promise<Result>,
  onWait: (holder: string) => void,
): Promise<Result> {
  mkdirSync(dirname(file), { recursive: true });
  let release = await acquire(file, ["--nonblock"]);
  if (!release) {
    onWait(holderOf(file));
    release = await acquire(file, []);
  }
  if (!release) throw new Error(`The lock ${file} cannot be acquired.`);
  writeFileSync(file, `process ${process.pid}`);
  try {
    return await work();
  } finally {
    await release();
  }
}

function holderOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim() || "another process";
  } catch {
    return "another process";
  }
}

function acquire(file: string, options: string[]): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    // Detached: Ctrl-C in the terminal must not release the lock while this process still cleans up.
    const holder = spawn("flock", [...options, file, "sh", "-c", "echo held; exec cat >/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    const ended = new Promise<void>((done) => holder.on("close", () => done()));
    holder.on("error", reject);
    holder.on("close", () => resolve(undefined));
    holder.stdout.once("data", () =>
      resolve(() => {
        holder.stdin.end();
        return ended;
      }),
    );
  });
}
