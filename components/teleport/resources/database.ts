/** A PostgreSQL database in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { DATABASE, databaseSpec } from "./database-document";
import { RegistrationArgs, TeleportResource } from "./resource";

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
  /** Time between two runs, in hours, minutes and seconds, e.g. `1m`, `1h30m`. */
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

/**
 * Registers a database in Teleport; deleting the resource deregisters it and waits until it is gone.
 * Refresh finds what was changed or removed by hand. Becomes `kind: db, version: v3`.
 *
 * Fails, in the preview where it can, if a database of that name exists that this very resource did not register.
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
