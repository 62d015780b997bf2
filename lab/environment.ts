/** The environment of shells, tests and the demo in the lab, and running commands in the lab's network. */
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { inherit, searchPath } from "./host/command";
import { CLUSTER, NETWORK, PKI, PULUMI, S3, STATE, TELEPORT, VAULT } from "./layout";
import { refuseOtherLab } from "./host/owner";
import { readTrimmed } from "./host/private-file";

/** The variables, including PATH. */
export function labEnvironment(): Record<string, string> {
  refuseOtherLab();
  if (!existsSync(NETWORK.handle) || !existsSync(VAULT.secretId) || !existsSync(PULUMI.passphrase)) {
    throw new Error("The lab is not running. Start it: npm run lab -- up");
  }
  const [bucket = ""] = S3.buckets;
  return {
    PATH: [STATE.bin, ...searchPath().filter((folder) => folder !== STATE.bin)].join(delimiter),
    CNPG_TELEPORT_LAB: STATE.root,
    KUBECONFIG: CLUSTER.kubeconfig,
    VAULT_ADDR: VAULT.address,
    VAULT_CACERT: PKI.ca,
    VAULT_ROLE_ID: readTrimmed(VAULT.roleId),
    VAULT_SECRET_ID: readTrimmed(VAULT.secretId),
    S3_ENDPOINT: S3.address,
    S3_CACERT: PKI.ca,
    S3_REGION: S3.region,
    S3_BUCKET: bucket,
    S3_ACCESS_KEY_ID_FILE: S3.accessKeyId(bucket),
    S3_SECRET_ACCESS_KEY_FILE: S3.secretAccessKey(bucket),
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

/**
 * Runs a command in the lab's network with the cluster's DNS, at this process's terminal. Resolves to its exit code.
 */
export function execInLab(command: string[]): Promise<number> {
  return inherit("ip", ["netns", "exec", NETWORK.namespace, ...command], { env: labEnvironment() });
}

/** The variables in shell syntax. */
export function exportsText(environment: Record<string, string>): string {
  const quoted = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return `${lines.join("\n")}\n`;
}
