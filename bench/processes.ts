/** The processes that the bench started, and their memory. All of them have its temporary folder in their environment. */
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { kill, processesWith } from "../lab/host/processes";
import { waitFor } from "../lab/host/wait";

/** Milliseconds between two looks at the memory. */
const POLL_MS = 200;

/** Processes whose temporary files are in this folder, whatever their parent is now. */
export function processesIn(temporary: string): number[] {
  const mark = `TMPDIR=${temporary}`;
  return processesWith((variable) => isBelow(variable, mark)).filter((pid) => pid !== process.pid);
}

/**
 * Kills these processes, and waits until they have ended. An interrupted measurement may still ask something again and
 * again in new processes. These are children of this process, and change nothing.
 */
export async function killProcesses(temporary: string): Promise<void> {
  const first = processesIn(temporary);
  const ended = async () => {
    const left = processesIn(temporary);
    left.forEach(kill);
    return left.every((pid) => !first.includes(pid) && parentOf(pid) === process.pid);
  };
  await waitFor("the processes of the bench have ended", ended, { limit: 60 });
}

/**
 * The peak of the memory (resident set) of Pulumi's program and providers while `work` runs, in MiB. Other processes
 * of the run are not counted: the engine, the language host and `tctl`.
 */
export async function peakMemory(temporary: string, work: () => Promise<unknown>): Promise<number> {
  let peak = 0;
  const look = () => {
    const counted = processesIn(temporary).filter(isProgramOrProvider);
    peak = Math.max(
      peak,
      counted.map(peakOf).reduce((sum, kib) => sum + kib, 0),
    );
  };
  const timer = setInterval(look, POLL_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  if (peak === 0) throw new Error("No process of a program or provider was seen.");
  return peak / 1_024;
}

function isProgramOrProvider(pid: number): boolean {
  try {
    return /^node$|^pulumi-resource-/.test(basename(readlinkSync(`/proc/${pid}/exe`)));
  } catch {
    return false; // it has ended
  }
}

/** The highest resident set of a process so far, in KiB. */
function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? process.pid); // none if it has ended
}

function isBelow(entry: string, folder: string): boolean {
  return entry === folder || entry.startsWith(`${folder}/`);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
