/** An issuer whose CAs live in the stack: @pulumi/tls. Their keys are in the state, encrypted as secrets. */
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { hours } from "./duration";
import { CertificateUse, Issue, lifetimes, TlsIssuerArgs } from "./issuer";

/** Keys of CAs and leaves; every client and server of a Cluster speaks it. */
export const KEY = { algorithm: "ECDSA", ecdsaCurve: "P256" };
/** Key usages of leaf certificates, as @pulumi/tls names them. */
export const LEAF_USES: Record<CertificateUse, string[]> = {
  server: ["digital_signature", "key_encipherment", "server_auth"],
  client: ["digital_signature", "key_encipherment", "client_auth"],
};

/** Makes a CA for servers and one for clients, named after `name`, and returns what they issue. */
export function tlsIssuer(name: string, args: TlsIssuerArgs, opts: pulumi.CustomResourceOptions): Issue {
  const { validity, renewBefore } = lifetimes(args);
  const authority = (use: CertificateUse) => {
    const key = new tls.PrivateKey(`${name}-${use}-ca`, KEY, opts);
    const certificate = new tls.SelfSignedCert(
      `${name}-${use}-ca`,
      {
        privateKeyPem: key.privateKeyPem,
        isCaCertificate: true,
        subject: { commonName: `${name} ${use} CA` },
        validityPeriodHours: hours(args.caValidity ?? "3650d"),
        allowedUses: ["cert_signing", "crl_signing"],
        setSubjectKeyId: true,
      },
      opts,
    );
    return { key, certificate };
  };
  const authorities = { server: authority("server"), client: authority("client") };

  return (leaf, { use, commonName, dnsNames }, leafOpts) => {
    const ca = authorities[use];
    const key = new tls.PrivateKey(leaf, KEY, leafOpts);
    const request = new tls.CertRequest(
      leaf,
      { privateKeyPem: key.privateKeyPem, subject: { commonName }, dnsNames },
      leafOpts,
    );
    const certificate = new tls.LocallySignedCert(
      leaf,
      {
        certRequestPem: request.certRequestPem,
        caCertPem: ca.certificate.certPem,
        caPrivateKeyPem: ca.key.privateKeyPem,
        validityPeriodHours: validity,
        earlyRenewalHours: renewBefore,
        allowedUses: LEAF_USES[use],
      },
      leafOpts,
    );
    return { certificate: certificate.certPem, privateKey: key.privateKeyPem, caChain: ca.certificate.certPem };
  };
}
