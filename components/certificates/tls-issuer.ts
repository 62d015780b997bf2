/** An issuer with CAs in the stack, by @pulumi/tls. Their keys are in the state, encrypted as secrets. */
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { hours } from "../durations";
import { ofCreated } from "../known-outputs";
import {
  caResource,
  CertificateKey,
  CertificateRequest,
  CertificateUse,
  declaredCas,
  FIRST_CA,
  Issue,
  Issuer,
  lifetimes,
  TlsIssuerArgs,
  keyWithDefaults,
} from "./issuer";

/** The key of a CA. Every client and server of a Cluster supports it. */
const CA_KEY = { algorithm: "ECDSA", ecdsaCurve: "P256" };
/** Key usages of leaf certificates, as @pulumi/tls names them. */
export const LEAF_USES: Record<CertificateUse, string[]> = {
  server: ["digital_signature", "key_encipherment", "server_auth"],
  client: ["digital_signature", "key_encipherment", "client_auth"],
};

/** The key of a leaf certificate, for @pulumi/tls. */
export function leafKey(key: CertificateKey | undefined): tls.PrivateKeyArgs {
  const { algorithm, size } = keyWithDefaults(key);
  return algorithm === "RSA" ? { algorithm, rsaBits: size } : { algorithm, ecdsaCurve: `P${size}` };
}

/** The names of a request. An empty kind of name is left out. */
export function requestedNames(names: CertificateRequest["names"]): {
  dnsNames?: pulumi.Output<string[]>;
  ipAddresses?: pulumi.Output<string[]>;
} {
  if (names === undefined) return {};
  const known = pulumi.output(names);
  return {
    dnsNames: known.apply(({ dnsNames }) => dnsNames),
    // Pulumi leaves out an undefined input, although the types of @pulumi/vault do not allow it.
    ipAddresses: known.apply(({ ipAddresses }) => (ipAddresses.length > 0 ? ipAddresses : undefined) as string[]),
  };
}

/** A CA of the stack. */
interface Authority {
  key: tls.PrivateKey;
  /** PEM. */
  certificate: pulumi.Output<string>;
}

/** Creates the CAs for servers and for clients, named after `name`. The first CA of each use signs. */
export function tlsIssuer(name: string, args: TlsIssuerArgs, opts: pulumi.CustomResourceOptions): Issuer {
  const { validity, renewBefore } = lifetimes(args);
  const authority = (use: CertificateUse, ca: string): Authority => {
    const resource = caResource(name, use, ca);
    const key = new tls.PrivateKey(resource, CA_KEY, opts);
    const certificate = new tls.SelfSignedCert(
      resource,
      {
        privateKeyPem: key.privateKeyPem,
        isCaCertificate: true,
        subject: { commonName: ca === FIRST_CA ? `${name} ${use} CA` : `${name} ${use} CA ${ca}` },
        validityPeriodHours: hours(args.caValidity ?? "3650d"),
        allowedUses: ["cert_signing", "crl_signing"],
        setSubjectKeyId: true,
      },
      // A renamed database keeps its CAs.
      { ...opts, ignoreChanges: ["subject"] },
    );
    return { key, certificate: ofCreated(certificate, certificate.certPem) };
  };
  const authorities = (use: CertificateUse) => {
    const [signing = FIRST_CA, ...others] = declaredCas(args[use]);
    const trusted = others.map((ca) =>
      authority(use, ca).certificate.apply((pem) => ({
        name: `the stack's ${use} CA ${ca}`,
        pem,
        optional: true,
      })),
    );
    return { signing: authority(use, signing), trusted: pulumi.all(trusted) };
  };
  const server = authorities("server");
  const client = authorities("client");
  const signing = { server: server.signing, client: client.signing };

  const issue: Issue = (leaf, { use, commonName, names }, leafOpts) => {
    const ca = signing[use];
    const key = new tls.PrivateKey(leaf, leafKey(args.key), leafOpts);
    const request = new tls.CertRequest(
      leaf,
      { privateKeyPem: key.privateKeyPem, subject: { commonName }, ...requestedNames(names) },
      leafOpts,
    );
    const certificate = new tls.LocallySignedCert(
      leaf,
      {
        certRequestPem: request.certRequestPem,
        caCertPem: ca.certificate,
        caPrivateKeyPem: ca.key.privateKeyPem,
        validityPeriodHours: validity,
        earlyRenewalHours: renewBefore,
        allowedUses: LEAF_USES[use],
      },
      leafOpts,
    );
    const certPem = ofCreated(certificate, certificate.certPem);
    return { certificate: certPem, privateKey: key.privateKeyPem, caChain: ca.certificate };
  };
  return { issue, trusted: { server: server.trusted, client: client.trusted } };
}
