/** Checks what the lab needs of a machine, and says what is missing here and how to fix it. */
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { missingPackages } from "./host/apt";
import { cgroupVersion, missingControllers } from "./host/cgroups";
import { run, succeeds } from "./host/command";
import { CACHE, STATE } from "./layout";
import { otherLabMessage, otherOwner } from "./host/owner";
import { missingTools } from "./build/tools";
import { TOOLS, VERSIONS } from "./versions";

/**
 * Gigabytes of free space that are required: the first time (tools, images and data), later, and in addition for
 * building all tools.
 */
const NEEDED_GB = 6;
const NEEDED_AGAIN_GB = 2;
const BUILD_GB = 40;
const NEEDED_MEMORY_GB = 6;

const ELSEWHERE = "docs/getting-started.md shows the same with your own cluster, Vault and Teleport.";

interface Finding {
  what: string;
  /** "fatal": the lab cannot run. "note": `up` fixes it, or it may cause problems. */
  weight: "ok" | "note" | "fatal";
  fix?: string;
}

/** Prints all findings. Returns true if the lab can run. */
export async function printDoctor(): Promise<boolean> {
  const findings = await examine();
  const marks = { ok: "ok   ", note: "note ", fatal: "FATAL" };
  for (const { what, weight, fix } of findings) console.log(`${marks[weight]}  ${what}${fix ? `. ${fix}` : ""}`);
  const fatal = findings.filter(({ weight }) => weight === "fatal").length;
  console.log(fatal === 0 ? "\nThe lab can run here." : `\nThe lab cannot run here. ${ELSEWHERE}`);
  return fatal === 0;
}

/** Fails with all reasons why the lab cannot run here. */
export async function refuseUnfitMachine(look: () => Finding[] | Promise<Finding[]>): Promise<void> {
  const fatal = (await look()).filter(({ weight }) => weight === "fatal");
  if (fatal.length === 0) return;
  const lines = fatal.map(({ what, fix }) => `  - ${fix ? `${what}. ${fix}` : what}`);
  throw new Error(`The lab cannot run here:\n${lines.join("\n")}\n${ELSEWHERE}`);
}

/** Requirements that no package and no kernel setting can satisfy. */
export function basics(): Finding[] {
  const folders = [STATE.root, CACHE.root].filter((folder) => !/^[\w@%+=./-]+$/.test(folder));
  return [
    finding(process.getuid?.() === 0, "root", "not root", "Run it as root: sudo npm run lab -- up"),
    finding(
      process.arch === "x64",
      "x86-64",
      `architecture ${process.arch}`,
      "Use an x86-64 machine: the images are built for x86-64",
    ),
    finding(
      atLeast(process.versions.node, VERSIONS.node),
      `Node.js ${process.versions.node}`,
      `Node.js ${process.versions.node} is too old`,
      `Install ${VERSIONS.node} or newer`,
    ),
    finding(
      folders.length === 0,
      `state in ${STATE.root}, cache in ${CACHE.root}`,
      `${folders.join(" and ")} contains spaces or special characters, which some of the lab's programs do not accept`,
      "Set XDG_STATE_HOME and XDG_CACHE_HOME to folders without such characters",
    ),
  ];
}

/** Checks everything. Without root, only the basics can be checked. */
export async function examine(): Promise<Finding[]> {
  const first = basics();
  if (first.some(({ weight }) => weight === "fatal")) return first;
  const missing = await missingTools();
  return [
    ...first,
    cgroups(),
    await overlay(),
    await networkNamespaces(),
    await nftables(),
    packages(),
    {
      what: missing.length === 0 ? "tools: all found" : `tools to build: ${missing.map(({ name }) => name).join(", ")}`,
      weight: missing.length === 0 ? "ok" : "note",
      fix: missing.length === 0 ? undefined : "`up` builds them: about 35 minutes for all on two cores",
    },
    ...(missing.length > 0 ? [await goToolchain()] : []),
    await disk(missing.length / TOOLS.length),
    memory(),
    foreignLab(),
  ];
}

function finding(good: boolean, well: string, ill: string, fix: string): Finding {
  return good ? { what: well, weight: "ok" } : { what: ill, weight: "fatal", fix };
}

function cgroups(): Finding {
  const version = `cgroups v${cgroupVersion()}`;
  const missing = missingControllers();
  const ill = `${version}: without ${missing.join(", ")}`;
  return finding(missing.length === 0, version, ill, "Enable these controllers; in a container, run it privileged");
}

