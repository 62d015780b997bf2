/** Debian's packages that the lab needs: which are missing, and their installation. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { run } from "./command";
import { which } from "../build/tools";

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
  { name: "openssl", command: "openssl" },
  { name: "postgresql-client", command: "psql" },
  { name: "gcc", command: "gcc" },
  { name: "libc6-dev", file: "/usr/include/stdlib.h" },
];

const POLICY = "/usr/sbin/policy-rc.d";

export function missingPackages(): string[] {
  return PACKAGES.filter(({ command, file }) => !(command ? which(command) : existsSync(file ?? ""))).map(
    ({ name }) => name,
  );
}

/** Installs what is missing, without starting any service: the lab runs its own containerd, in its own network. */
export async function installPackages(names: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-q"], { env, limit: 300_000 });
  const policyIsOurs = !existsSync(POLICY);
  if (policyIsOurs) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...names], { env, limit: 900_000 });
  } finally {
    if (policyIsOurs) rmSync(POLICY, { force: true });
  }
}
