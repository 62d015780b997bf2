/** A PostgreSQL database in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { registrationProvider } from "./provider";
import { TeleportConnection, TeleportDocument } from "./tctl";

/** How Teleport's agent verifies the database's certificate. */
export type DatabaseTlsMode =
  /** The chain and the host name. */
  | "verify-full"
  /** The chain only. */
  | "verify-ca";

export interface TeleportDatabaseArgs {
  /** The Teleport cluster to register in. */
  teleport: pulumi.Input<TeleportConnection>;
  /** Name in Teleport, unique in the whole Teleport cluster. A change replaces the registration. */
  name: pulumi.Input<string>;
  /** Shown by `tsh db ls`. */
  description?: pulumi.Input<string>;
  /** Labels: agents choose databases by them, roles grant access by them. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** `host:port` as the agent reaches it. */
  uri: pulumi.Input<string>;
  /** PEM of the CA that signed the server's certificate. Default: the agent's system pool. */
  caCert?: pulumi.Input<string>;
  /** Default: `verify-full`. */
  tlsMode?: pulumi.Input<DatabaseTlsMode>;
  /** Name expected in the server's certificate. Default: the host of `uri`. */
  serverName?: pulumi.Input<string>;
  /** Take over a database of that name that exists already and is not ours. Default: false, which refuses. */
  adopt?: boolean;
}

/**
 * Registers a database in Teleport; deleting the resource deregisters it and waits until it is gone.
 * Refresh finds what was changed or removed by hand. Becomes `kind: db, version: v3`.
 *
 * Fails if a database of that name exists that this very resource did not register.
 */
export class TeleportDatabase extends pulumi.dynamic.Resource {
  /** The document as registered, without the label that marks it as ours. */
  declare readonly document: pulumi.Output<TeleportDocument>;
  /** Name in Teleport, known once the database is visible there. */
  readonly databaseName: pulumi.Output<string>;

  constructor(name: string, args: TeleportDatabaseArgs, opts?: pulumi.CustomResourceOptions) {
    const inputs = pulumi.output(args).apply((known) => ({
      ...known.teleport,
      document: databaseDocument(known),
      adopt: known.adopt ?? false,
    }));
    super(
      registrationProvider,
      name,
      {
        proxy: inputs.proxy,
        credentials: inputs.apply(({ credentials }) => credentials),
        document: inputs.document,
        adopt: inputs.adopt,
        owner: `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}/${name}`,
        registration: undefined,
      },
      opts,
      "teleport",
      "Database",
    );
    this.databaseName = this.document.apply(({ metadata }) => metadata.name);
  }
}

/** The document that Teleport is given. Pure. */
export function databaseDocument(args: pulumi.Unwrap<Omit<TeleportDatabaseArgs, "teleport">>): TeleportDocument {
  return {
    kind: "db",
    version: "v3",
    metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
    spec: {
      protocol: "postgres",
      uri: args.uri,
      tls: { mode: args.tlsMode ?? "verify-full", ca_cert: args.caCert ?? "", server_name: args.serverName ?? "" },
    },
  };
}
