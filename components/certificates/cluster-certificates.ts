/** All certificates of a Cluster, in the Secrets that CNPG reads. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { PoolerAuthentication, poolerDnsNames, POOLER_LOGINS, poolerSecretName } from "../cnpg/pooler";
import { BACKGROUND_DELETION, ownedBy } from "../kubernetes/owner";
import { CERTIFICATE_RESOURCES, checkClusterName, secretNames, secretResource, serverDnsNames } from "../cnpg/names";
import { checkArgs } from "../known-outputs";
import { requireMutableSecrets } from "../kubernetes/provider-settings";
import { checkNamespace } from "../kubernetes/names";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import type { SettingProblem } from "../problems";
import { valueIfKnown } from "../value-check";
import { altNames, checkAltNames, checkClusterDomain } from "./alt-names";
import { CaBundle, clientCaBundle, leftOutWarnings, PemSource, serverCaBundle, serverChain } from "./ca-bundle";
import { checkedIssuer, warnOfExpiry } from "./checked-issuer";
import { CertificateRequest, CertificateUse, checkIssuer, IssuedCertificate, IssuerArgs } from "./issuer";
import { warnOnce } from "./warn-once";

/** CNPG reloads the instances when a Secret with this label changes. */
const RELOAD = { "cnpg.io/reload": "" };

export interface ClusterCertificatesArgs {
  /** Name of the Cluster. */
  cluster: string;
  namespace: pulumi.Input<string>;
  issuer: IssuerArgs;
  /** The Kubernetes cluster's DNS domain, e.g. `cluster.local`. */
  clusterDomain: string;
  /** Additional DNS names and IP addresses of the server certificate. */
  serverAltNames?: pulumi.Input<string[]>;
  /** Issues the certificate for PgBouncer's login with explicit authentication. */
  explicitPoolers: boolean;
  /** Poolers that get their own server certificate. */
  poolers: string[];
  /** Additional CAs whose client certificates are accepted: Teleport's. */
  clientCas: pulumi.Input<pulumi.Input<PemSource>[]>;
  /** Whether the Secrets stay in Kubernetes when they are removed from the stack. Default: false. */
  retained?: boolean;
}

/**
 * Issues the certificates of the server and of `streaming_replica`, merges the client-CA bundle, and stores them in
 * Secrets with CNPG's reload label. Needs a Kubernetes provider with `enableSecretMutable: true`, which updates them in place.
 *
 * @throws SettingsError in the constructor, with every problem, before anything is created
 */
export class ClusterCertificates extends pulumi.ComponentResource {
  /** The Secrets for the Cluster's `certificates`. */
  readonly secrets: pulumi.Output<{ server: string; serverCa: string; replication: string; clientCaBundle: string }>;
  /** PEM of the CAs with which clients verify the server, up to the root. There are several while a CA is being replaced. */
  readonly serverCa: pulumi.Output<string>;
  /** PEM of what instances send: the server's certificate and the intermediate CAs. */
  readonly serverCertificate: pulumi.Output<string>;
  /** PEM of the client-CA bundle. */
  readonly clientCaBundle: pulumi.Output<string>;
  /** PEM of everything that poolers use. It changes if a pooler must load something. */
  readonly ofPoolers: pulumi.Output<string>;

  constructor(name: string, args: ClusterCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, clusterDomain, namespace, issuer, serverAltNames } = args;
    const settings = { cluster, clusterDomain, namespace, issuer, serverAltNames };
    const { opts: ownOpts } = checkArgs(opts, args, settings, checkCertificates);
    super("cnpg-teleport:certificates:ClusterCertificates", name, {}, requireMutableSecrets(ownOpts));
    const child = { parent: this };
    const names = secretNames(args.cluster);
    const { issue, trusted } = checkedIssuer(name, args.issuer, this);
    const checked = (leaf: string, request: CertificateRequest) =>
      request.use === "server" ? withIntermediates(issue(leaf, request)) : issue(leaf, request);

    const serverNames = pulumi
      .all([args.namespace, args.serverAltNames ?? []])
      .apply(([namespace, more]) => altNames(serverDnsNames(args.cluster, namespace, args.clusterDomain, more)));
    const resource = (of: keyof typeof CERTIFICATE_RESOURCES) => `${name}-${CERTIFICATE_RESOURCES[of]}`;
    const server = checked(resource("server"), { use: "server", commonName: `${args.cluster}-rw`, names: serverNames });
    const replication = checked(resource("replication"), { use: "client", commonName: "streaming_replica" });
    warnOfExpiry(`issuer.server of ${args.cluster}`, server, this);
    warnOfExpiry(`issuer.client of ${args.cluster}`, replication, this);
    const login = (kind: PoolerAuthentication) =>
      checked(resource(kind), { use: "client", commonName: POOLER_LOGINS[kind].role });
    // Also without a declared Pooler. If a Pooler appears, e.g. a manual one, the operator looks for this certificate.
    // If it is missing, the operator tries to sign it, fails without the client CA's key, and the whole Cluster is
    // stuck.
    const integrated = login("integrated");
    const explicit = args.explicitPoolers ? [login("explicit")] : [];
    const poolers = args.poolers.map((pooler) => {
      const poolerNames = pulumi
        .output(args.namespace)
        .apply((namespace) => altNames(poolerDnsNames(pooler, namespace, args.clusterDomain)));
      return {
        pooler,
        issued: checked(`${name}-${pooler}`, { use: "server", commonName: pooler, names: poolerNames }),
      };
    });

