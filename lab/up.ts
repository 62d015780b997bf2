/** Brings the lab up: checks, packages, tools, images, network, and then all parts side by side. Resumes and repairs. */
import { mkdirSync } from "node:fs";
import { allowServices, installPackages, missingPackages } from "./host/apt";
import { ensureOperator } from "./kubernetes/cnpg";
import { basics, examine, refuseUnfitMachine } from "./doctor";
import { ensureImages } from "./build/images";
import { ensureKubernetes } from "./kubernetes/kubernetes";
import { STATE } from "./layout";
import { withLock } from "./host/lock";
import { ensureNetwork, networkStands } from "./host/network";
import { recordOwner, refuseForeignLab } from "./host/owner";
import { elapsed, say, step } from "./host/progress";
import { ensurePulumi } from "./pulumi";
import { ensureTeleport } from "./teleport/teleport";
import { ensureAgent } from "./teleport/agent";
import { ensureTools } from "./build/tools";
import { ensureVault } from "./vault/vault";
import { ensureAuthority } from "./certificates";

export async function up(): Promise<void> {
  await refuseUnfitMachine(basics);
  refuseForeignLab();
  mkdirSync(STATE.root, { recursive: true, mode: 0o700 });
  const waiting = (holder: string) => say(`  …    another lab command is at work (${holder}): waiting for it`);
  await withLock(STATE.lock, bringUp, waiting);
}

async function bringUp(): Promise<void> {
  refuseForeignLab(); // again: while this one waited, another may have come up
  allowServices();
  const packages = missingPackages();
  if (packages.length > 0)
    await step(`installing ${packages.join(", ")}`, () => installPackages(packages), { announce: true });
  await refuseUnfitMachine(examine);
  const tools = await ensureTools();
  const images = await ensureImages(tools);
  refuseForeignLab(); // and again: the builds take long
  recordOwner();
  if (!(await networkStands())) await step("network", ensureNetwork);
  refuseForeignLab(); // at last: of two that began at once, the one that recorded itself later goes on
  await ensureAuthority();
  ensurePulumi(tools);

  // One that fails must not leave the others running behind the error message.
  const kubernetes = ensureKubernetes(images);
  const teleport = step("Teleport", ensureTeleport);
  const parts = await Promise.allSettled([
    kubernetes.then(() => step("CloudNativePG operator", ensureOperator)),
    Promise.all([kubernetes, teleport]).then(() => step("Teleport agent", ensureAgent)),
    step("Vault", ensureVault),
  ]);
  const failed = parts.flatMap((part) => (part.status === "rejected" ? [(part.reason as Error).message] : []));
  if (failed.length > 0) throw new Error([...new Set(failed)].join("\n\n"));
  say(`The lab is up (${elapsed()}).`);
}
