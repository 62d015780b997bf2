/**
 * Vault's database secrets engine: the connection's document and its drift, and requests while an operation runs, for
 * what Pulumi's Vault provider cannot do or would leave in the state. The credentials are those of the environment
 * (vault/login.ts).
 */
import { VaultAnswer, VaultRequest, vaultRequest, vaultServer } from "../vault/client";
import { VaultError } from "../vault/errors";
import { withToken } from "../vault/login";
import { retried } from "../waiting";
import { type VaultConnection, USERNAME_TEMPLATE } from "./settings";
import { isIPv6 } from "node:net";

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
  /** Lists the keys below a path. */
  list(path: string): Promise<string[]>;
  /** Vault's ID of a mount. Undefined if nothing is mounted there. */
  accessor(mount: string): Promise<string | undefined>;
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
    async list(path) {
      return ((await send({ path, list: true }))?.data as { keys?: string[] } | undefined)?.keys ?? [];
    },
    async accessor(mount) {
      try {
        return ((await send({ path: `sys/mounts/${mount}` }))?.data as { accessor?: string } | undefined)?.accessor;
      } catch (error) {
        // Vault answers 400, not 404.
        if (error instanceof VaultError && /No (secret engine mount|auth engine) at/.test(error.message))
          return undefined;
        throw error;
      }
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

/** Where Vault reaches the database, and as which user. */
export interface ConnectionSettings {
  host: string;
  port: number;
  database: string;
  /** PEM. */
  serverCa: string;
  admin: string;
  allowedRoles: string[];
}

/**
 * Clears local_preload_libraries. The owner of the database may set it for every session; a library that does not
 * exist would end Vault's sessions.
 */
const OPTIONS = `options=${encodeURIComponent("-c local_preload_libraries=")}`;
const PLUGIN = "postgresql-database-plugin";

/**
 * The document for `<mount>/config/<connection>`. Without a password, Vault keeps the one that it has.
 *
 * Vault verifies the server by name and by the CA in the connection, so it needs no file. With `scram-sha-256`, Vault
 * sends PostgreSQL the SCRAM verifier. No password appears in an SQL statement, which a log could keep.
 */
export function connectionDocument(settings: ConnectionSettings, password?: string): Record<string, unknown> {
  return {
    plugin_name: PLUGIN,
    allowed_roles: settings.allowedRoles,
    verify_connection: true,
    ...details(settings),
    max_open_connections: 4,
    // Vault does not check an open connection again. After a failover it would still lead to the former primary.
    max_connection_lifetime: "60s",
    ...(password === undefined ? {} : { password }),
  };
}

function details({ host, port, database, admin, serverCa }: ConnectionSettings): Record<string, unknown> {
  const where = `${isIPv6(host) ? `[${host}]` : host}:${port}/${encodeURIComponent(database)}`;
  return {
    connection_url: `postgresql://{{username}}:{{password}}@${where}?sslmode=verify-full&connect_timeout=10&${OPTIONS}`,
    username: admin,
    tls_ca: serverCa,
    password_authentication: "scram-sha-256",
    username_template: USERNAME_TEMPLATE,
  };
}

/** Vault's answer for a connection, without the enclosing `data`. */
interface FoundConnection {
  plugin_name?: string;
  allowed_roles?: string[] | null;
  connection_details?: Record<string, unknown>;
}

/** Lists the fields of a connection that differ from the declaration. Vault does not return the password. */
export function connectionDrift(settings: ConnectionSettings, found: FoundConnection): string[] {
  const { connection_details: shown = {} } = found;
  const wanted = details(settings);
  const differing = Object.keys(wanted).filter((key) => key in shown && shown[key] !== wanted[key]);
  const roles = sorted(found.allowed_roles ?? []) === sorted(settings.allowedRoles) ? [] : ["allowed_roles"];
  const plugin = found.plugin_name === PLUGIN ? [] : ["plugin_name"];
  return [...plugin, ...roles, ...differing].map((key) => `${key} of Vault's connection differs from the declaration`);
}

/** Whether an existing connection is for the same database and user. Only then it may be taken over. */
export function isSameConnection(
  settings: ConnectionSettings,
  { connection_details: shown }: FoundConnection,
): boolean {
  const { connection_url: url, username } = details(settings);
  return shown?.connection_url === url && shown?.username === username;
}

function sorted(names: readonly string[]): string {
  return JSON.stringify([...names].sort());
}
