/** Stops the lab: ends only what `up` started, unmounts, and removes the network. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { allowServices } from "./host/apt";
import { removeCgroups } from "./host/cgroups";
import { endContainers } from "./kubernetes/containers";
import { isAlive, recordedDaemons, stopDaemon } from "./host/daemon";
import { RUN, STATE } from "./layout";
import { withLock } from "./host/lock";
import { mountsBelow, unmountBelow } from "./host/mounts";
import { processesInside, removeNetwork } from "./host/network";
import { forgetOwner, refuseOtherLab } from "./host/owner";
import { elapsed, say, step } from "./host/progress";
import { removeVolumesLink } from "./kubernetes/volumes";

export async function down(options: { purge: boolean }): Promise<void> {
  refuseOtherLab();
  const waiting = (holder: string) => say(`  …    waiting for another lab command (${holder})`);
  await withLock(STATE.lock, () => takeDown(options.purge), waiting);
  if (options.purge) rmSync(STATE.root, { recursive: true, force: true });
  const left = leftovers();
  if (left.length > 0) throw new Error(`Left behind:\n${left.map((one) => `  - ${one}`).join("\n")}`);
  say(`The lab is down${options.purge ? ", and its data is removed" : ""} (${elapsed()}).`);
}

async function takeDown(purge: boolean): Promise<void> {
  allowServices();
  await step("stopping pods", async () => {
    await stopDaemon("kubelet"); // first: it would restart what is stopped
    await endContainers();
  });
  await step("stopping daemons", async () => {
    const daemons = recordedDaemons().map(({ name }) => name);
    // On TERM the API server waits up to a minute for open watches, although it has nothing to save.
    const patience = (name: string) => (name === "kube-apiserver" ? 1 : 10);
    const storage = daemons.filter((name) => name === "etcd"); // last: the others write to it
    await Promise.all(daemons.filter((name) => name !== "etcd").map((name) => stopDaemon(name, patience(name))));
    await Promise.all(storage.map((name) => stopDaemon(name)));
  });
  const inside = processesInside();
  await step("unmounting and removing the network", async () => {
    await unmountBelow([STATE.root, RUN.root]);
    removeCgroups();
    await removeNetwork();
    removeVolumesLink();
    forgetOwner();
  });
  if (inside.length > 0)
    say(`  note  your commands still run in the lab's network, which exists until they end: ${inside.join(", ")}`);
  if (purge) await step("removing data", async () => removeData());
}

/** Removes everything except the lock, which this process holds. */
function removeData(): void {
  for (const name of readdirSync(STATE.root)) {
    if (`${STATE.root}/${name}` !== STATE.lock) rmSync(`${STATE.root}/${name}`, { recursive: true, force: true });
  }
}

function leftovers(): string[] {
  const daemons = recordedDaemons().filter(isAlive);
  return [
    ...daemons.map(({ name, pid }) => `${name}, process ${pid}`),
    ...mountsBelow([STATE.root, RUN.root]).map((point) => `mounted: ${point}`),
    ...(existsSync(RUN.root) ? [`folder: ${RUN.root}`] : []),
  ];
}
