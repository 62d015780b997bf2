/** The CA that signs the certificates with which a Teleport cluster's agents identify themselves to databases. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../../dynamic/provider";
import { rotationWarning } from "./database-client-ca";
import { TeleportConnection } from "../client/tctl";

const certAuthorityProvider = dynamicProvider("certAuthority");

export interface TeleportCertAuthorityArgs {
  /** The Teleport cluster to read from. With an identity, this needs `list` and `readnosecrets` on cert_authority. */
  teleport: pulumi.Input<TeleportConnection>;
  /**
   * `identity`: by `tctl` with the program's identity. `proxy`: at the proxy's public endpoint, which needs no
   * identity, but does not show the phases of a rotation, and in releases before 2026 shows only one of its two
   * certificates. Default: `identity`.
   */
  source?: "identity" | "proxy";
  /**
   * For the source `proxy`: path of a PEM file with the only CAs that may have signed the proxy's certificate.
   * Default: the CAs of the system, SSL_CERT_FILE and SSL_CERT_DIR.
   */
  caFile?: string;
}

const warned = new Set<string>();

/**
 * Reads the database client CA of a Teleport cluster at every preview and up, with one or two calls. During a CA
 * rotation it returns both certificates, and a warning says what to do. If Teleport does not answer, the CA from the
 * last run is kept.
 */
export class TeleportCertAuthority extends pulumi.dynamic.Resource {
  /** Certificates in PEM, those in use first. */
  declare readonly certificates: pulumi.Output<string[]>;
  /** Name of the Teleport cluster. */
  declare readonly cluster: pulumi.Output<string>;
  /** The phase of the current rotation; undefined if there is none. */
  declare readonly rotationPhase: pulumi.Output<string | undefined>;
  /** The CA type for `tctl auth rotate`, during a rotation. */
  declare readonly rotationType: pulumi.Output<string | undefined>;
  /**
   * When Teleport enters update_clients, update_servers and standby automatically (ISO 8601). Empty for a manual
   * rotation.
   */
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

  /** All databases of a program read the same CA, so the warning is printed once. */
  private warnOnce(text: string): void {
    if (warned.has(text)) return;
    warned.add(text);
    pulumi.log.warn(text, this);
  }
}
