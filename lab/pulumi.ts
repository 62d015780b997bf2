/** Pulumi's home in the lab: plugins, a file backend, and a passphrase. */
import { copyFileSync, existsSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { PULUMI, STATE } from "./layout";
import { randomOnce } from "./host/private-file";
import { recordedTools, Tools } from "./build/tools";
import { TOOLS } from "./versions";

/** Pulumi uses language hosts from its own folder without a warning, and those elsewhere on the PATH with one. */
const BESIDE_PULUMI = ["pulumi", "pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"];

/** Commands for people. The daemons' executables are not on the PATH. */
const COMMANDS = ["kubectl", "vault", "tctl", "tsh", "tbot"];

export function ensurePulumi(tools: Tools): void {
  mkdirSync(PULUMI.backend, { recursive: true, mode: 0o700 });
  randomOnce(PULUMI.passphrase);
  for (const { name, version } of TOOLS) {
    const plugin = /^pulumi-resource-(.+)$/.exec(name)?.[1];
    if (!plugin) continue;
    place(tools.binaries[name], join(PULUMI.home, "plugins", `resource-${plugin}-v${version}`, name));
  }
  placeCommands([...BESIDE_PULUMI, ...COMMANDS], tools, STATE.bin);
}

/** Puts another CLI and the lab's language host into one folder for the PATH. */
export function placeEngine(pulumi: Tools, folder: string): void {
  const { binaries, files } = recordedTools();
  placeCommands(BESIDE_PULUMI, { binaries: { ...binaries, ...pulumi.binaries }, files }, folder);
}

function placeCommands(names: readonly string[], { binaries, files }: Tools, folder: string): void {
  for (const name of names) place(binaries[name] ?? files[name], join(folder, name));
}

/** Creates a hard link, so that the executable sees this as its own folder. A symbolic link would not do that. */
function place(source: string | undefined, target: string): void {
  if (!source) throw new Error(`The lab has no executable for ${target}. Start it again: npm run lab -- up`);
  if (existsSync(target) && sameFile(source, target)) return;
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { force: true });
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target); // the cache is on another file system
  }
}

function sameFile(source: string, target: string): boolean {
  const [one, other] = [statSync(source), statSync(target)];
  return one.ino === other.ino || (one.size === other.size && other.mtimeMs >= one.mtimeMs);
}