    // The CA of each certificate, not one CA for all: if a mount of Vault gets another issuer, certificates that were signed
    // before are still from the former issuer.
    const chains = (use: CertificateUse, certificates: IssuedCertificate[]) =>
      pulumi
        .all(certificates.map(({ caChain }) => caChain))
        .apply((signed) => signed.map((pem): PemSource => ({ name: `the issuer's ${use} CA`, pem })));
    const serverCa = pulumi
      .all([chains("server", [server, ...poolers.map(({ issued }) => issued)]), trusted.server])
      .apply(([signed, others]) => this.warned(serverCaBundle([...signed, ...others])));
    const bundle = pulumi
      .all([
        replication.caChain,
        chains("client", [integrated, ...explicit]),
        trusted.client,
        pulumi.output(args.clientCas),
      ])
      .apply(([pem, signed, others, clientCas]) =>
        this.warned(clientCaBundle({ name: "the issuer's client CA", pem }, [...signed, ...others, ...clientCas])),
      );

    const secret = (secretName: string, type: string, stringData: Record<string, pulumi.Input<string>>) =>
      new k8s.core.v1.Secret(
        secretResource(name, args.cluster, secretName),
        {
          metadata: {
            name: secretName,
            namespace: args.namespace,
            labels: RELOAD,
            annotations: { ...ownedBy(name), ...BACKGROUND_DELETION },
          },
          type,
          stringData,
        },
        { ...child, ...KEEPS_FIELD_MANAGER, retainOnDelete: args.retained },
      ).metadata.name;
    const tlsSecret = (secretName: string, issued: IssuedCertificate) =>
      secret(secretName, "kubernetes.io/tls", { "tls.crt": issued.certificate, "tls.key": issued.privateKey });

    this.serverCa = serverCa;
    this.serverCertificate = server.certificate;
    this.clientCaBundle = bundle;
    const shown = [integrated, ...explicit, ...poolers.map(({ issued }) => issued)];
    this.ofPoolers = pulumi.concat(...shown.map(({ certificate }) => certificate), serverCa, bundle);
    this.secrets = pulumi.output({
      server: tlsSecret(names.server, server),
      serverCa: secret(names.serverCa, "Opaque", { "ca.crt": serverCa }),
      replication: tlsSecret(names.replication, replication),
      clientCaBundle: secret(names.clientCaBundle, "Opaque", { "ca.crt": bundle }),
    });

    tlsSecret(names.pooler, integrated);
    for (const issued of explicit) tlsSecret(names.poolerAuthentication, issued);
    for (const { pooler, issued } of poolers) tlsSecret(poolerSecretName(pooler), issued);
    this.registerOutputs({ secrets: this.secrets, serverCa: this.serverCa });
  }

  /** Returns the bundle, after a warning about the CAs that are left out. */
  private warned({ pem, leftOut }: CaBundle): string {
    for (const warning of leftOutWarnings(leftOut)) warnOnce(warning, this);
    return pem;
  }
}

/** Clients may know only the root. Instances and poolers verify client certificates with the bundle, which has every CA. */
function withIntermediates(issued: IssuedCertificate): IssuedCertificate {
  const certificate = pulumi
    .all([issued.certificate, issued.caChain])
    .apply(([pem, caChain]) => serverChain(pem, caChain));
  return { ...issued, certificate };
}

/** What is checked of the arguments. */
type CheckedArgs = Pick<
  ClusterCertificatesArgs,
  "cluster" | "clusterDomain" | "namespace" | "issuer" | "serverAltNames"
>;

/** Returns every problem. */
function checkCertificates(args: CheckedArgs): SettingProblem[] {
  const { cluster, clusterDomain, namespace, issuer, serverAltNames = [] } = args;
  return [
    ...checkClusterName("cluster", cluster),
    ...checkClusterDomain("clusterDomain", clusterDomain),
    ...checkNamespace("namespace", valueIfKnown(namespace)),
    ...checkIssuer("issuer", issuer),
    ...(Array.isArray(serverAltNames) ? checkAltNames("serverAltNames", serverAltNames) : []),
  ];
}
