/**
 * Starts the lab: checks, packages, tools, images, network, and then all parts in parallel. Continues and repairs an
 * earlier start.
 */
import { mkdirSync } from "node:fs";
import { allowServices, installPackages, missingPackages } from "./host/apt";
import { ensureBarmanCloud } from "./kubernetes/barman-cloud";
import { ensureOperator } from "./kubernetes/cnpg";
import { basics, examine, refuseUnfitMachine } from "./doctor";
import { ensureImages } from "./build/images";
import { ensureKubernetes } from "./kubernetes/kubernetes";
import { STATE } from "./layout";
import { withLock } from "./host/lock";
import { ensureNetwork, networkStands } from "./host/network";
import { recordOwner, refuseOtherLab } from "./host/owner";
import { elapsed, say, step } from "./host/progress";
import { ensurePulumi } from "./pulumi";
import { ensureTeleport } from "./teleport/teleport";
import { ensureAgent } from "./teleport/agent";
import { ensureTools } from "./build/tools";
import { ensureS3 } from "./s3/s3";
import { ensureVault } from "./vault/vault";
import { ensureAuthority } from "./certificates";

export async function up(): Promise<void> {
  await refuseUnfitMachine(basics);
  refuseOtherLab();
  mkdirSync(STATE.root, { recursive: true, mode: 0o700 });
  const waiting = (holder: string) => say(`  …    waiting for another lab command (${holder})`);
  await withLock(STATE.lock, bringUp, waiting);
}

async function bringUp(): Promise<void> {
  refuseOtherLab(); // again: another lab may have started while this one waited
  allowServices();
  const packages = missingPackages();
  if (packages.length > 0)
    await step(`installing ${packages.join(", ")}`, () => installPackages(packages), { announce: true });
  await refuseUnfitMachine(examine);
  const tools = await ensureTools();
  const images = await ensureImages(tools);
  refuseOtherLab(); // and again: the builds take long
  recordOwner();
  if (!(await networkStands())) await step("network", ensureNetwork);
  refuseOtherLab(); // finally: of two that started at once, the one that recorded itself later continues
  await ensureAuthority();
  ensurePulumi(tools);

  // A part that fails must not leave the others running behind the error message.
  const kubernetes = ensureKubernetes(images);
  const teleport = step("Teleport", ensureTeleport);
  const parts = await Promise.allSettled([
    kubernetes.then(() => step("CloudNativePG operator", ensureOperator)),
    kubernetes.then(() => step("Barman Cloud plugin", ensureBarmanCloud)),
    Promise.all([kubernetes, teleport]).then(() => step("Teleport agent", ensureAgent)),
    step("Vault", ensureVault),
    step("S3", ensureS3),
  ]);
  const failed = parts.flatMap((part) => (part.status === "rejected" ? [(part.reason as Error).message] : []));
  if (failed.length > 0) throw new Error([...new Set(failed)].join("\n\n"));
  say(`The lab is up (${elapsed()}).`);
}
