/** What the lab needs of a machine, what this one lacks, and what to do about it. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname } from "node:path";
import { missingPackages } from "./host/apt";
import { cgroupVersion, missingControllers } from "./host/cgroups";
import { run, succeeds } from "./host/command";
import { CACHE, STATE } from "./layout";
import { otherOwner } from "./host/owner";
import { missingTools } from "./build/tools";
import { VERSIONS } from "./versions";

/** Gigabytes that must be free: Go's caches while all tools are built, or the tools, images and data alone. */
const NEEDED_COLD_GB = 45;
const NEEDED_WARM_GB = 6;
const NEEDED_MEMORY_GB = 6;

interface Finding {
  what: string;
  /** "fatal": the lab cannot run. "note": `up` sees to it, or it may go wrong. */
  weight: "ok" | "note" | "fatal";
  fix?: string;
}

/** Prints all findings; true if the lab can run. */
export async function printDoctor(): Promise<boolean> {
  const findings = await examine();
  const marks = { ok: "ok   ", note: "note ", fatal: "FATAL" };
  for (const { what, weight, fix } of findings) console.log(`${marks[weight]}  ${what}${fix ? `. ${fix}` : ""}`);
  const fatal = findings.filter(({ weight }) => weight === "fatal").length;
  console.log(
    fatal === 0
      ? "\nThe lab can run here."
      : "\nThe lab cannot run here. The README shows the demo on one's own cluster.",
  );
  return fatal === 0;
}

/** Why the lab cannot run here. */
export async function fatalFindings(): Promise<string[]> {
  const fatal = (await examine()).filter(({ weight }) => weight === "fatal");
  return fatal.map(({ what, fix }) => (fix ? `${what}. ${fix}` : what));
}

async function examine(): Promise<Finding[]> {
  if (process.platform !== "linux") {
    return [
      {
        what: `The system is ${process.platform}, the lab needs Linux`,
        weight: "fatal",
        fix: "Use a Linux machine or VM",
      },
    ];
  }
  const missing = await missingTools();
  return [
    finding(process.getuid?.() === 0, "root", "not root", "Run it as root: sudo npm run lab -- up"),
    finding(process.arch === "x64", "x86-64", `architecture ${process.arch}`, "The images are made for x86-64"),
    finding(
      atLeast(process.versions.node, VERSIONS.node),
      `Node.js ${process.versions.node}`,
      `Node.js ${process.versions.node} is too old`,
      `Install ${VERSIONS.node} or newer`,
    ),
    cgroups(),
    finding(kernelKnows("overlay"), "overlayfs", "the kernel lacks overlayfs", "modprobe overlay"),
    await networkNamespaces(),
    await nftables(),
    packages(),
    {
      what: missing.length === 0 ? "tools: all there" : `tools to build: ${missing.map(({ name }) => name).join(", ")}`,
      weight: missing.length === 0 ? "ok" : "note",
      fix: missing.length === 0 ? undefined : "`up` builds them, about 35 minutes on two cores for all",
    },
    ...(missing.length > 0 ? [await goToolchain()] : []),
    disk(missing.length > 0 ? NEEDED_COLD_GB : NEEDED_WARM_GB),
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

function kernelKnows(fileSystem: string): boolean {
  return readFileSync("/proc/filesystems", "utf8").includes(`\t${fileSystem}\n`);
}

async function networkNamespaces(): Promise<Finding> {
  const good = await succeeds("unshare", ["--net", "true"]);
  return finding(
    good,
    "network namespaces",
    "no right to make network namespaces",
    "CAP_SYS_ADMIN is needed: a VM, or a privileged container",
  );
}

/** In a namespace of its own, so that the machine's rules are not even looked at. */
async function nftables(): Promise<Finding> {
  if (!(await succeeds("nft", ["--version"])))
    return { what: "nftables: not checked, nft is not installed yet", weight: "note" };
  const good = await succeeds("unshare", [
    "--net",
    "nft",
    "add table ip probe; add chain ip probe nat { type nat hook output priority 0; }",
  ]);
  return finding(good, "nftables", "the kernel lacks nftables with NAT", "Load nf_tables and nft_chain_nat");
}

function packages(): Finding {
  const missing = missingPackages();
  if (missing.length === 0) return { what: "Debian packages: all there", weight: "ok" };
  const what = `Debian packages missing: ${missing.join(", ")}`;
  if (existsSync("/usr/bin/apt-get")) return { what, weight: "note", fix: "`up` installs them" };
  return { what, weight: "fatal", fix: "This is no Debian: install what they bring yourself" };
}

async function goToolchain(): Promise<Finding> {
  const version = /go(\d+\.\d+(\.\d+)?)/.exec(await run("go", ["version"]).catch(() => ""))?.[1];
  const good = version !== undefined && atLeast(version, VERSIONS.go);
  const ill = version ? `Go ${version} is too old` : "Go is not installed";
  return finding(good, `Go ${version}`, ill, `Install Go ${VERSIONS.go} or newer: the tools are built with it`);
}

function disk(needed: number): Finding {
  let folder = CACHE.root;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / 1e9);
  return finding(
    free >= needed,
    `disk: ${free} GB free`,
    `disk: ${free} GB free at ${folder}, ${needed} GB needed`,
    "Free some, or set XDG_CACHE_HOME and XDG_STATE_HOME to another disk",
  );
}

function memory(): Finding {
  const size = Math.round(totalmem() / 1e9);
  if (size >= NEEDED_MEMORY_GB) return { what: `memory: ${size} GB`, weight: "ok" };
  return {
    what: `memory: ${size} GB, ${NEEDED_MEMORY_GB} GB advised`,
    weight: "note",
    fix: "Builds may be killed by the kernel",
  };
}

function foreignLab(): Finding {
  const state = otherOwner();
  const ill = `another lab is on this machine, with its state in ${state}; yours would be in ${STATE.root}`;
  return finding(
    !state,
    "no other lab on this machine",
    ill,
    "Take it down first, with its owner's HOME: npm run lab -- down",
  );
}

function atLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(".").map(Number));
  for (const [index, part] of (want ?? []).entries()) {
    const other = have?.[index] ?? 0;
    if (other !== part) return other > part;
  }
  return true;
}
