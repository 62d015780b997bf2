/** What a shell, a test or the demo needs to use the lab; and running commands in its network. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter } from "node:path";
import { CLUSTER, NETWORK, PKI, PULUMI, STATE, TELEPORT, VAULT } from "./layout";
import { readTrimmed } from "./host/private-file";

/** The variables to set, PATH included. */
export function labEnvironment(): Record<string, string> {
  if (!existsSync(NETWORK.handle) || !existsSync(VAULT.secretId) || !existsSync(PULUMI.passphrase)) {
    throw new Error("The lab is not up. Bring it up with: npm run lab -- up");
  }
  return {
    PATH: [STATE.bin, ...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== STATE.bin)].join(
      delimiter,
    ),
    CNPG_TELEPORT_LAB: STATE.root,
    KUBECONFIG: CLUSTER.kubeconfig,
    VAULT_ADDR: VAULT.address,
    VAULT_CACERT: PKI.ca,
    VAULT_ROLE_ID: readTrimmed(VAULT.roleId),
    VAULT_SECRET_ID: readTrimmed(VAULT.secretId),
    TELEPORT_PROXY: TELEPORT.proxy,
    TELEPORT_IDENTITY_FILE: TELEPORT.identity("registrar"),
    SSL_CERT_FILE: PKI.bundle,
    NODE_EXTRA_CA_CERTS: PKI.bundle,
    PULUMI_HOME: PULUMI.home,
    PULUMI_BACKEND_URL: `file://${PULUMI.backend}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: PULUMI.passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "1",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_NODEJS_TRANSPILE_ONLY: "true",
  };
}

/** The command line that runs a command in the lab's network, with the cluster's DNS. */
export function insideCommand(command: string[]): [string, string[]] {
  return ["ip", ["netns", "exec", NETWORK.namespace, ...command]];
}

/** Runs a command in the lab with this process' terminal; resolves to its exit code. */
export function execInLab(command: string[], extra: Record<string, string> = {}): Promise<number> {
  const [program, args] = insideCommand(command);
  const env = { ...process.env, ...labEnvironment(), ...extra };
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env });
    const forward = (signal: NodeJS.Signals) => {
      // A terminal gives Ctrl-C to the command itself as well.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(signal ? 128 + constants.signals[signal] : (code ?? 1)));
  });
}

/** The variables as a shell reads them. */
export function exportsText(environment: Record<string, string>): string {
  const quoted = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return `${lines.join("\n")}\n`;
}
