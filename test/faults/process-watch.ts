/** Watches all descendants of this process through /proc: their arguments and environments. */
import { readdirSync, readFileSync } from "node:fs";

/** The records of one process while it ran one program. */
export interface SeenProcess {
  /** Its arguments, the program's name first. */
  args: string[];
  /** Its initial environment. */
  environment: NodeJS.ProcessEnv;
}

/**
 * Short enough to see a process that runs for a tenth of a second. Longer ones are read again, since they may `exec`.
 */
const POLL_MS = 20;

/** Starts at once; `stop` returns the records. */
export function watchDescendants(): { stop(): SeenProcess[] } {
  const parents = new Map<string, string>();
  const descendants = new Set([String(process.pid)]);
  const seen = new Map<string, SeenProcess>();
  const look = () => {
    const running = new Set(readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)));
    for (const pid of running) if (!parents.has(pid)) parents.set(pid, parentOf(pid));
    for (const pid of [...parents.keys()]) if (!running.has(pid)) parents.delete(pid);
    for (const pid of running) if (descendants.has(parents.get(pid) ?? "")) descendants.add(pid);
    for (const pid of running) if (descendants.has(pid) && pid !== String(process.pid)) remember(pid);
  };
  const remember = (pid: string) => {
    const [args, environment] = [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)];
    if (args === "" || environment === "") return; // it has ended, or is just executing another program
    const key = `${args}\0\0${environment}`;
    if (seen.has(key)) return;
    const entries = environment.split("\0").map((entry) => entry.split(/=(.*)/s).slice(0, 2));
    seen.set(key, {
      args: args.split("\0"),
      environment: Object.fromEntries(entries) as NodeJS.ProcessEnv,
    });
  };
  const timer = setInterval(look, POLL_MS);
  look();
  return {
    stop: () => {
      clearInterval(timer);
      return [...seen.values()];
    },
  };
}

function parentOf(pid: string): string {
  // The program's name, in parentheses, may contain blanks and parentheses.
  return read(`/proc/${pid}/stat`).split(")").at(-1)?.trim().split(" ")[1] ?? "";
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
