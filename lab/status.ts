/** Reports which parts of the lab run, since when, their health, and their logs. */
import { existsSync } from "node:fs";
import { barmanCloudReady } from "./kubernetes/barman-cloud";
import { operatorReady } from "./kubernetes/cnpg";
import { isAlive, logOf, recorded } from "./host/daemon";
import { KUBERNETES_DAEMONS, nodeReady } from "./kubernetes/kubernetes";
import { NETWORK, S3, STATE, STATUS_CODE, TELEPORT, VAULT } from "./layout";
import { networkStands } from "./host/network";
import { refuseOtherLab } from "./host/owner";
import { s3Answers } from "./s3/s3";
import { teleportServes } from "./teleport/teleport";
import { agentReady } from "./teleport/agent";
import { vaultIsUnsealed } from "./vault/vault";

const DAEMONS = [...KUBERNETES_DAEMONS, "vault", "s3", "teleport"];

/** One line of the report. */
interface Part {
  name: string;
  healthy: boolean;
  state: string;
  log?: string;
}

/** Prints the report, and returns the corresponding exit code. */
export async function printStatus(): Promise<number> {
  refuseOtherLab();
  const parts = await labParts();
  const width = Math.max(...parts.map(({ name }) => name.length));
  for (const { name, healthy, state, log } of parts) {
    console.log(`${healthy ? "ok  " : "DOWN"}  ${name.padEnd(width)}  ${state}${log ? `  ${log}` : ""}`);
  }
  const healthy = parts.every((part) => part.healthy);
  console.log(
    healthy ? `\nThe lab is up. ${addresses()}` : "\nSome parts do not run. Start or repair them: npm run lab -- up",
  );
  if (healthy) return STATUS_CODE.healthy;
  return parts.some((part) => part.healthy) ? STATUS_CODE.unhealthy : STATUS_CODE.absent;
}

export function addresses(): string {
  return `Vault ${VAULT.address}, S3 ${S3.address}, Teleport ${TELEPORT.proxy}, state and logs in ${STATE.root}`;
}

async function labParts(): Promise<Part[]> {
  const network = await networkStands();
  const daemons = DAEMONS.map(daemonPart);
  const checked = await Promise.all([
    check("node ready", network, nodeReady),
    check("operator ready", network, operatorReady),
    check("backup plugin ready", network, barmanCloudReady),
    check("Vault unsealed", network, vaultIsUnsealed),
    check("S3 answers", network, s3Answers),
    check("Teleport answers", network, teleportServes),
    check("Teleport agent ready", network, agentReady),
  ]);
  const state = network ? `namespace ${NETWORK.namespace}, address ${NETWORK.address}` : "absent";
  return [{ name: "network", healthy: network, state }, ...daemons, ...checked];
}

function daemonPart(name: string): Part {
  const known = recorded(name);
  const log = existsSync(logOf(name)) ? logOf(name) : undefined;
  if (!known) return { name, healthy: false, state: "not started", log };
  if (!isAlive(known)) return { name, healthy: false, state: `ended (was process ${known.pid})`, log };
  return { name, healthy: true, state: `process ${known.pid} since ${known.since.slice(0, 19)}Z`, log };
}

async function check(name: string, possible: boolean, look: () => Promise<boolean>): Promise<Part> {
  if (!possible) return { name, healthy: false, state: "no" };
  try {
    const healthy = await look();
    return { name, healthy, state: healthy ? "yes" : "no" };
  } catch (error) {
    return { name, healthy: false, state: `no: ${(error as Error).message.split("\n")[0]}` };
  }
}
