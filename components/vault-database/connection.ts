/** The connection in Vault's database secrets engine: its document, and its drift. Pure. */
import { isIPv6 } from "node:net";
import { USERNAME_TEMPLATE } from "./settings";

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
export interface FoundConnection {
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
