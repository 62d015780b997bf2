/** The CA with which a Teleport cluster's agents identify themselves to databases. */
import * as pulumi from "@pulumi/pulumi";
import { certAuthorityProvider } from "../provider";
import { rotationWarning } from "./rotation";
import { TeleportConnection } from "../client/tctl";

export interface TeleportCertAuthorityArgs {
  /** The Teleport cluster to read from. With the identity, this needs `list` and `readnosecrets` on cert_authority. */
  teleport: pulumi.Input<TeleportConnection>;
  /**
   * `identity`: by `tctl` with the program's identity. `proxy`: at the proxy's public endpoint, which needs none, but
   * shows no phases, and before 2026 just one of the two certificates of a rotation. Default: `identity`.
   */
  source?: "identity" | "proxy";
  /**
   * For the source `proxy`: path of a PEM file with the CAs that the proxy's certificate may be signed by, and no
   * others. Default: those that the system, SSL_CERT_FILE and SSL_CERT_DIR name.
   */
  caFile?: string;
}

const warned = new Set<string>();

/**
 * Reads the database client CA of a Teleport cluster at every preview and up: one call, or two. While a CA
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
  /** Its type as `tctl auth rotate` takes it, while a rotation is under way. */
  declare readonly rotationType: pulumi.Output<string | undefined>;
  /** When Teleport enters update_clients, update_servers and standby by itself (ISO 8601); empty by hand. */
  declare readonly rotationSchedule: pulumi.Output<string[] | undefined>;

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
        rotationType: undefined,
        rotationSchedule: undefined,
      },
      opts,
      "teleport",
      "CertAuthority",
    );
    const rotation = [this.rotationPhase, this.rotationType, this.rotationSchedule] as const;
    pulumi.all([this.cluster, ...rotation]).apply(([cluster, rotationPhase, rotationType, rotationSchedule]) => {
      if (rotationPhase !== undefined && rotationType !== undefined && rotationSchedule !== undefined)
        this.warnOnce(rotationWarning(cluster, { rotationPhase, rotationType, rotationSchedule }));
    });
  }

  /** All databases of a program read the same CA. */
  private warnOnce(text: string): void {
    if (warned.has(text)) return;
    warned.add(text);
    pulumi.log.warn(text, this);
  }
}
