/** An issuer that has Vault's PKI sign requests: @pulumi/vault. Keys are made here and never leave for Vault. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import * as vault from "@pulumi/vault";
import { CertificateUse, declaredRoles, Issue, Issuer, lifetimes, VaultIssuerArgs, VaultPkiRole } from "./issuer";
import { KEY, LEAF_USES } from "./tls-issuer";
import { vaultAuthority } from "./vault-authority";

/** What the first role of each use signs; the CAs of the others are read. */
export function vaultIssuer(args: VaultIssuerArgs, opts: pulumi.InvokeOptions): Issuer {
  const anchors = args.trustAnchors ?? "";
  const trusted = (use: CertificateUse) =>
    pulumi.all(
      declaredRoles(args[use])
        .slice(1)
        .map((role) => vaultAuthority(`issuer.${use}`, role, anchors, opts)),
    );
  return { issue: signedByVault(args), trusted: { server: trusted("server"), client: trusted("client") } };
}

function signedByVault(args: VaultIssuerArgs): Issue {
  const { validity, renewBefore } = lifetimes(args);
  return (leaf, { use, commonName, dnsNames }, opts) => {
    const key = new tls.PrivateKey(leaf, KEY, opts);
    // @pulumi/vault sees that a certificate is due only in a refresh. @pulumi/tls sees it in every plan: this
    // certificate, used nowhere else, falls due together with Vault's, its replacement changes the request's
    // organizational unit (which Vault's sign endpoint ignores), and a changed request is signed anew.
    const clock = new tls.SelfSignedCert(
      `${leaf}-renewal`,
      {
        privateKeyPem: key.privateKeyPem,
        subject: { commonName: `renewal of ${commonName}` },
        validityPeriodHours: validity,
        earlyRenewalHours: renewBefore,
        allowedUses: LEAF_USES[use],
      },
      opts,
    );
    const period = clock.certPem.apply((pem) => createHash("sha256").update(pem).digest("hex").slice(0, 16));
    const request = new tls.CertRequest(
      leaf,
      { privateKeyPem: key.privateKeyPem, subject: { commonName, organizationalUnit: period }, dnsNames },
      opts,
    );
    const [{ mount, role }] = declaredRoles(args[use]) as [VaultPkiRole]; // checked: there is one
    const signed = new vault.pkisecret.SecretBackendSign(
      leaf,
      {
        backend: mount,
        name: role,
        csr: request.certRequestPem,
        commonName,
        altNames: dnsNames,
        excludeCnFromSans: true,
        ttl: `${validity}h`,
      },
      pulumi.mergeOptions(opts, { replaceOnChanges: ["ttl", "csr"] }),
    );
    // `caChains` begins with the CA that signed; a mount whose CA is a root leaves it empty in some versions.
    const caChain = pulumi
      .all([signed.caChains, signed.issuingCa, args.trustAnchors ?? ""])
      .apply(([chain, issuing, anchors]) => [...(chain?.length ? chain : [issuing]), anchors].join("\n"));
    return { certificate: signed.certificate, privateKey: key.privateKeyPem, caChain };
  };
}
