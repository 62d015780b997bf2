/** An issuer that lets Vault's PKI sign requests, by @pulumi/vault. Keys are created here and never sent to Vault. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import * as vault from "@pulumi/vault";
import { altNames } from "./alt-names";
import { renewalEndWarning } from "./certificate-check";
import {
  CertificateRequest,
  CertificateUse,
  declaredRoles,
  Issue,
  Issuer,
  lifetimes,
  VaultIssuerArgs,
  VaultPkiRole,
  wholeKey,
} from "./issuer";
import { leafKey, LEAF_USES, requestedNames } from "./tls-issuer";
import { vaultAuthority, readRole, readSigningCa, roleWarnings, SigningRequest } from "./vault-pki";
import { warnOnce } from "./warn-once";

/** The first role of each use signs. The CAs of the other roles are read, so that they are trusted. */
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

/** Warns about what the role would refuse, if the role can be read. */
function warnOfRole(
  role: VaultPkiRole,
  request: Omit<SigningRequest, "ipAddresses">,
  names: CertificateRequest["names"],
  parent: pulumi.Resource,
): void {
  const asked = pulumi.output(role).apply(async (known) => ({ known, settings: await readRole(known, { parent }) }));
  pulumi.all([asked, names ?? altNames([])]).apply(([{ known, settings }, { ipAddresses }]) => {
    for (const warning of settings ? roleWarnings(known, settings, { ...request, ipAddresses }) : []) {
      warnOnce(warning, parent);
    }
  });
}

/**
 * Warns if the CA expires so soon that nothing can be renewed. Checks the CA that Vault has now, or, if it cannot be
 * read, the CA that signed last.
 */
function warnOfExpiry(
  role: VaultPkiRole,
  { setting, ...life }: { setting: string; validity: number; renewBefore: number },
  lastChain: pulumi.Output<string>,
  parent: pulumi.Resource,
): void {
  const warn = (mount: string, chain: string) => {
    const warning = renewalEndWarning(`${setting}, mount ${mount},`, chain, life);
    if (warning !== undefined) warnOnce(warning, parent);
  };
  const current = pulumi
    .output(role)
    .apply(async (known) => ({ mount: known.mount, chain: await readSigningCa(known, { parent }) }));
  current.apply(({ mount, chain }) => chain !== undefined && warn(mount, chain));
  pulumi.all([current, lastChain]).apply(([{ mount, chain }, last]) => chain === undefined && warn(mount, last));
}

function signedByVault(args: VaultIssuerArgs): Issue {
  const { validity, renewBefore } = lifetimes(args);
  return (leaf, { use, commonName, names }, opts) => {
    const { dnsNames, ipAddresses } = requestedNames(names);
    const key = new tls.PrivateKey(leaf, leafKey(args.key), opts);
    // @pulumi/vault notices only in a refresh that a certificate must be renewed. @pulumi/tls notices it in every plan.
    // So this certificate, which is used nowhere else, must be renewed at the same time as Vault's. Its replacement
    // changes the request's organizational unit (which Vault's sign endpoint ignores), and a changed request is signed
    // again.
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
      { privateKeyPem: key.privateKeyPem, subject: { commonName, organizationalUnit: period }, dnsNames, ipAddresses },
      opts,
    );
    const [signing] = declaredRoles(args[use]) as [VaultPkiRole]; // checked: there is one
    const { mount, role } = signing;
    const signed = new vault.pkisecret.SecretBackendSign(
      leaf,
      {
        backend: mount,
        name: role,
        csr: request.certRequestPem,
        commonName,
        // For roles that do not take the names from the request (use_csr_sans=false).
        altNames: dnsNames,
        ipSans: ipAddresses,
        excludeCnFromSans: true,
        ttl: `${validity}h`,
      },
      // With `replaceOnChanges`, newer bridged plugins delete before they create, and also delete what depends on it. Signing
      // again needs neither: the former certificate stays valid until the Secret contains its successor.
      pulumi.mergeOptions(opts, { replaceOnChanges: ["ttl", "csr"], deleteBeforeReplace: false }),
    );
    // `caChains` begins with the CA that signed. In some versions, it is empty if the mount's CA is a root.
    const caChain = pulumi
      .all([signed.caChains, signed.issuingCa, args.trustAnchors ?? ""])
      .apply(([chain, issuing, anchors]) => [...(chain?.length ? chain : [issuing]), anchors].join("\n"));
    if (opts.parent) {
      const setting = `issuer.${use}`;
      warnOfRole(signing, { setting, use, key: wholeKey(args.key), validity }, names, opts.parent);
      warnOfExpiry(signing, { setting, validity, renewBefore }, caChain, opts.parent);
    }
    return { certificate: signed.certificate, privateKey: key.privateKeyPem, caChain };
  };
}
