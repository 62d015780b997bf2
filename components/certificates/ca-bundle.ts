/**
 * The client-CA bundle: every CA whose client certificates a Cluster accepts. PostgreSQL reads it as
 * ssl_ca_file. CNPG trusts all of it, but reads the expiry of the first certificate only, so the Cluster's
 * own client CA comes first. Pure.
 */
import { X509Certificate } from "node:crypto";
import { refuse, SettingProblem } from "../problems";
import { readPem, toPem } from "./pem";

/** PEM text and where it came from, for error messages. */
export interface PemSource {
  /** The setting or system it came from, e.g. `teleport CA of lab`. */
  name: string;
  pem: string;
  /** Nothing needs it any more: it may hold nothing but CAs that are left out. Default: false. */
  optional?: boolean;
}

/** A CA that is not in the bundle, because no certificate below it could be verified today. */
export interface LeftOutCa {
  /** Name of the source that holds it. */
  source: string;
  subject: string;
  /** E.g. `expired at 2021-09-30T14:01:15.000Z`. */
  reason: string;
}

/** A bundle, and what of its sources is not in it. */
export interface CaBundle {
  pem: string;
  leftOut: LeftOutCa[];
}

/**
 * Merges CAs into one bundle: `own` first and in its order (the CA that signs, then those above it), then all
 * others ordered by fingerprint, so that a source that lists its CAs in another order changes nothing. Duplicates
 * are dropped; line ends and missing newlines are mended. CAs that are not valid now are left out.
 *
 * @throws SettingsError naming every source that holds no valid CA, or anything but CA certificates, or a chain without
 * its root; and `own` if its first CA is not valid
 */
export function mergeCaBundle(own: PemSource, others: readonly PemSource[], now: Date = new Date()): string {
  return clientCaBundle(own, others, now).pem;
}

/** As mergeCaBundle, and tells what is left out. */
export function clientCaBundle(own: PemSource, others: readonly PemSource[], now: Date = new Date()): CaBundle {
  const [first, ...rest] = readSources([own, ...others], now) as [Source, ...Source[]];
  const [signing] = first.certificates;
  if (signing !== undefined && !first.valid.includes(signing)) {
    refuse([
      { setting: told(own.name, signing), problem: invalidity(signing, now) ?? first.why(signing), fix: REPLACE },
    ]);
  }
  return bundleOf(first, rest);
}

/**
 * Merges the CAs that servers may have their certificates from. The order does not depend on which of them signs: when
 * another begins to, nothing changes for those who trust them all.
 *
 * @throws SettingsError as mergeCaBundle
 */
export function mergeServerCas(authorities: readonly PemSource[], now: Date = new Date()): string {
  return serverCaBundle(authorities, now).pem;
}

/** As mergeServerCas, and tells what is left out. */
export function serverCaBundle(authorities: readonly PemSource[], now: Date = new Date()): CaBundle {
  const fingerprint = ({ valid }: Source) => valid[0]?.fingerprint256 ?? "";
  const [first, ...rest] = readSources(authorities, now).sort((one, other) =>
    fingerprint(one).localeCompare(fingerprint(other)),
  );
  return first ? bundleOf(first, rest) : { pem: "", leftOut: [] };
}

/** What to tell of CAs that are left out: a line for each source. */
export function leftOutWarnings(leftOut: readonly LeftOutCa[]): string[] {
  const bySource = new Map<string, Set<string>>();
  for (const { source, subject, reason } of leftOut) {
    const cas = bySource.get(source) ?? new Set();
    bySource.set(source, cas.add(`${JSON.stringify(subject)} (${reason})`));
  }
  return [...bySource].map(([source, cas]) => {
    const shown = [...cas].slice(0, MOST_SHOWN);
    const more = cas.size > shown.length ? ` and ${cas.size - shown.length} more` : "";
    const these = cas.size === 1 ? "1 CA that is not valid now is" : `${cas.size} CAs that are not valid now are`;
    return `${these} left out of ${source}: ${shown.join(", ")}${more}. Remove such CAs from this source.`;
  });
}

const MOST_SHOWN = 10;
const REPLACE = "Remove it, or give its successor.";

/** The certificates of a source. */
interface Source {
  name: string;
  certificates: X509Certificate[];
  /** Those of them that are valid, and are below a root that is. */
  valid: X509Certificate[];
  leftOut: LeftOutCa[];
  /** Why one of them is left out. */
  why(certificate: X509Certificate): string;
}

