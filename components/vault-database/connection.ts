/** The connection in Vault's database secrets engine: what is written, and what of it a hand has changed. Pure. */
import { isIPv6 } from "node:net";
import { USERNAME_TEMPLATE } from "./settings";

/** Where Vault reaches the database, and as whom. */
export interface ConnectionSettings {
  host: string;
  port: number;
  database: string;
  /** PEM. */
  serverCa: string;
  admin: string;
  allowedRoles: string[];
}

/** A library that the owner names for every session of his database, and that does not exist, would end Vault's. */
const OPTIONS = `options=${encodeURIComponent("-c local_preload_libraries=")}`;
const PLUGIN = "postgresql-database-plugin";

/**
 * What is written to `<mount>/config/<connection>`. Without a password Vault keeps the one that it has.
 *
 * The server is verified by name and by our CA, which is in the connection itself: Vault needs no file. With
 * `scram-sha-256` it sends PostgreSQL what PostgreSQL stores, and no password in an SQL statement, which a log could keep.
 */
export function connectionDocument(settings: ConnectionSettings, password?: string): Record<string, unknown> {
  return {
    plugin_name: PLUGIN,
    allowed_roles: settings.allowedRoles,
    verify_connection: true,
    ...details(settings),
    max_open_connections: 4,
    // A connection that is kept is not re-checked: after a failover it would lead to what is no primary any more.
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

/** What Vault answers for a connection, without the `data` around it. */
export interface FoundConnection {
  plugin_name?: string;
  allowed_roles?: string[] | null;
  connection_details?: Record<string, unknown>;
}

/** Says what of a connection is not as declared. Vault shows no password. */
export function connectionDeviations(settings: ConnectionSettings, found: FoundConnection): string[] {
  const { connection_details: shown = {} } = found;
  const wanted = details(settings);
  const differing = Object.keys(wanted).filter((key) => key in shown && shown[key] !== wanted[key]);
  const roles = sorted(found.allowed_roles ?? []) === sorted(settings.allowedRoles) ? [] : ["allowed_roles"];
  const plugin = found.plugin_name === PLUGIN ? [] : ["plugin_name"];
  return [...plugin, ...roles, ...differing].map((key) => `${key} of Vault's connection is not as declared`);
}

/** Whether a connection that is there is for the same database and user, so that it may be taken over. */
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
