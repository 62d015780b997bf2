/** The document of a database in Teleport. Pure. */
import type { DatabaseAdminUser, DatabaseSettings } from "./database";
import type { TeleportDocument } from "../client/tctl";

export const DATABASE = { kind: "db", version: "v3" } as const;

/** The document that is sent to Teleport. */
export function databaseDocument(settings: DatabaseSettings): TeleportDocument {
  const { name, description = "", labels = {} } = settings;
  return { ...DATABASE, metadata: { name, description, labels }, spec: databaseSpec(settings) };
}

/**
 * `spec` of the document. Settings without a value are left out, so that a Teleport that does not know a field does
 * not get it.
 */
export function databaseSpec(settings: DatabaseSettings): Record<string, unknown> {
  const { dynamicLabels = {}, adminUser } = settings;
  return {
    protocol: "postgres",
    uri: settings.uri,
    ...(Object.keys(dynamicLabels).length > 0 ? { dynamic_labels: dynamicLabels } : {}),
    tls: {
      mode: settings.tlsMode ?? "verify-full",
      ca_cert: settings.caCert ?? "",
      server_name: settings.serverName ?? "",
      ...(settings.trustSystemPool ? { trust_system_cert_pool: true } : {}),
    },
    ...(adminUser ? { admin_user: databaseAdminUser(adminUser) } : {}),
  };
}

/** `admin_user`. It has the same form in documents and in agents' configuration. */
export function databaseAdminUser({ name, defaultDatabase }: DatabaseAdminUser): Record<string, string> {
  return { name, ...(defaultDatabase === undefined ? {} : { default_database: defaultDatabase }) };
}
