/**
 * Requests to Vault while an operation runs, for what Pulumi's Vault provider cannot do or would leave in the state.
 * The credentials are those of the environment (vault/login.ts).
 */
import { VaultAnswer, VaultRequest, vaultRequest, vaultServer } from "../vault/client";
import { VaultError } from "../vault/errors";
import { withToken } from "../vault/login";
import { retried } from "../waiting";
import type { FoundConnection } from "./connection";
import type { VaultConnection } from "./settings";

/** Vault's answer for a role, without the enclosing `data`. */
export interface FoundRole {
  /** Name of the role's connection. */
  db_name?: string;
}

/** The database secrets engine, as operations use it. Unit tests replace it with a fake. */
export interface VaultEngine {
  /** Reads a connection. Undefined if it does not exist. */
  read(path: string): Promise<FoundConnection | undefined>;
  /** Reads a role. Undefined if it does not exist. */
  readRole(path: string): Promise<FoundRole | undefined>;
  write(path: string, body: Record<string, unknown>): Promise<void>;
  remove(path: string): Promise<void>;
  /**
   * Revokes all leases whose ids begin with the path, and waits until it is done. The limit is in milliseconds.
   * @throws VaultError if it still fails at the limit
   */
  revoke(path: string, limit: number): Promise<void>;
  /**
   * Removes all leases of the path even if their users cannot be dropped (Vault's `revoke-force`), as many as
   * possible within the limit, in milliseconds.
   */
  forget(path: string, limit: number): Promise<void>;
}

/** Logs in to Vault and runs `use` with its database secrets engine. */
export type WithEngine = <Result>(
  connection: VaultConnection | undefined,
  use: (engine: VaultEngine) => Promise<Result>,
) => Promise<Result>;

const REVOKE_PAUSE_MS = 2_000;

export const withVaultEngine: WithEngine = (connection, use) => {
  const { address, namespace } = connection ?? {};
  const environment = {
    ...process.env,
    ...(address === undefined ? {} : { VAULT_ADDR: address }),
    ...(namespace === undefined ? {} : { VAULT_NAMESPACE: namespace }),
  };
  const server = vaultServer(environment);
  return withToken(server, environment, (token) =>
    use(engineOf((request, delays) => vaultRequest({ ...server, delays }, { ...request, token }))),
  );
};

type Send = (request: VaultRequest, delays?: readonly number[]) => Promise<VaultAnswer | undefined>;

function engineOf(send: Send): VaultEngine {
  return {
    async read(path) {
      return (await send({ path }))?.data as FoundConnection | undefined;
    },
    async readRole(path) {
      return (await send({ path }))?.data as FoundRole | undefined;
    },
    async write(path, body) {
      await send({ method: "POST", path, body });
    },
    async remove(path) {
      await send({ method: "DELETE", path });
    },
    revoke: (path, limit) =>
      within(limit, () => send({ method: "POST", path: `sys/leases/revoke-prefix/${path}`, body: { sync: true } }, [])),
    async forget(path, limit) {
      try {
        await within(limit, () => send({ method: "POST", path: `sys/leases/revoke-force/${path}` }, []));
      } catch (error) {
        if (!(error instanceof VaultError) || error.failure === "access-denied") throw error;
        console.error(`Vault has not removed all leases of ${path} yet: ${error.message}`);
      }
    },
  };
}

/** Repeats a request that Vault does not finish at once. Each repetition continues where the one before stopped. */
async function within(limit: number, work: () => Promise<unknown>): Promise<void> {
  const passes = (error: unknown) => error instanceof VaultError && error.failure !== "access-denied";
  await retried(work, passes, { every: REVOKE_PAUSE_MS, within: limit });
}
