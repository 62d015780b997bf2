/** An issuer whose CAs live in the stack: @pulumi/tls. Their keys are in the state, encrypted as secrets. */
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { hours } from "./duration";
import { CertificateUse, declaredCas, FIRST_CA, Issue, Issuer, lifetimes, TlsIssuerArgs } from "./issuer";

/** Keys of CAs and leaves; every client and server of a Cluster speaks it. */
export const KEY = { algorithm: "ECDSA", ecdsaCurve: "P256" };
/** Key usages of leaf certificates, as @pulumi/tls names them. */
export const LEAF_USES: Record<CertificateUse, string[]> = {
  server: ["digital_signature", "key_encipherment", "server_auth"],
  client: ["digital_signature", "key_encipherment", "client_auth"],
};

/** A CA of the stack. */
interface Authority {
  key: tls.PrivateKey;
  certificate: tls.SelfSignedCert;
}

/** Makes CAs for servers and for clients, named after `name`, of which the first of each use signs. */
export function tlsIssuer(name: string, args: TlsIssuerArgs, opts: pulumi.CustomResourceOptions): Issuer {
  const { validity, renewBefore } = lifetimes(args);
  const authority = (use: CertificateUse, ca: string): Authority => {
    // The default has no name in its resources: they are those of stacks that know of one CA only.
    const isFirst = ca === FIRST_CA;
    const resource = isFirst ? `${name}-${use}-ca` : `${name}-${use}-ca-${ca}`;
    const key = new tls.PrivateKey(resource, KEY, opts);
    const certificate = new tls.SelfSignedCert(
      resource,
      {
        privateKeyPem: key.privateKeyPem,
        isCaCertificate: true,
        subject: { commonName: isFirst ? `${name} ${use} CA` : `${name} ${use} CA ${ca}` },
        validityPeriodHours: hours(args.caValidity ?? "3650d"),
        allowedUses: ["cert_signing", "crl_signing"],
        setSubjectKeyId: true,
      },
      opts,
    );
    return { key, certificate };
  };
  const authorities = (use: CertificateUse) => {
    const [signing = FIRST_CA, ...others] = declaredCas(args[use]);
    const trusted = others.map((ca) =>
      authority(use, ca).certificate.certPem.apply((pem) => ({ name: `the stack's ${use} CA ${ca}`, pem })),
    );
    return { signing: authority(use, signing), trusted: pulumi.all(trusted) };
  };
  const server = authorities("server");
  const client = authorities("client");
  const signing = { server: server.signing, client: client.signing };

  const issue: Issue = (leaf, { use, commonName, dnsNames }, leafOpts) => {
    const ca = signing[use];
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
  return { issue, trusted: { server: server.trusted, client: client.trusted } };
}
