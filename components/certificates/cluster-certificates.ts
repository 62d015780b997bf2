/** All certificates of one Cluster, as the Secrets that CNPG reads. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { PoolerAuthentication, poolerDnsNames, POOLER_LOGINS, poolerSecretName } from "../cnpg/pooler";
import { BACKGROUND_DELETION } from "../kubernetes/deletion";
import { secretNames, serverDnsNames } from "../postgres-cluster/names";
import { requireMutableSecrets } from "../kubernetes/mutable-secrets";
import { KEEPS_FIELD_MANAGER, ownedBy } from "../kubernetes/owner";
import { altNames } from "./alt-names";
import { CaBundle, clientCaBundle, leftOutWarnings, mergeCaBundle, PemSource, serverCaBundle } from "./ca-bundle";
import { caEndWarning, checkCertificate } from "./certificate-check";
import { CertificateRequest, CertificateUse, Issue, IssuedCertificate, IssuerArgs, lifetimes } from "./issuer";
import { serverChain } from "./server-chain";
import { tlsIssuer } from "./tls-issuer";
import { vaultIssuer } from "./vault-issuer";
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
  /** Further DNS names and IP addresses of the server certificate. */
  serverAltNames?: pulumi.Input<string[]>;
  /** Makes the certificate with which PgBouncer logs in with explicit authentication. */
  explicitPoolers: boolean;
  /** Poolers that get a server certificate of their own. */
  poolers: string[];
  /** CAs besides the Cluster's own whose client certificates are accepted: Teleport's. */
  clientCas: pulumi.Input<pulumi.Input<PemSource>[]>;
  /** The Secrets stay in Kubernetes when the stack lets go of them. Default: false. */
  retained?: boolean;
}

/**
 * Issues the server's and `streaming_replica`'s certificates, merges the client-CA bundle, and keeps them in
 * Secrets with CNPG's reload label. Needs a Kubernetes provider with `enableSecretMutable: true`, which updates them in place.
 */
export class ClusterCertificates extends pulumi.ComponentResource {
  /** The Secrets that the Cluster's `certificates` name. */
  readonly secrets: pulumi.Output<{ server: string; serverCa: string; replication: string; clientCaBundle: string }>;
  /** PEM of the CAs that clients verify the server with, each up to its root: more than one while one is replaced. */
  readonly serverCa: pulumi.Output<string>;
  /** PEM of what instances send: the server's certificate, and the CAs between it and its root. */
  readonly serverCertificate: pulumi.Output<string>;
  /** PEM of the client-CA bundle. */
  readonly clientCaBundle: pulumi.Output<string>;
  /** PEM of all that poolers show and trust: it changes when a pooler has to load something. */
  readonly ofPoolers: pulumi.Output<string>;

  constructor(name: string, args: ClusterCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cnpg-teleport:certificates:ClusterCertificates", name, {}, requireMutableSecrets(opts));
    const child = { parent: this };
    const names = secretNames(args.cluster);
    const { issue, trusted } =
      args.issuer.type === "vault" ? vaultIssuer(args.issuer, child) : tlsIssuer(name, args.issuer, child);
    const checked = this.checkedIssue(issue, args.issuer);

    const serverNames = pulumi
      .all([args.namespace, args.serverAltNames ?? []])
      .apply(([namespace, more]) => altNames(serverDnsNames(args.cluster, namespace, args.clusterDomain, more)));
    const server = checked(`${name}-server`, { use: "server", commonName: `${args.cluster}-rw`, names: serverNames });
    const replication = checked(`${name}-replication`, { use: "client", commonName: "streaming_replica" });
    this.warnOfEnd(`issuer.server of ${args.cluster}`, server);
    this.warnOfEnd(`issuer.client of ${args.cluster}`, replication);
    const login = (kind: PoolerAuthentication) =>
      checked(`${name}-pooler-${kind}`, { use: "client", commonName: POOLER_LOGINS[kind].role });
    // Even where no Pooler is declared. The operator looks for it when one appears, made by hand perhaps; where it is
    // missing it tries to sign it, cannot without the client CA's key, and the whole Cluster is stuck.
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

    // The CA of each certificate, and not of one for all: where a mount of Vault got another issuer, those that were
    // signed before are still from the former.
    const chains = (use: CertificateUse, certificates: IssuedCertificate[]) =>
      pulumi
        .all(certificates.map(({ caChain }) => caChain))
        .apply((signed) => signed.map((pem): PemSource => ({ name: `the issuer's ${use} CA`, pem })));
    const serverCa = pulumi
      .all([chains("server", [server, ...poolers.map(({ issued }) => issued)]), trusted.server])
      .apply(([signed, others]) => this.told(serverCaBundle([...signed, ...others])));
    const bundle = pulumi
      .all([
        replication.caChain,
        chains("client", [integrated, ...explicit]),
        trusted.client,
        pulumi.output(args.clientCas),
      ])
      .apply(([pem, signed, others, clientCas]) =>
        this.told(clientCaBundle({ name: "the issuer's client CA", pem }, [...signed, ...others, ...clientCas])),
      );

    // After the component, whose name is unique in the stack; Clusters of one name may be in several namespaces.
    const resourceName = (secretName: string) =>
      secretName.startsWith(args.cluster) ? `${name}${secretName.slice(args.cluster.length)}` : `${name}-${secretName}`;
    const secret = (secretName: string, type: string, stringData: Record<string, pulumi.Input<string>>) =>
      new k8s.core.v1.Secret(
        resourceName(secretName),
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

  /** Warns, in preview as well, where a CA ends before what it signed. */
  private warnOfEnd(setting: string, { certificate, caChain }: IssuedCertificate): void {
    pulumi.all([certificate, caChain]).apply(([pem, chain]) => {
      const warning = caEndWarning(setting, pem, chain);
      if (warning !== undefined) void pulumi.log.warn(warning, this);
    });
  }

  /** The bundle, after a warning of the CAs that are not in it. */
  private told({ pem, leftOut }: CaBundle): string {
    for (const warning of leftOutWarnings(leftOut)) warnOnce(warning, this);
    return pem;
  }

  /** Issues and refuses what does not fit the request, before it gets anywhere. */
  private checkedIssue(
    issue: Issue,
    issuer: IssuerArgs,
  ): (name: string, request: CertificateRequest) => IssuedCertificate {
    return (name, request) => {
      const issued = issue(name, request, { parent: this });
      const certificate = pulumi
        .all([issued.certificate, issued.caChain, pulumi.output(request.names ?? altNames([]))])
        .apply(([pem, caChain, names]) => {
          // A chain that cannot be served is found before the certificate below it is.
          mergeCaBundle({ name: `the issuer's ${request.use} CA`, pem: caChain }, []);
          checkCertificate(pem, caChain, {
            setting: issuer.type === "vault" ? `issuer.${request.use}` : "issuer",
            use: request.use,
            commonName: request.commonName,
            ...names,
            validity: lifetimes(issuer).validity,
          });
          // Who verifies clients, instances and poolers, has the CAs of all of them in the bundle.
          return request.use === "server" ? serverChain(pem, caChain) : pem;
        });
      return { ...issued, certificate };
    };
  }
}
