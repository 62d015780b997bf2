/** The CA with which a Teleport cluster's agents identify themselves to databases. */
import * as pulumi from "@pulumi/pulumi";
import { certAuthorityProvider } from "./provider";
import { rotationWarning } from "./cert-authorities";
import { TeleportConnection } from "./tctl";

export interface TeleportCertAuthorityArgs {
  /** The Teleport cluster to read from. With the identity, this needs `list` and `readnosecrets` on cert_authority. */
  teleport: pulumi.Input<TeleportConnection>;
  /**
   * `identity`: by `tctl` with the program's identity. `proxy`: at the proxy's public endpoint, which needs none, but
   * shows just one of the two certificates of a rotation. Default: `identity`.
   */
  source?: "identity" | "proxy";
  /**
   * For the source `proxy`: path of a PEM file with the CAs that the proxy's certificate may be signed by, and no
   * others. Default: those that the system, SSL_CERT_FILE and SSL_CERT_DIR name.
   */
  caFile?: string;
}

/**
 * Reads the database client CA of a Teleport cluster at every preview and up: one call. While a CA
 * rotation is under way both of its certificates are there, and a warning says what to do. Where Teleport does not
 * answer, what was read before is kept.
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
        ...(args.source === "proxy" ? { source: args.source, caFile: args.caFile } : {}),
        certificates: undefined,
        cluster: undefined,
        rotationPhase: undefined,
      },
      opts,
      "teleport",
      "CertAuthority",
    );
    pulumi.all([this.cluster, this.rotationPhase]).apply(([cluster, phase]) => {
      if (phase !== undefined) pulumi.log.warn(rotationWarning(cluster, phase), this);
    });
  }
}
