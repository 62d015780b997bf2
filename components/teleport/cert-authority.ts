/** The CA with which a Teleport cluster's agents identify themselves to databases. */
import * as pulumi from "@pulumi/pulumi";
import { certAuthorityProvider } from "./provider";
import { TeleportConnection } from "./tctl";

export interface TeleportCertAuthorityArgs {
  /** The Teleport cluster to read from. The identity needs `list` and `readnosecrets` on cert_authority. */
  teleport: pulumi.Input<TeleportConnection>;
}

/**
 * Reads the database client CA of a Teleport cluster at every preview and up: one call. While a CA
 * rotation is under way both of its certificates are there. Where Teleport does not answer, what was
 * read before is kept.
 */
export class TeleportCertAuthority extends pulumi.dynamic.Resource {
  /** PEM certificates, those in use first. */
  declare readonly certificates: pulumi.Output<string[]>;
  /** The Teleport cluster's name. */
  declare readonly cluster: pulumi.Output<string>;
  /** The phase of a rotation that is under way, else undefined. */
  declare readonly rotationPhase: pulumi.Output<string | undefined>;

  constructor(name: string, args: TeleportCertAuthorityArgs, opts?: pulumi.CustomResourceOptions) {
    const teleport = pulumi.output(args.teleport);
    super(
      certAuthorityProvider,
      name,
      {
        proxy: teleport.proxy,
        credentials: teleport.apply(({ credentials }) => credentials),
        certificates: undefined,
        cluster: undefined,
        rotationPhase: undefined,
      },
      opts,
      "teleport",
      "CertAuthority",
    );
  }
}
