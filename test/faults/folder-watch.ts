/** Watches a folder while others write to it: which files were there, with which mode. */
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** A file that was there at some moment. */
export interface SeenFile {
  /** Path below the folder. */
  path: string;
  /** The widest permissions that it was seen with, e.g. 0o600. */
  mode: number;
}

const POLL_MS = 20;

/** Begins at once; `stop` tells what was seen. */
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
    return []; // it went away meanwhile
  }
}

function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return undefined;
  }
}