function readSources(sources: readonly PemSource[], now: Date): Source[] {
  const read = sources.map((source) => ({ source, ...readPem(source.pem) }));
  refuse(
    read.flatMap(({ source, certificates, problems }) => [
      ...problems.map((found) => ({ setting: source.name, ...found })),
      ...certificates.flatMap((certificate) => checkCa(source.name, certificate)),
    ]),
  );
  const reasons = leftOutReasons(withoutDuplicates(read.flatMap(({ certificates }) => certificates)), now);
  const found = read.map(({ source, certificates }): Source => {
    const why = (certificate: X509Certificate) => reasons.get(certificate.fingerprint256) ?? "";
    const isLeftOut = (certificate: X509Certificate) => reasons.has(certificate.fingerprint256);
    const leftOut = withoutDuplicates(certificates)
      .filter(isLeftOut)
      .map((certificate) => ({ source: source.name, subject: subjectOf(certificate), reason: why(certificate) }));
    const { name } = source;
    return { name, certificates, valid: certificates.filter((each) => !isLeftOut(each)), leftOut, why };
  });
  refuse(
    found.flatMap(({ name, certificates, valid, why }, index) =>
      valid.length > 0 || sources[index]?.optional
        ? []
        : certificates.map((certificate) => ({
            setting: told(name, certificate),
            problem: why(certificate),
            fix: REPLACE,
          })),
    ),
  );
  return found;
}

/** Why CAs are left out, by fingerprint: they are not valid now, or nothing is above them but what is not. */
function leftOutReasons(certificates: readonly X509Certificate[], now: Date): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const certificate of certificates) {
    const reason = invalidity(certificate, now);
    if (reason !== undefined) reasons.set(certificate.fingerprint256, reason);
  }
  if (reasons.size === 0) return reasons;
  for (let known = 0; known < reasons.size;) {
    known = reasons.size;
    for (const certificate of certificates) {
      if (reasons.has(certificate.fingerprint256)) continue;
      const issuers = certificates.filter((other) => isIssuer(other, certificate));
      const [first] = issuers;
      if (first && issuers.every((issuer) => reasons.has(issuer.fingerprint256))) {
        reasons.set(certificate.fingerprint256, `its CA ${subjectOf(first)} ${reasons.get(first.fingerprint256)}`);
      }
    }
  }
  return reasons;
}

function bundleOf(own: Source, others: readonly Source[]): CaBundle {
  const byFingerprint = (one: X509Certificate, other: X509Certificate) =>
    one.fingerprint256 < other.fingerprint256 ? -1 : 1;
  const bundle = withoutDuplicates([...own.valid, ...others.flatMap(({ valid }) => valid).sort(byFingerprint)]);
  refuse(bundle.flatMap((certificate) => checkRoot(own.name, certificate, bundle)));
  return { pem: toPem(bundle), leftOut: [own, ...others].flatMap(({ leftOut }) => leftOut) };
}

function invalidity(certificate: X509Certificate, now: Date): string | undefined {
  const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (to <= now) return `expired at ${to.toISOString()}`;
  return from > now ? `is not valid before ${from.toISOString()}` : undefined;
}

function checkCa(name: string, certificate: X509Certificate): SettingProblem[] {
  if (certificate.ca || isRootOfVersion1(certificate)) return [];
  const fix = "Give the certificate of the CA that signed it.";
  return [{ setting: told(name, certificate), problem: "is not a CA certificate", fix }];
}

/**
 * Certificates of version 1 cannot say that they are of a CA. OpenSSL, and so PostgreSQL, and Go take one for a CA if it
 * is a root that is trusted; Node does not.
 */
function isRootOfVersion1(certificate: X509Certificate): boolean {
  return !hasVersion(certificate.raw) && isIssuer(certificate, certificate);
}

/** Whether the signed part begins with a version, `[0]`, which those of version 1 leave out. */
function hasVersion(der: Buffer): boolean {
  const content = (at: number) => at + 2 + ((der[at + 1] ?? 0) & 0x80 ? (der[at + 1] ?? 0) & 0x7f : 0);
  return der[content(content(0))] === 0xa0;
}

/** OpenSSL, and so PostgreSQL and libpq, accepts a chain only if it ends in a self-signed certificate of the bundle. */
function checkRoot(name: string, certificate: X509Certificate, bundle: readonly X509Certificate[]): SettingProblem[] {
  if (bundle.some((other) => isIssuer(other, certificate))) return [];
  return [
    {
      setting: `${name}, bundle with certificate "${subjectOf(certificate)}"`,
      problem: `was signed by ${oneLine(certificate.issuer)}, which is not in the bundle, so no certificate below it could be verified`,
      fix: "Add the missing CA up to the root (issuer.trustAnchors for Vault's).",
    },
  ];
}

/** Whether one certificate signed another. */
export function isIssuer(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function withoutDuplicates(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate])).values()];
}

function told(name: string, certificate: X509Certificate): string {
  return `${name}, certificate "${subjectOf(certificate)}"`;
}

function subjectOf(certificate: X509Certificate): string {
  return oneLine(certificate.subject || certificate.serialNumber);
}

function oneLine(distinguishedName: string): string {
  return distinguishedName.replace(/\n/g, ", ");
}
