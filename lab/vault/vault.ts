/** The lab's Vault: a real server with its data on disk. The first `up` initializes it, and every `up` unseals it. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureAuthority, ensureServerCertificate } from "../certificates";
import { ensureDaemon, stopDaemon, waitUntilServes } from "../host/daemon";
import { NETWORK, RUN, STATE, VAULT } from "../layout";
import { readTrimmed, writeWhole } from "../host/private-file";
import { tool } from "../build/tools";
import { vaultRequest } from "./api";
import { configureVault } from "./setup";
import { waitFor } from "../host/wait";

const configurationFile = join(STATE.vault, "vault.hcl");

export async function ensureVault(): Promise<void> {
  mkdirSync(STATE.vault, { recursive: true, mode: 0o700 });
  await ensureAuthority();
  const { key, certificate } = await ensureServerCertificate("vault");
  const configuration = `storage "file" {
  path = "${join(STATE.vault, "data")}"
}
listener "tcp" {
  address       = "${NETWORK.address}:8200"
  tls_cert_file = "${certificate}"
  tls_key_file  = "${key}"
}
# For the lab's own set-up, which runs outside of the lab's network.
listener "unix" {
  address     = "${RUN.vaultSocket}"
  socket_mode = "600"
  tls_disable = true
}
api_addr      = "${VAULT.address}"
disable_mlock = true
`;
  writeWhole(configurationFile, configuration);
  const command = [tool("vault"), "server", `-config=${configurationFile}`];
  await ensureDaemon({ name: "vault", command, configuration });
  await waitUntilServes("vault", async () => (await vaultRequest("GET", "sys/seal-status")) !== undefined);
  await initialise();
  await unseal();
  await configureVault(readTrimmed(VAULT.rootToken));
}

export async function vaultIsUnsealed(): Promise<boolean> {
  const status = await vaultRequest<{ sealed: boolean }>("GET", "sys/seal-status");
  return status?.sealed === false;
}

async function initialise(): Promise<void> {
  const status = await vaultRequest<{ initialized: boolean }>("GET", "sys/seal-status");
  if (status?.initialized) {
    if (existsSync(VAULT.unsealKey)) return;
    await stopDaemon("vault");
    throw new Error(
      `Vault has data in ${STATE.vault} but its unseal key is gone. Remove all data: npm run lab -- down --purge`,
    );
  }
  const made = await vaultRequest<{ keys: string[]; root_token: string }>("PUT", "sys/init", {
    secret_shares: 1,
    secret_threshold: 1,
  });
  writeWhole(VAULT.unsealKey, `${made?.keys[0]}\n`);
  writeWhole(VAULT.rootToken, `${made?.root_token}\n`);
}

async function unseal(): Promise<void> {
  if (await vaultIsUnsealed()) return;
  await vaultRequest("PUT", "sys/unseal", { key: readTrimmed(VAULT.unsealKey) });
  // An unsealed Vault is not active yet: until then it answers requests with 5xx.
  await waitFor("Vault is active", async () => Boolean(await vaultRequest("GET", "sys/health")), { limit: 60 });
}
