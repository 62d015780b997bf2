/** Debian's packages that the lab needs: which are missing, and their installation. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { which } from "../build/tools";
import { CACHE } from "../layout";
import { run } from "./command";
import { say } from "./progress";

/** A package, and what proves that the machine has what it would bring, from wherever. */
interface DebianPackage {
  name: string;
  command?: string;
  file?: string;
}

const PACKAGES: DebianPackage[] = [
  { name: "runc", command: "runc" },
  { name: "containerd", command: "containerd" },
  { name: "containernetworking-plugins", file: "/usr/lib/cni/ptp" },
  { name: "nftables", command: "nft" },
  { name: "iptables", command: "iptables" },
  { name: "conntrack", command: "conntrack" },
  { name: "iproute2", command: "ip" },
  { name: "debootstrap", command: "debootstrap" },
  { name: "debian-archive-keyring", file: "/usr/share/keyrings/debian-archive-keyring.gpg" },
  { name: "ca-certificates", file: "/etc/ssl/certs/ca-certificates.crt" },
  { name: "gpgv", command: "gpgv" }, // debootstrap checks the archive's signature with it
  { name: "openssl", command: "openssl" },
  { name: "postgresql-client", command: "psql" },
  { name: "gcc", command: "gcc" },
  { name: "libc6-dev", file: "/usr/include/stdlib.h" },
];

/** How long another apt on the machine is waited for. */
const LOCK_LIMIT_SECONDS = 600;

/** While this is there, packages start no services. A run that was killed may have left it: told by its content. */
const POLICY = "/usr/sbin/policy-rc.d";
const POLICY_CONTENT = "#!/bin/sh\n# The cnpg-teleport lab installs packages; removed afterwards.\nexit 101\n";

export function missingPackages(): string[] {
  return PACKAGES.filter(({ command, file }) => !(command ? which(command) : existsSync(file ?? ""))).map(
    ({ name }) => name,
  );
}

/** Installs what is missing, without starting any service: the lab runs its own containerd, in its own network. */
export async function installPackages(names: string[]): Promise<void> {
  mkdirSync(CACHE.logs, { recursive: true });
  const log = join(CACHE.logs, "apt.log");
  writeFileSync(log, "");
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (!existsSync(POLICY)) writeFileSync(POLICY, POLICY_CONTENT, { mode: 0o755 });
  process.on("exit", allowServices); // also where a signal ends this
  try {
    // Finishes what an interrupted installation began, else apt-get refuses to work.
    await run("dpkg", ["--configure", "-a"], { env, log, limit: 300_000 }).catch(() => "");
    // Old lists may still do, and one unreachable source of many is no reason to give up.
    await withAptLock(() => run("apt-get", ["update", "-q"], { env, log, limit: 300_000 })).catch(() => "");
    const options = ["-y", "-q", "--no-install-recommends", `-oDPkg::Lock::Timeout=${LOCK_LIMIT_SECONDS}`];
    const limit = 900_000 + LOCK_LIMIT_SECONDS * 1000;
    await withAptLock(() => run("apt-get", ["install", ...options, ...names], { env, log, limit }));
  } catch (error) {
    throw new Error(`${(error as Error).message}\nThe whole log: ${log}. Install by hand: ${names.join(" ")}`);
  } finally {
    allowServices();
  }
}

/** Removes the lab's policy, if it is there, and nobody else's. */
export function allowServices(): void {
  if (existsSync(POLICY) && readFileSync(POLICY, "utf8") === POLICY_CONTENT) rmSync(POLICY);
}

/** apt-get waits for dpkg's lock, but not for the one of its lists. */
async function withAptLock(work: () => Promise<string>): Promise<string> {
  let told = "";
  for (const until = Date.now() + LOCK_LIMIT_SECONDS * 1000; ; await sleep(3000)) {
    try {
      return await work();
    } catch (error) {
      const held = /Could not get lock.*/.exec((error as Error).message)?.[0];
      if (!held || Date.now() > until) throw error;
      if (held !== told) say(`  …    ${held}: waiting`);
      told = held;
    }
  }
}
