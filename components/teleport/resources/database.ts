/** A PostgreSQL database in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { DATABASE, databaseSpec } from "./database-document";
import { RegistrationArgs, TeleportResource } from "./resource";

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
  /** Name of the PostgreSQL user. It needs CREATEROLE, and a login by certificate, like people. */
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

/**
 * Registers a database in Teleport. Deleting the resource deregisters it and waits until it is gone. A refresh finds
 * manual changes and deletions. Becomes `kind: db, version: v3`.
 *
 * Fails, in the preview if possible, if a database of that name exists that another resource or person registered.
 */
export class TeleportDatabase extends TeleportResource {
  /** Name in Teleport, known once the database is visible there. */
  readonly databaseName: pulumi.Output<string>;

  constructor(name: string, args: TeleportDatabaseArgs, opts?: pulumi.CustomResourceOptions) {
    const { teleport: _teleport, adopt: _adopt, ...settings } = args;
    const document = {
      ...DATABASE,
      metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(databaseSpec),
    };
    super("Database", name, args, document, opts);
    this.databaseName = this.document.apply(({ metadata }) => metadata.name);
  }
}
