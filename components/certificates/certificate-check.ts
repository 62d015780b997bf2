/**
 * Checks what an issuer returned before any database gets it: a certificate with the wrong names, use or
 * lifetime leaves a Cluster that never becomes ready, with nothing but the operator's log to tell. Pure.
 */
import { X509Certificate } from "node:crypto";
import { SettingsError, refuse, SettingProblem } from "../settings";
import { CertificateUse } from "./issuer";

/** What was asked for. */
export interface ExpectedCertificate {
  /** Whose setting it is, e.g. `issuer.server`. */
  setting: string;
  use: CertificateUse;
  commonName: string;
  dnsNames: readonly string[];
  /** Hours it was to live for. */
  validity: number;
}

const USE_OID: Record<CertificateUse, string> = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };

/** Returns the certificate as it came, in PEM. @throws SettingsError telling all that is not as asked for */
export function checkCertificate(certificate: string, caChain: string, expected: ExpectedCertificate): string {
  const leaf = read(certificate, expected.setting);
  const problems: SettingProblem[] = [];
  const wrong = (problem: string, fix: string) => problems.push({ setting: expected.setting, problem, fix });

  const commonName = /^CN=(.*)$/m.exec(leaf.subject)?.[1];
  if (commonName !== expected.commonName) {
    wrong(
      `signed a certificate for ${commonName} instead of ${expected.commonName}`,
      "Let the role take the common name from the request.",
    );
  }
  const missing = expected.dnsNames.filter((name) => leaf.checkHost(name, { subject: "never" }) === undefined);
  if (missing.length > 0) wrong(`left out the DNS names ${missing.join(", ")}`, "Allow these names in the role.");

  if (!leaf.keyUsage?.includes(USE_OID[expected.use])) {
    wrong(`signed a certificate that is not for ${expected.use}s`, `Set ${expected.use}_flag on the role.`);
  }
  if (leaf.ca) wrong("signed a CA certificate", "Use a role for leaf certificates.");

  const issuer = read(caChain, expected.setting);
  if (!leaf.checkIssued(issuer) || !leaf.verify(issuer.publicKey)) {
    wrong("returned a CA that did not sign the certificate", "Check the CA chain of the mount.");
  }
  const lifetime = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 3_600_000;
  if (lifetime < expected.validity * 0.98) {
    wrong(
      `signed for ${Math.floor(lifetime)} h instead of the ${expected.validity} h asked for, so that it would end before it is renewed`,
      "Raise the role's and the mount's max_ttl, or lower issuer.validity.",
    );
  }
  refuse(problems);
  return certificate;
}

/**
 * A certificate is good until the end of its CA at most.
 *
 * @param setting whose it is, e.g. `issuer.client of orders`
 * @param caChain PEM that begins with the CA that signed
 * @returns a warning where the CA ends before the certificate; undefined where it does not
 */
export function caEndWarning(setting: string, certificate: string, caChain: string): string | undefined {
  const ca = new X509Certificate(caChain);
  if (Date.parse(ca.validTo) >= Date.parse(new X509Certificate(certificate).validTo)) return undefined;
  const end = new Date(ca.validTo).toISOString();
  return `The CA of ${setting} ends at ${end}, before the certificates that it signs: nobody verifies them any more then. Replace it in time: docs/operations.md, "Rotating the client and the server CA".`;
}

function read(pem: string, setting: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new SettingsError([
      {
        setting,
        problem: `returned a certificate that cannot be read (${(error as Error).message})`,
        fix: "See what the issuer answers.",
      },
    ]);
  }
}
