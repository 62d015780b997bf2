/** The certificates with which the CloudNativePG operator and the barman-cloud plugin authenticate each other. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { checkArgs } from "../known-outputs";
import { requireMutableSecrets } from "../kubernetes/mutable-secrets";
import { checkNamespace } from "../kubernetes/names";
import { BACKGROUND_DELETION, ownedBy } from "../kubernetes/owner";
import type { SettingProblem } from "../problems";
import { valueIfKnown, wrong } from "../value-check";
import { altNames } from "./alt-names";
import { withAcceptedCas } from "./ca-bundle";
import { checkedIssuer, warnOfExpiry } from "./checked-issuer";
import { CertificateUse, checkIssuer, IssuedCertificate, IssuerArgs } from "./issuer";

export interface BackupPluginCertificatesArgs {
  /**
   * Who signs the certificates, as in a database. With `vault`, use mounts of their own: the plugin obeys everybody who has a
   * certificate of the CA of `client`.
   */
  issuer: IssuerArgs;
  /** Namespace of the CloudNativePG operator, and so of the plugin. Default: `cnpg-system`. */
  namespace?: pulumi.Input<string>;
}

/** Names in the manifest of the plugin (0.15): the annotations of its Service name the Secrets. */
const SECRETS = { server: "barman-cloud-server-tls", client: "barman-cloud-client-tls" };
/** The operator verifies the name of the plugin's Service. */
const SERVICE = "barman-cloud";
/** The plugin verifies no name. This is the one in its manifest. */
const CLIENT = "barman-cloud-client";

/**
 * Issues the certificates of CloudNativePG's barman-cloud plugin, so that it needs no cert-manager. Create it once for each
 * Kubernetes cluster, and run `pulumi up` before the certificates expire: without valid certificates, CloudNativePG changes
 * no Cluster that has backups. Renewed certificates are used without a restart. Deleting the component stops the plugin.
 *
 * Needs a Kubernetes provider with `enableSecretMutable: true`. The issuer `vault` also needs a Vault provider.
 *
 * @throws SettingsError in the constructor, with every problem, before anything is created
 */
export class BackupPluginCertificates extends pulumi.ComponentResource {
  /** Names of the Secrets. */
  readonly secrets: pulumi.Output<{ server: string; client: string }>;

  constructor(name: string, args: BackupPluginCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    const { issuer, namespace = "cnpg-system" } = args;
    const { opts: ownOpts } = checkArgs(opts, args, { issuer, namespace }, checkBackupPluginCertificates);
    super("cnpg-teleport:certificates:BackupPluginCertificates", name, {}, requireMutableSecrets(ownOpts));
    const { issue, trusted } = checkedIssuer(name, issuer, this);
    const secret = (use: CertificateUse, issued: IssuedCertificate) => {
      warnOfExpiry(`issuer.${use} of the backup plugin`, issued, this);
      // Each side trusts all certificates in the other's Secret. The operator shows its certificate only to a server that
      // names the CA of this certificate. So the CA must be there too.
      const certificate = pulumi
        .all([issued.certificate, issued.caChain, trusted[use]])
        .apply(([pem, chain, others]) => withAcceptedCas(pem, chain, others));
      return new k8s.core.v1.Secret(
        `${name}-${use}`,
        {
          metadata: { name: SECRETS[use], namespace, annotations: { ...ownedBy(name), ...BACKGROUND_DELETION } },
          type: "kubernetes.io/tls",
          // Not `stringData`: the API server finds no conflict between it and what another program wrote as `data`.
          data: { "tls.crt": certificate.apply(base64), "tls.key": issued.privateKey.apply(base64) },
        },
        { parent: this, ...KEEPS_FIELD_MANAGER },
      ).metadata.name;
    };
    const names = altNames([SERVICE]);
    this.secrets = pulumi.output({
      server: secret("server", issue(`${name}-server`, { use: "server", commonName: SERVICE, names })),
      client: secret("client", issue(`${name}-client`, { use: "client", commonName: CLIENT })),
    });
    this.registerOutputs({ secrets: this.secrets });
  }
}

/** Returns every problem. */
function checkBackupPluginCertificates({ issuer, namespace }: BackupPluginCertificatesArgs): SettingProblem[] {
  // Programs in JavaScript may write anything.
  const { type } = (issuer ?? {}) as { type?: unknown };
  return [
    ...checkNamespace("namespace", valueIfKnown(namespace)),
    ...(type === "tls" || type === "vault"
      ? checkIssuer("issuer", issuer)
      : wrong(
          "issuer.type",
          type,
          "must be tls or vault",
          'Write { type: "tls" }, or { type: "vault", server, client }.',
        )),
  ];
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
