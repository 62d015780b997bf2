/** Watches a folder while other processes write to it, and records its files and their modes. */
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** A file that existed at some time. */
export interface SeenFile {
  /** Path below the folder. */
  path: string;
  /** The widest permissions that the file had, e.g. 0o600. */
  mode: number;
}

const POLL_MS = 20;

/** Starts at once; `stop` returns the records. */
export function watchFolder(folder: string): { stop(): SeenFile[] } {
  const seen = new Map<string, number>();
  const look = () => {
    for (const path of filesIn(folder)) {
      const mode = modeOf(path);
      if (mode !== undefined) seen.set(path, (seen.get(path) ?? 0) | mode);
    }
  };
  const timer = setInterval(look, POLL_MS);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return [...seen].map(([path, mode]) => ({ path: relative(folder, path), mode }));
    },
  };
}

/** All files below a folder, with their paths. */
export function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesIn(path) : entry.isFile() ? [path] : [];
    });
  } catch {
    return []; // it has been removed in the meantime
  }
}

function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return undefined;
  }
}
