/** Processes of this machine. One that ends meanwhile, or belongs to another user, is no error. */
import { readdirSync, readFileSync } from "node:fs";

/** Processes with such a variable (`NAME=value`) in their environment, whatever their parent is now. */
export function processesWith(isWanted: (variable: string) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).some(isWanted))
    .map(Number);
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
