/**
 * Checks the certificate of an issuer before a database gets it. With a wrong name, use or lifetime, a Cluster would never
 * become ready, and only the operator's log would show the reason. Pure.
 */
import { X509Certificate } from "node:crypto";
import { SettingsError, refuse, SettingProblem } from "../problems";
import { CertificateUse } from "./issuer";

/** The requested certificate. */
export interface ExpectedCertificate {
  /** The setting of the issuer, e.g. `issuer.server`. */
  setting: string;
  use: CertificateUse;
  commonName: string;
  dnsNames: readonly string[];
  /** Default: none. */
  ipAddresses?: readonly string[];
  /** Requested lifetime in hours. */
  validity: number;
}

const USE_OID: Record<CertificateUse, string> = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };

/** Returns the certificate unchanged, in PEM. @throws SettingsError with every difference from the request */
export function checkCertificate(certificate: string, caChain: string, expected: ExpectedCertificate): string {
  const leaf = read(certificate, expected.setting);
  const problems: SettingProblem[] = [];
  const wrong = (problem: string, fix: string) => problems.push({ setting: expected.setting, problem, fix });

  const commonName = /^CN=(.*)$/m.exec(leaf.subject)?.[1];
  if (commonName !== expected.commonName) {
    wrong(
      `signed a certificate for ${commonName} instead of ${expected.commonName}`,
      "Configure the role to take the common name from the request.",
    );
  }
  const missing = expected.dnsNames.filter((name) => !hasDnsName(leaf, name));
  if (missing.length > 0) wrong(`left out the DNS names ${missing.join(", ")}`, "Allow these names in the role.");
  const addresses = (expected.ipAddresses ?? []).filter((address) => leaf.checkIP(address) === undefined);
  if (addresses.length > 0) {
    wrong(`left out the IP addresses ${addresses.join(", ")}`, "Set allow_ip_sans=true on the role.");
  }

  if (!leaf.keyUsage?.includes(USE_OID[expected.use])) {
    wrong(`signed a certificate that is not for ${expected.use}s`, `Set ${expected.use}_flag=true on the role.`);
  }
  if (leaf.ca) wrong("signed a CA certificate", "Use a role for leaf certificates.");

  const issuer = read(caChain, expected.setting);
  if (!leaf.checkIssued(issuer) || !leaf.verify(issuer.publicKey)) {
    wrong("returned a CA that did not sign the certificate", "Check the CA chain of the mount.");
  }
  const lifetime = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / HOUR;
  if (lifetime < expected.validity * 0.98) {
    // With leaf_not_after_behavior=truncate Vault signs until the end of the CA, whatever was asked for.
    const endsWithCa = Date.parse(issuer.validTo) - Date.parse(leaf.validTo) < 60_000;
    wrong(
      `signed for ${Math.floor(lifetime)} h instead of the ${expected.validity} h asked for, so it would expire before it is renewed`,
      endsWithCa
        ? `Its CA ends at ${isoTime(issuer.validTo)}: ${REPLACE_CA}.`
        : "Raise the role's and the mount's max_ttl, or lower issuer.validity.",
    );
  }
  refuse(problems);
  return certificate;
}

/** A wildcard must be in the certificate itself. For another name, a wildcard in the certificate is enough. */
function hasDnsName(leaf: X509Certificate, name: string): boolean {
  if (!name.startsWith("*.")) return leaf.checkHost(name, { subject: "never" }) !== undefined;
  const names = (leaf.subjectAltName ?? "").split(", ").map((entry) => entry.toLowerCase());
  return names.includes(`dns:${name.toLowerCase()}`);
}

/**
 * A certificate is not valid longer than its CA.
 *
 * @param setting e.g. `issuer.client of orders`
 * @param caChain PEM that begins with the CA that signed
 * @returns a warning if the CA ends before the certificate; else undefined
 */
export function caExpiryWarning(setting: string, certificate: string, caChain: string): string | undefined {
  const ca = new X509Certificate(caChain);
  if (Date.parse(ca.validTo) >= Date.parse(new X509Certificate(certificate).validTo)) return undefined;
  return `The CA of ${setting} ends at ${isoTime(ca.validTo)}, before the certificates that it signs: after that, nobody accepts them. Replace the CA before then: docs/operations.md, "Rotating the client and the server CA".`;
}

/**
 * By default, Vault signs nothing that outlives its CA. So it refuses renewals as soon as the CA's remaining time is shorter
 * than the validity of a certificate, long before anything expires.
 *
 * @param caChain PEM that begins with the CA that signs
 * @param hours lifetimes of the issuer
 * @returns a warning, starting one renewal earlier; undefined if there is more time
 */
export function renewalDeadlineWarning(
  setting: string,
  caChain: string,
  { validity, renewBefore }: { validity: number; renewBefore: number },
  now: Date = new Date(),
): string | undefined {
  const end = Date.parse(new X509Certificate(caChain).validTo);
  const lastSigned = end - validity * HOUR;
  if (now.getTime() < lastSigned - renewBefore * HOUR) return undefined;
  const when =
    now.getTime() < lastSigned ? `From ${isoTime(lastSigned)} on, Vault will refuse` : "Vault already refuses";
  return `The CA of ${setting} ends at ${isoTime(end)}. ${when} to sign certificates for ${validity} h, so none can be renewed: ${REPLACE_CA}.`;
}

const HOUR = 3_600_000;
const REPLACE_CA =
  'replace the CA (docs/operations.md, "Rotating the client and the server CA"), or lower issuer.validity until then';

function isoTime(time: string | number): string {
  return new Date(time).toISOString();
}

function read(pem: string, setting: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new SettingsError([
      {
        setting,
        problem: `returned a certificate that cannot be read (${(error as Error).message})`,
        fix: "Check the issuer's answer.",
      },
    ]);
  }
}
