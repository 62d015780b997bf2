/** Stops and starts the lab's kubelet from within the lab's network, where the tests run. */
import { join } from "node:path";
import { run } from "../../lab/host/command";
import { isAlive, recorded, RunningDaemon } from "../../lab/host/daemon";
import { PROJECT } from "../../lab/layout";

/** Kills kubelet like a crash. Its pods continue. */
export function killKubelet(): void {
  const running = daemon("kubelet");
  if (isAlive(running)) process.kill(running.pid, "SIGKILL");
}

/**
 * Runs in the mount namespace of containerd: that of the tests is a copy, in which no other process sees kubelet's
 * mounts.
 */
export async function startKubelet(): Promise<void> {
  const outside = ["--target", String(daemon("containerd").pid), "--mount", `--wdns=${PROJECT}`];
  const transpiler = join(PROJECT, "node_modules/ts-node/register/transpile-only");
  const module = JSON.stringify(join(PROJECT, "lab/kubernetes/kubernetes.ts"));
  const start = `require(${module}).startKubelet()`;
  await run("nsenter", [...outside, process.execPath, "-r", transpiler, "-e", start]);
}

function daemon(name: string): RunningDaemon {
  const running = recorded(name);
  if (!running) throw new Error(`the lab has no ${name}`);
  return running;
}
