/**
 * The lab's network namespace. Everything in the lab uses one address on its loopback interface, and no interface
 * leads outside. The machine's own addresses, routes, firewall and resolver do not change.
 */
import { existsSync, readdirSync, readlinkSync, rmSync, rmdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { run, runInside, succeeds } from "./command";
import { NETWORK, RUN } from "../layout";
import { mountsBelow, unmountBelow } from "./mounts";
import { writeWhole } from "./private-file";

/** Folder in which iproute2 and the container runtimes keep handles of network namespaces. */
export const NAMESPACES = dirname(NETWORK.handle);

/** Whether the namespace exists and has its address. */
export async function networkStands(): Promise<boolean> {
  if (!existsSync(NETWORK.handle)) return false;
  const shown = await runInside("ip", ["-oneline", "address", "show", "dev", "lo"]).catch(() => "");
  return shown.includes(` ${NETWORK.address}/32 `) && shown.includes(" 127.0.0.1/8 ");
}

export async function ensureNetwork(): Promise<void> {
  if (mountsBelow([NAMESPACES]).length === 0) writeWhole(`${RUN.root}/namespaces-mounted`, "by the lab\n");
  // An interrupted `ip netns add` leaves a handle without a namespace.
  if (existsSync(NETWORK.handle) && !(await succeeds("nsenter", [`--net=${NETWORK.handle}`, "true"]))) removeHandle();
  if (!existsSync(NETWORK.handle)) await run("ip", ["netns", "add", NETWORK.namespace]);
  await runInside("ip", ["link", "set", "lo", "up"]);
  await runInside("ip", ["address", "replace", `${NETWORK.address}/32`, "dev", "lo"]);
  // kube-proxy translates Service addresses. Without a route, the kernel would refuse them before that.
  await runInside("ip", ["route", "replace", NETWORK.services, "dev", "lo", "src", NETWORK.address]);
  await runInside("sh", ["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
  writeWhole(NETWORK.resolver, `nameserver ${NETWORK.address}\noptions timeout:2 attempts:2\n`, 0o644);
}

/** Removes the namespace with everything in it. All processes in it must have ended. */
export async function removeNetwork(): Promise<void> {
  if (existsSync(NETWORK.handle)) {
    if (!(await succeeds("ip", ["netns", "delete", NETWORK.namespace]))) removeHandle();
  }
  rmSync(dirname(NETWORK.resolver), { recursive: true, force: true });
  removeIfEmpty("/etc/netns");
  // `ip netns add` mounts the folder onto itself. It is unmounted only if it has no other namespaces.
  const mountedByLab = existsSync(`${RUN.root}/namespaces-mounted`);
  if (mountedByLab && existsSync(NAMESPACES) && readdirSync(NAMESPACES).length === 0) {
    await unmountBelow([NAMESPACES]);
    removeIfEmpty(NAMESPACES);
  }
}

/** The processes in the namespace. */
export function processesInside(): number[] {
  const listed = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const inode = namespaceInode();
  return inode ? listed.map(Number).filter((pid) => networkOf(pid) === inode) : [];
}

function namespaceInode(): string | undefined {
  return existsSync(NETWORK.handle) ? `net:[${statSync(NETWORK.handle).ino}]` : undefined;
}

/** Identity of a process's network namespace. */
export function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function removeHandle(): void {
  rmSync(NETWORK.handle, { force: true });
}

function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}
