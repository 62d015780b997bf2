/** The document of a database in Teleport. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./registration";

/**
 * How Teleport's agent verifies the database's certificate. Teleport also has `insecure`, which verifies nothing. It
 * is not offered: with the given CA, or the system's CAs, verification is always possible.
 */
export type DatabaseTlsMode =
  /** The chain and the host name. */
  | "verify-full"
  /** The chain only. */
  | "verify-ca";

/** A label whose value is the output of a command on the agent's machine. */
export interface DynamicLabel {
  /** The command and its arguments. It runs in the agent's container. */
  command: string[];
  /** Time between two runs, in hours, minutes and seconds, e.g. `1m`, `1h30m`. */
  period: string;
}

/** The PostgreSQL user with which Teleport creates users for people (auto user provisioning). */
export interface DatabaseAdminUser {
  /** Name of the PostgreSQL user. It needs CREATEROLE, and must be able to log in by certificate, like people. */
  name: string;
  /**
   * Database that the admin user logs in to. Default: the database that the person requested. Needs a newer Teleport
   * than 13, which ignores it.
   */
  defaultDatabase?: string;
}

/** Settings of a database in Teleport. They become `spec` of `kind: db, version: v3`. */
export interface TeleportDatabaseArgs extends RegistrationArgs {
  /** Name in Teleport. It must be unique in the whole Teleport cluster. A change replaces the registration. */
  name: pulumi.Input<string>;
  /** Description that `tsh db ls` shows. */
  description?: pulumi.Input<string>;
  /** Labels. Agents select databases by them, and roles grant access by them. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Labels that the agent computes, by name. Becomes `dynamic_labels`. Default: none. */
  dynamicLabels?: pulumi.Input<Record<string, DynamicLabel>>;
  /** `host:port` as the agent reaches it. */
  uri: pulumi.Input<string>;
  /** CA that signed the server's certificate, in PEM. Default: none; agents then trust only Teleport's own CA. */
  caCert?: pulumi.Input<string>;
  /** Default: `verify-full`. */
  tlsMode?: pulumi.Input<DatabaseTlsMode>;
  /** Name that the server's certificate must have. Default: the host of `uri`. */
  serverName?: pulumi.Input<string>;
  /**
   * Also trust the CAs of the agent's system, for a server with a certificate of a public CA. Becomes
   * `trust_system_cert_pool`. Default: false. Teleport releases before June 2024 (of 15 and 16) ignore it.
   */
  trustSystemPool?: pulumi.Input<boolean>;
  /** Admin user for auto user provisioning. Becomes `admin_user`. Default: none. */
  adminUser?: pulumi.Input<DatabaseAdminUser>;
}

/** The settings of a database, without the Teleport cluster. */
export type DatabaseSettings = pulumi.Unwrap<Omit<TeleportDatabaseArgs, keyof RegistrationArgs>>;

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
