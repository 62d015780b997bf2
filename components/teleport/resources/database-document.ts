/** What a database in Teleport says. Pure. */
import type { DatabaseAdminUser, DatabaseSettings } from "./database";
import type { TeleportDocument } from "../client/tctl";

export const DATABASE = { kind: "db", version: "v3" } as const;

/** The document that Teleport is given. */
export function databaseDocument(settings: DatabaseSettings): TeleportDocument {
  const { name, description = "", labels = {} } = settings;
  return { ...DATABASE, metadata: { name, description, labels }, spec: databaseSpec(settings) };
}

/** `spec` of the document; what is not set is left out, so that a Teleport that lacks a field is not given it. */
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

/** `admin_user`, spelled the same in documents and in agents' configuration. */
export function databaseAdminUser({ name, defaultDatabase }: DatabaseAdminUser): Record<string, string> {
  return { name, ...(defaultDatabase === undefined ? {} : { default_database: defaultDatabase }) };
}
