/** The Debian packages that the lab needs: finds and installs missing ones. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { which } from "../build/tools";
import { CACHE } from "../layout";
import { run } from "./command";
import { say } from "./progress";

/** A package, and what shows that the machine already has its content, from any source. */
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
  { name: "gpgv", command: "gpgv" }, // debootstrap verifies the archive's signature with it
  { name: "openssl", command: "openssl" },
  { name: "postgresql-client", command: "psql" },
  { name: "gcc", command: "gcc" },
  { name: "libc6-dev", file: "/usr/include/stdlib.h" },
];

/** How long to wait for another apt on the machine. */
const LOCK_LIMIT_SECONDS = 600;

/** While this file exists, packages start no services. A killed run may have left it, and its content identifies it. */
const POLICY = "/usr/sbin/policy-rc.d";
const POLICY_CONTENT = "#!/bin/sh\n# The cnpg-teleport lab installs packages; removed afterwards.\nexit 101\n";

export function missingPackages(): string[] {
  return PACKAGES.filter(({ command, file }) => !(command ? which(command) : existsSync(file ?? ""))).map(
    ({ name }) => name,
  );
}

/** Installs missing packages without starting any service: the lab runs its own containerd in its own network. */
export async function installPackages(names: string[]): Promise<void> {
  mkdirSync(CACHE.logs, { recursive: true });
  const log = join(CACHE.logs, "apt.log");
  writeFileSync(log, "");
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (!existsSync(POLICY)) writeFileSync(POLICY, POLICY_CONTENT, { mode: 0o755 });
  process.on("exit", allowServices); // also if a signal ends this process
  try {
    // Completes an interrupted installation, otherwise apt-get refuses to work.
    await run("dpkg", ["--configure", "-a"], { env, log, limit: 300_000 }).catch(() => "");
    // Old package lists may be sufficient, and one unreachable source is no reason to fail.
    await withAptLock(() => run("apt-get", ["update", "-q"], { env, log, limit: 300_000 })).catch(() => "");
    const options = ["-y", "-q", "--no-install-recommends", `-oDPkg::Lock::Timeout=${LOCK_LIMIT_SECONDS}`];
    const limit = 900_000 + LOCK_LIMIT_SECONDS * 1000;
    await withAptLock(() => run("apt-get", ["install", ...options, ...names], { env, log, limit }));
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\nThe whole log: ${log}. Install these packages manually: ${names.join(" ")}`,
    );
  } finally {
    allowServices();
  }
}

/** Removes the lab's policy file if it exists, and no other policy. */
export function allowServices(): void {
  if (existsSync(POLICY) && readFileSync(POLICY, "utf8") === POLICY_CONTENT) rmSync(POLICY);
}

/** apt-get waits for dpkg's lock, but not for the lock of its package lists. */
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