/**
 * Mounts an overlayfs where containerd will mount it. This loads the kernel's module, and detects a file system that
 * does not support it.
 */
async function overlay(): Promise<Finding> {
  const folder = mkdtempSync(join(existing(STATE.root), ".lab-overlay-"));
  const script = 'cd "$1" && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay m';
  const good = await succeeds("unshare", ["--mount", "sh", "-c", script, "probe", folder]);
  rmSync(folder, { recursive: true, force: true });
  const ill = `an overlayfs cannot be mounted in ${existing(STATE.root)}`;
  return finding(
    good,
    "overlayfs",
    ill,
    "Load the kernel module overlay, or set XDG_STATE_HOME to a folder on ext4 or xfs",
  );
}

async function networkNamespaces(): Promise<Finding> {
  const good = await succeeds("unshare", ["--net", "true"]);
  return finding(
    good,
    "network namespaces",
    "no right to create network namespaces",
    "Use a VM or a privileged container: CAP_SYS_ADMIN is needed",
  );
}

/** Runs in its own network namespace, so that it does not even read the machine's rules. */
async function nftables(): Promise<Finding> {
  if (!(await succeeds("nft", ["--version"])))
    return { what: "nftables: not checked, nft is not installed yet", weight: "note" };
  const good = await succeeds("unshare", [
    "--net",
    "nft",
    "add table ip probe; add chain ip probe nat { type nat hook output priority 0; }",
  ]);
  return finding(
    good,
    "nftables",
    "the kernel lacks nftables with NAT",
    "Load the kernel modules nf_tables and nft_chain_nat",
  );
}

function packages(): Finding {
  const missing = missingPackages();
  if (missing.length === 0) return { what: "Debian packages: all installed", weight: "ok" };
  const what = `Debian packages missing: ${missing.join(", ")}`;
  if (existsSync("/usr/bin/apt-get")) return { what, weight: "note", fix: "`up` installs them" };
  return { what, weight: "fatal", fix: "This is not Debian: install equivalent packages yourself" };
}

async function goToolchain(): Promise<Finding> {
  const version = /go(\d+\.\d+(\.\d+)?)/.exec(await run("go", ["version"]).catch(() => ""))?.[1];
  const good = version !== undefined && atLeast(version, VERSIONS.go);
  const ill = version ? `Go ${version} is too old` : "Go is not installed";
  return finding(good, `Go ${version}`, ill, `Install Go ${VERSIONS.go} or newer, which builds the tools`);
}

/**
 * `share` is the fraction of the tools that must still be built. Go's caches of an interrupted build count as already
 * used.
 */
async function disk(share: number): Promise<Finding> {
  const folder = existing(CACHE.root);
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / 1e9);
  const used = share > 0 && existsSync(CACHE.go) ? await sizeOf(CACHE.go) : 0;
  const parts = existsSync(STATE.containerd) ? NEEDED_AGAIN_GB : NEEDED_GB;
  const needed = Math.ceil(parts + Math.max(0, BUILD_GB * share - used));
  return finding(
    free >= needed,
    `disk: ${free} GB free`,
    `disk: ${free} GB free at ${folder}, ${needed} GB needed${share > 0 ? ` while tools are built` : ""}`,
    "Free some space, or set XDG_CACHE_HOME and XDG_STATE_HOME to folders on another disk",
  );
}

async function sizeOf(folder: string): Promise<number> {
  const printed = await run("du", ["--summarize", "--block-size=1", folder], { limit: 120_000 }).catch(() => "0");
  return Number.parseInt(printed, 10) / 1e9;
}

/** The folder, or its nearest parent that exists. */
function existing(folder: string): string {
  return existsSync(folder) ? folder : existing(dirname(folder));
}

function memory(): Finding {
  const size = Math.round(totalmem() / 1e9);
  if (size >= NEEDED_MEMORY_GB) return { what: `memory: ${size} GB`, weight: "ok" };
  return {
    what: `memory: ${size} GB, ${NEEDED_MEMORY_GB} GB advised`,
    weight: "note",
    fix: "The kernel may kill builds. Add memory or swap",
  };
}

function foreignLab(): Finding {
  const state = otherOwner();
  if (!state) return { what: "no other lab on this machine", weight: "ok" };
  return { what: otherLabMessage(state), weight: "fatal" };
}

function atLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(".").map(Number));
  for (const [index, part] of (want ?? []).entries()) {
    const other = have?.[index] ?? 0;
    if (other !== part) return other > part;
  }
  return true;
}
