/**
 * The client-CA bundle: every CA whose client certificates a Cluster accepts. PostgreSQL reads it as
 * ssl_ca_file. CNPG trusts all of it, but reads the expiry of the first certificate only, so the Cluster's
 * own client CA comes first. Pure.
 */
import { X509Certificate } from "node:crypto";
import { refuse, SettingProblem } from "../settings";

/** PEM text and where it came from, for error messages. */
export interface PemSource {
  /** The setting or system it came from, e.g. `teleport CA of lab`. */
  name: string;
  pem: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----BEGIN )[\s\S])*?-----END \1-----/g;
/** What tools write around certificates: comments, and the lines that openssl prints. */
const COMMENT = /^(#.*|\s*(subject|issuer)\s*=.*|)$/;

/**
 * Merges CAs into one bundle: `own` first and in its order (the CA that signs, then those above it), then all
 * others ordered by fingerprint, so that a source that lists its CAs in another order changes nothing. Duplicates
 * are dropped; line ends and missing newlines are mended.
 *
 * @throws SettingsError naming every source that holds anything but valid CA certificates, or a chain without its root
 */
export function mergeCaBundle(own: PemSource, others: readonly PemSource[], now: Date = new Date()): string {
  const read = [own, ...others].map((source) => ({ source, ...readCertificates(source) }));
  const problems = read.flatMap(({ source, certificates, problems: unreadable }) => [
    ...unreadable,
    ...certificates.flatMap((certificate) => checkCa(source.name, certificate, now)),
  ]);
  refuse(problems);
  const [first, ...rest] = read.map(({ certificates }) => certificates);
  const byFingerprint = (one: X509Certificate, other: X509Certificate) =>
    one.fingerprint256 < other.fingerprint256 ? -1 : 1;
  const bundle = withoutDuplicates([...(first ?? []), ...rest.flat().sort(byFingerprint)]);
  refuse(bundle.flatMap((certificate) => checkRoot(own.name, certificate, bundle)));
  return bundle.map((certificate) => `${certificate.toString().trim()}\n`).join("");
}

/**
 * Merges the CAs that servers may have their certificates from. The order does not depend on which of them signs: when
 * another begins to, nothing changes for those who trust them all.
 *
 * @throws SettingsError as mergeCaBundle
 */
export function mergeServerCas(authorities: readonly PemSource[], now: Date = new Date()): string {
  const [first = { name: "the server CA", pem: "" }, ...others] = [...authorities].sort((one, other) =>
    firstFingerprint(one).localeCompare(firstFingerprint(other)),
  );
  return mergeCaBundle(first, others, now);
}

/** Of the first certificate; empty where there is none, which mergeCaBundle tells. */
function firstFingerprint(source: PemSource): string {
  return readCertificates(source).certificates[0]?.fingerprint256 ?? "";
}

/** The certificates of a source, and what else is in it. */
function readCertificates({ name, pem }: PemSource): { certificates: X509Certificate[]; problems: SettingProblem[] } {
  const text = pem.replace(/\r\n?/g, "\n").replace(/-----(?=-----BEGIN)/g, "-----\n");
  const certificates: X509Certificate[] = [];
  const problems: SettingProblem[] = [];
  const wrong = (problem: string, fix: string) => problems.push({ setting: name, problem, fix });
  for (const [block, label] of text.matchAll(BLOCK)) {
    if (label?.endsWith("PRIVATE KEY")) {
      wrong(
        "holds a private key",
        "Give certificates only, and treat that key as leaked if it was meant to stay secret.",
      );
    } else if (label !== "CERTIFICATE") {
      wrong(`holds a ${label}`, "Give certificates only (BEGIN CERTIFICATE).");
    } else {
      try {
        certificates.push(new X509Certificate(block));
      } catch (error) {
        wrong(`holds a certificate that cannot be read (${(error as Error).message})`, "Copy it again, whole.");
      }
    }
  }
  const outside = text
    .replace(BLOCK, "")
    .split("\n")
    .find((line) => !COMMENT.test(line.trim()));
  if (outside !== undefined) {
    wrong(
      `holds text that is no certificate: ${JSON.stringify(
        outside
          .trim()
          .replace(/[\w+/=-]{12,}/g, "…")
          .slice(0, 40),
      )}`,
      "Give PEM certificates only; check that none was cut off.",
    );
  } else if (certificates.length === 0 && problems.length === 0) {
    wrong("holds no certificate", "Give at least one CA certificate in PEM.");
  }
  return { certificates, problems };
}

function checkCa(name: string, certificate: X509Certificate, now: Date): SettingProblem[] {
  const setting = `${name}, certificate ${shown(certificate)}`;
  if (!certificate.ca) {
    return [{ setting, problem: "is not a CA certificate", fix: "Give the certificate of the CA that signed it." }];
  }
  if (new Date(certificate.validTo) <= now) {
    return [
      {
        setting,
        problem: `expired at ${new Date(certificate.validTo).toISOString()}`,
        fix: "Remove it, or give its successor.",
      },
    ];
  }
  if (new Date(certificate.validFrom) > now) {
    const from = new Date(certificate.validFrom).toISOString();
    return [{ setting, problem: `is not valid before ${from}`, fix: "Check the clock of this machine, or wait." }];
  }
  return [];
}

/** OpenSSL, and so PostgreSQL and libpq, accepts a chain only if it ends in a self-signed certificate of the bundle. */
function checkRoot(name: string, certificate: X509Certificate, bundle: readonly X509Certificate[]): SettingProblem[] {
  if (bundle.some((other) => certificate.checkIssued(other) && certificate.verify(other.publicKey))) return [];
  return [
    {
      setting: `${name}, bundle with certificate ${shown(certificate)}`,
      problem: `was signed by ${oneLine(certificate.issuer)}, which is not in the bundle, so that no certificate below it could be verified`,
      fix: "Add the missing CA up to the root (issuer.trustAnchors for Vault's).",
    },
  ];
}

function withoutDuplicates(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate])).values()];
}

function shown(certificate: X509Certificate): string {
  return `"${oneLine(certificate.subject || certificate.serialNumber)}"`;
}

function oneLine(distinguishedName: string): string {
  return distinguishedName.replace(/\n/g, ", ");
}
