/** The cgroup of the lab's pods, in every hierarchy of the machine. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLUSTER } from "../layout";

const ROOT = "/sys/fs/cgroup";
const NEEDED = ["cpu", "cpuset", "memory", "pids"];

export function cgroupVersion(): 1 | 2 {
  return existsSync(join(ROOT, "cgroup.controllers")) ? 2 : 1;
}

/** Controllers that a kubelet needs and the machine does not have. */
export function missingControllers(): string[] {
  if (cgroupVersion() === 1) return NEEDED.filter((controller) => !existsSync(join(ROOT, controller, "cgroup.procs")));
  const present = readFileSync(join(ROOT, "cgroup.controllers"), "utf8").trim().split(/\s+/);
  return NEEDED.filter((controller) => !present.includes(controller));
}

/** kubelet refuses a root cgroup that does not exist. */
export function ensureCgroups(): void {
  if (cgroupVersion() === 2) enableControllers();
  for (const folder of labFolders()) mkdirSync(folder, { recursive: true });
}

/**
 * systemd has already done this on most machines. In a container whose processes are in the root cgroup, the kernel
 * refuses it.
 */
function enableControllers(): void {
  const file = join(ROOT, "cgroup.subtree_control");
  const enabled = readFileSync(file, "utf8").trim().split(/\s+/);
  const missing = NEEDED.filter((name) => !enabled.includes(name));
  if (missing.length === 0) return;
  try {
    writeFileSync(file, missing.map((name) => `+${name}`).join(" "));
  } catch (error) {
    throw new Error(
      `The cgroup controllers ${missing.join(", ")} cannot be enabled in ${file}: ${(error as Error).message}. ` +
        "If this is a container, give it the host's cgroup namespace",
    );
  }
}

/** Removes the lab's cgroups. The kernel refuses to remove one that still has processes. */
export function removeCgroups(): void {
  for (const folder of labFolders()) if (existsSync(folder)) removeTree(folder);
}

/** The processes of all pods. */
export function podProcesses(): number[] {
  const pids = labFolders().flatMap((folder) => (existsSync(folder) ? processesBelow(folder) : []));
  return [...new Set(pids)];
}

function processesBelow(folder: string): number[] {
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const own = readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  return [...own, ...below.flatMap(({ name }) => processesBelow(join(folder, name)))];
}

function labFolders(): string[] {
  if (cgroupVersion() === 2) return [join(ROOT, CLUSTER.cgroup)];
  const hierarchies = readdirSync(ROOT).filter((name) => existsSync(join(ROOT, name, "cgroup.procs")));
  return hierarchies.map((name) => join(ROOT, name, CLUSTER.cgroup));
}

function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  try {
    rmdirSync(folder);
  } catch {
    // still in use: `down` reports the processes that are left
  }
}
