/** What a database in Teleport says. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./resource";

/**
 * How Teleport's agent verifies the database's certificate. Teleport has `insecure` besides, which verifies nothing and
 * is not offered: with the CA given, or the system's pool, there is always something to verify with.
 */
export type DatabaseTlsMode =
  /** The chain and the host name. */
  | "verify-full"
  /** The chain only. */
  | "verify-ca";

/** A label whose value is what a command prints on the agent's machine. */
export interface DynamicLabel {
  /** The command and its arguments; it runs in the agent's container. */
  command: string[];
  /** Time between two runs, in Go's notation, e.g. `1m`, `1h30m`. */
  period: string;
}

/** The PostgreSQL user as whom Teleport makes users of their own for people (auto user provisioning). */
export interface DatabaseAdminUser {
  /** Name of the PostgreSQL user. It needs CREATEROLE and a certificate login, as people do. */
  name: string;
  /** Database that it logs in to. Default: the one that the person asked for. Newer than Teleport 13, which drops it. */
  defaultDatabase?: string;
}

/** Settings of a database in Teleport; they become `spec` of `kind: db, version: v3`. */
export interface TeleportDatabaseArgs extends RegistrationArgs {
  /** Name in Teleport, unique in the whole Teleport cluster. A change replaces the registration. */
  name: pulumi.Input<string>;
  /** Shown by `tsh db ls`. */
  description?: pulumi.Input<string>;
  /** Labels: agents choose databases by them, roles grant access by them. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Labels that the agent computes, by name. Becomes `dynamic_labels`. Default: none. */
  dynamicLabels?: pulumi.Input<Record<string, DynamicLabel>>;
  /** `host:port` as the agent reaches it. */
  uri: pulumi.Input<string>;
  /** PEM of the CA that signed the server's certificate. Default: none; agents then know Teleport's own CA only. */
  caCert?: pulumi.Input<string>;
  /** Default: `verify-full`. */
  tlsMode?: pulumi.Input<DatabaseTlsMode>;
  /** Name expected in the server's certificate. Default: the host of `uri`. */
  serverName?: pulumi.Input<string>;
  /**
   * Trust the CAs of the agent's system as well, for a server with a certificate of a public CA. Becomes
   * `trust_system_cert_pool`. Default: false. Teleport releases before June 2024 (of 15 and 16) drop it.
   */
  trustSystemPool?: pulumi.Input<boolean>;
  /** For auto user provisioning. Becomes `admin_user`. Default: none. */
  adminUser?: pulumi.Input<DatabaseAdminUser>;
}

/** What is known of a database, without where to register it. */
export type DatabaseSettings = pulumi.Unwrap<Omit<TeleportDatabaseArgs, keyof RegistrationArgs>>;

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
