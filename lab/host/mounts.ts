/** Lists mounts, and unmounts them. */
import { readFileSync } from "node:fs";
import { run } from "./command";

/** Mount points at or below the folders, the deepest first. */
export function mountsBelow(folders: string[]): string[] {
  const points = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replace(/\\040/g, " "));
  return points
    .filter((point) => folders.some((folder) => point === folder || point.startsWith(`${folder}/`)))
    .reverse();
}

export async function unmountBelow(folders: string[]): Promise<void> {
  for (const point of mountsBelow(folders)) {
    await run("umount", [point]).catch(() => run("umount", ["--lazy", point]));
  }
}
