/** The container runtime: starts containerd, imports the lab's images, and ends its containers. */
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { podProcesses } from "../host/cgroups";
import { run, succeeds } from "../host/command";
import { ensureDaemon, isAlive, recorded, waitUntilServes } from "../host/daemon";
import { IMAGES, importImages } from "../build/images";
import { containerdConfiguration } from "./configuration";
import { RUN, STATE } from "../layout";
import { NAMESPACES, networkOf, processesInside } from "../host/network";
import { writeWhole } from "../host/private-file";
import { kill } from "../host/processes";
import { waitFor } from "../host/wait";

const configurationFile = join(STATE.kubernetes, "containerd.toml");
/** This record is in containerd's own state, so it is removed together with the images. */
const imported = join(STATE.containerd, "imported-images");

export function ctr(args: string[], limit = 60_000): Promise<string> {
  return run("ctr", ["--address", RUN.containerdSocket, "--namespace", "k8s.io", ...args], { limit });
}

/** Starts containerd and imports the images of the folder `images`, unless it has them. */
export async function ensureContainerd(images: string): Promise<void> {
  const configuration = containerdConfiguration(IMAGES.pause);
  writeWhole(configurationFile, configuration);
  const known = recorded("containerd");
  // Containers outlive a crashed containerd. kubelet would then assume that they run correctly.
  if (!known || !isAlive(known)) await endContainers();
  await ensureDaemon({ name: "containerd", command: ["containerd", "--config", configurationFile], configuration });
  await waitUntilServes("containerd", () => succeeds("ctr", ["--address", RUN.containerdSocket, "version"]));
  if (existsSync(imported) && readFileSync(imported, "utf8") === images) return;
  await importImages(images, RUN.containerdSocket);
  writeFileSync(imported, images);
}

/** Ends every container of the lab with its shim, even if containerd no longer answers. */
export async function endContainers(): Promise<void> {
  const networks = new Set(podProcesses().map(networkOf));
  if (await succeeds("ctr", ["--address", RUN.containerdSocket, "--timeout", "2s", "version"])) await endTasks();
  for (const pid of [...podProcesses(), ...shims()]) kill(pid);
  await waitFor("all containers have ended", async () => podProcesses().length + shims().length === 0, { limit: 20 });
  // Removes the handles of the pods' network namespaces, and leaves those of other runtimes on the machine.
  for (const name of existsSync(NAMESPACES) ? readdirSync(NAMESPACES) : []) {
    const handle = join(NAMESPACES, name);
    if (!name.startsWith("cni-") || !networks.has(`net:[${statSync(handle).ino}]`)) continue;
    await run("umount", ["--lazy", handle]).catch(() => "");
    rmSync(handle, { force: true });
  }
}

async function endTasks(): Promise<void> {
  const listed = async () => (await ctr(["tasks", "list", "--quiet"])).split("\n").filter(Boolean);
  await Promise.all(
    (await listed()).map((task) => ctr(["tasks", "kill", "--signal", "SIGKILL", task]).catch(() => "")),
  );
  for (let round = 0; round < 20; round++) {
    const tasks = await listed();
    if (tasks.length === 0) return;
    await Promise.all(tasks.map((task) => ctr(["tasks", "delete", "--force", task]).catch(() => "")));
    await sleep(100);
  }
}

/** Shims of this containerd, recognized by its socket in their arguments. */
function shims(): number[] {
  return processesInside().filter((pid) => {
    const [command, ...args] = commandLine(pid);
    return basename(command ?? "").startsWith("containerd-shim") && args.includes(RUN.containerdSocket);
  });
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
