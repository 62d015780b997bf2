/** Files that only the lab's owner may read, and files that are replaced atomically. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Writes a file atomically. Returns whether its content changed. */
export function writeWhole(file: string, content: string, mode = 0o600): boolean {
  if (existsSync(file) && readFileSync(file, "utf8") === content) return false;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, content, { mode });
  renameSync(temporary, file);
  return true;
}

/** The content of a file that is created once with random content, and kept. */
export function randomOnce(file: string, bytes = 24): string {
  if (!existsSync(file)) writeWhole(file, `${randomBytes(bytes).toString("hex")}\n`);
  return readTrimmed(file);
}

export function readTrimmed(file: string): string {
  return readFileSync(file, "utf8").trim();
}
