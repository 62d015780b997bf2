/**
 * The token for requests to Vault. The first of these that is set:
 *   VAULT_TOKEN
 *   VAULT_ROLE_ID and VAULT_SECRET_ID   a login by AppRole (mount: VAULT_APPROLE_MOUNT, default `approle`); its token is
 *                                       revoked when the work is done
 *   ~/.vault-token                      the file that `vault login` writes
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { vaultRequest, VaultServer } from "./client";
import { VaultError } from "./errors";

/**
 * Runs `use` with a token.
 *
 * @throws VaultError "configuration" if the environment has no credentials, "login" if Vault does not accept them
 */
export async function withToken<Result>(
  server: VaultServer,
  environment: NodeJS.ProcessEnv,
  use: (token: string) => Promise<Result>,
): Promise<Result> {
  const { VAULT_TOKEN, VAULT_ROLE_ID, VAULT_SECRET_ID, VAULT_APPROLE_MOUNT } = environment;
  if (VAULT_TOKEN) return use(VAULT_TOKEN);
  if (!VAULT_ROLE_ID || !VAULT_SECRET_ID) return use(tokenOfFile(environment));
  const token = await loginByAppRole(server, VAULT_APPROLE_MOUNT || "approle", VAULT_ROLE_ID, VAULT_SECRET_ID);
  try {
    return await use(token);
  } finally {
    await revoke(server, token);
  }
}

async function loginByAppRole(server: VaultServer, mount: string, roleId: string, secretId: string): Promise<string> {
  const path = `auth/${mount}/login`;
  const hint = "Check VAULT_ROLE_ID, VAULT_SECRET_ID and VAULT_APPROLE_MOUNT.";
  let answer;
  try {
    answer = await vaultRequest(server, { method: "POST", path, body: { role_id: roleId, secret_id: secretId } });
  } catch (error) {
    const isRefused = error instanceof VaultError && ["access-denied", "failed"].includes(error.failure);
    if (!isRefused) throw error;
    throw new VaultError("login", `Vault at ${server.address} refused the login at ${path}. ${hint}`);
  }
  const { client_token: token } = (answer?.auth ?? {}) as { client_token?: string };
  if (!token) throw new VaultError("login", `Vault at ${server.address} returned no token at ${path}. ${hint}`);
  return token;
}

/**
 * Best effort, one attempt: the token expires anyway, and the work that needed it is done. Batch tokens cannot be
 * revoked.
 */
async function revoke(server: VaultServer, token: string): Promise<void> {
  await vaultRequest({ ...server, delays: [] }, { method: "POST", path: "auth/token/revoke-self", token }).catch(
    () => {},
  );
}

function tokenOfFile({ HOME }: NodeJS.ProcessEnv): string {
  const file = join(HOME || homedir(), ".vault-token");
  try {
    const token = readFileSync(file, "utf8").trim();
    if (token) return token;
  } catch {
    // reported below
  }
  throw new VaultError(
    "configuration",
    `There are no credentials for Vault. Set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, or run \`vault login\`.`,
  );
}
