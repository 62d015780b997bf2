/** Issuers whose certificates are checked before anything uses them. */
import * as pulumi from "@pulumi/pulumi";
import { altNames } from "./alt-names";
import { mergeCaBundle } from "./ca-bundle";
import { caExpiryWarning, checkCertificate } from "./certificate-check";
import { CertificateRequest, IssuedCertificate, Issuer, IssuerArgs, lifetimes } from "./issuer";
import { tlsIssuer } from "./tls-issuer";
import { vaultIssuer } from "./vault-issuer";

/** An issuer for one component. */
export interface CheckedIssuer extends Pick<Issuer, "trusted"> {
  /** Creates a key and a certificate, or fails with every difference from the request. */
  issue(name: string, request: CertificateRequest): IssuedCertificate;
}

/** The issuer of the settings. `name` begins the names of the resources, which are children of `parent`. */
export function checkedIssuer(name: string, args: IssuerArgs, parent: pulumi.Resource): CheckedIssuer {
  const child = { parent };
  const { issue, trusted } = args.type === "vault" ? vaultIssuer(args, child) : tlsIssuer(name, args, child);
  return {
    trusted,
    issue(leaf, request) {
      const issued = issue(leaf, request, child);
      const certificate = pulumi
        .all([issued.certificate, issued.caChain, pulumi.output(request.names ?? altNames([]))])
        .apply(([pem, caChain, names]) => {
          // Report a broken chain before the certificate below it.
          mergeCaBundle({ name: `the issuer's ${request.use} CA`, pem: caChain }, []);
          return checkCertificate(pem, caChain, {
            setting: args.type === "vault" ? `issuer.${request.use}` : "issuer",
            use: request.use,
            commonName: request.commonName,
            ...names,
            validity: lifetimes(args).validity,
          });
        });
      return { ...issued, certificate };
    },
  };
}

/** Warns, also in a preview, if a CA ends before a certificate that it signed. */
export function warnOfExpiry(setting: string, { certificate, caChain }: IssuedCertificate, of: pulumi.Resource): void {
  pulumi.all([certificate, caChain]).apply(([pem, chain]) => {
    const warning = caExpiryWarning(setting, pem, chain);
    if (warning !== undefined) void pulumi.log.warn(warning, of);
  });
}
