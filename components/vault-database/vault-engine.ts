/**
 * What is asked of Vault while an operation runs: what Pulumi's Vault provider would leave in the state, or cannot do.
 * The credentials are those of the environment (vault/login.ts).
 */
import { VaultAnswer, VaultRequest, vaultRequest, vaultServer } from "../vault/client";
import { VaultError } from "../vault/errors";
import { withToken } from "../vault/login";
import { retried } from "../waiting";
import type { FoundConnection } from "./connection";
import type { VaultConnection } from "./settings";

/** What Vault answers for a role, without the `data` around it. */
export interface FoundRole {
  /** Name of the connection that it is for. */
  db_name?: string;
}

/** The database secrets engine, as an operation needs it; the tests of pure logic put a fake in its place. */
export interface VaultEngine {
  /** Undefined if there is none. */
  read(path: string): Promise<FoundConnection | undefined>;
  /** A role; undefined if there is none. */
  readRole(path: string): Promise<FoundRole | undefined>;
  write(path: string, body: Record<string, unknown>): Promise<void>;
  remove(path: string): Promise<void>;
  /**
   * Ends all leases whose ids begin with the path, and waits for it. @throws VaultError when it fails till the limit,
   * in milliseconds
   */
  revoke(path: string, limit: number): Promise<void>;
  /** Forgets all leases of the path, whatever becomes of their users; as many as it can within the limit, in milliseconds. */
  forget(path: string, limit: number): Promise<void>;
}

/** Runs `use` with the engine of a Vault, logged in. */
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

type Ask = (request: VaultRequest, delays?: readonly number[]) => Promise<VaultAnswer | undefined>;

function engineOf(ask: Ask): VaultEngine {
  return {
    async read(path) {
      return (await ask({ path }))?.data as FoundConnection | undefined;
    },
    async readRole(path) {
      return (await ask({ path }))?.data as FoundRole | undefined;
    },
    async write(path, body) {
      await ask({ method: "POST", path, body });
    },
    async remove(path) {
      await ask({ method: "DELETE", path });
    },
    revoke: (path, limit) =>
      within(limit, () => ask({ method: "POST", path: `sys/leases/revoke-prefix/${path}`, body: { sync: true } }, [])),
    async forget(path, limit) {
      try {
        await within(limit, () => ask({ method: "POST", path: `sys/leases/revoke-force/${path}` }, []));
      } catch (error) {
        if (!(error instanceof VaultError) || error.failure === "access-denied") throw error;
        console.error(`Vault has not forgotten all leases of ${path} yet: ${error.message}`);
      }
    },
  };
}

/** Repeats what Vault does not get done in one request: each goes on where the one before it ended. */
async function within(limit: number, work: () => Promise<unknown>): Promise<void> {
  const passes = (error: unknown) => error instanceof VaultError && error.failure !== "access-denied";
  await retried(work, passes, { every: REVOKE_PAUSE_MS, within: limit });
}
