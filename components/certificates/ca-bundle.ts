/**
 * Bundles and chains of CAs. The client-CA bundle is every CA whose client certificates a Cluster accepts. PostgreSQL
 * reads it as ssl_ca_file. CNPG trusts all of it, but reads only the expiry of the first certificate. So the Cluster's
 * own client CA comes first. Pure.
 */
import { X509Certificate } from "node:crypto";
import { refuse, SettingProblem } from "../problems";
import { readPem, toPem } from "./pem";

/** PEM text, with its origin for error messages. */
export interface PemSource {
  /** The setting or system that it came from, e.g. `teleport CA of lab`. */
  name: string;
  pem: string;
  /** True if nothing needs this source any more. Then all of its CAs may be left out. Default: false. */
  optional?: boolean;
}

/** A CA that is left out of the bundle, because no certificate below it could be verified today. */
export interface LeftOutCa {
  /** Name of the source that contains it. */
  source: string;
  subject: string;
  /** E.g. `expired at 2021-09-30T14:01:15.000Z`. */
  reason: string;
}

/** A bundle, and the CAs that are left out. */
export interface CaBundle {
  pem: string;
  leftOut: LeftOutCa[];
}

/**
 * Merges CAs into one bundle: `own` first and in its order (the signing CA, then the CAs above it), then all others,
 * ordered by fingerprint. So the order in which a source lists its CAs does not matter. Removes duplicates, and repairs
 * line ends and missing newlines. Leaves out CAs that are not valid now.
 *
 * @throws SettingsError that names every source without a valid CA, with anything but CA certificates, or with a chain
 * without its root; and `own` if its first CA is not valid
 */
export function mergeCaBundle(own: PemSource, others: readonly PemSource[], now: Date = new Date()): string {
  return clientCaBundle(own, others, now).pem;
}

/** Like mergeCaBundle, but also returns what is left out. */
export function clientCaBundle(own: PemSource, others: readonly PemSource[], now: Date = new Date()): CaBundle {
  const [first, ...rest] = readSources([own, ...others], now) as [Source, ...Source[]];
  const [signing] = first.certificates;
  if (signing !== undefined && !first.valid.includes(signing)) {
    refuse([
      { setting: inSource(own.name, signing), problem: invalidity(signing, now) ?? first.why(signing), fix: REPLACE },
    ]);
  }
  return bundleOf(first, rest);
}

/**
 * Merges the CAs that sign server certificates. The order does not depend on the CA that signs now. So if another CA
 * starts to sign, the bundle stays the same.
 *
 * @throws SettingsError as mergeCaBundle
 */
export function mergeServerCas(authorities: readonly PemSource[], now: Date = new Date()): string {
  return serverCaBundle(authorities, now).pem;
}

/** Like mergeServerCas, but also returns what is left out. */
export function serverCaBundle(authorities: readonly PemSource[], now: Date = new Date()): CaBundle {
  const fingerprint = ({ valid }: Source) => valid[0]?.fingerprint256 ?? "";
  const [first, ...rest] = readSources(authorities, now).sort((one, other) =>
    fingerprint(one).localeCompare(fingerprint(other)),
  );
  return first ? bundleOf(first, rest) : { pem: "", leftOut: [] };
}

/** The warnings about CAs that are left out: one for each source. */
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
const REPLACE = "Remove it, or replace it with its successor.";

/** The certificates of a source. */
interface Source {
  name: string;
  certificates: X509Certificate[];
  /** The certificates that are valid and are below a valid root. */
  valid: X509Certificate[];
  leftOut: LeftOutCa[];
  /** Why a certificate is left out. */
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
            setting: inSource(name, certificate),
            problem: why(certificate),
            fix: REPLACE,
          })),
    ),
  );
  return found;
}

/** Why CAs are left out, by fingerprint: they are not valid now, or all CAs above them are not valid. */
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
  const fix = "Write the certificate of the CA that signed it.";
  return [{ setting: inSource(name, certificate), problem: "is not a CA certificate", fix }];
}

/**
 * Certificates of version 1 cannot declare that they are CAs. OpenSSL (so PostgreSQL) and Go accept a trusted root of
 * version 1 as a CA. Node.js does not.
 */
function isRootOfVersion1(certificate: X509Certificate): boolean {
  return !hasVersion(certificate.raw) && isIssuer(certificate, certificate);
}

/** Whether the signed part begins with a version, `[0]`. Certificates of version 1 leave it out. */
function hasVersion(der: Buffer): boolean {
  const content = (at: number) => at + 2 + ((der[at + 1] ?? 0) & 0x80 ? (der[at + 1] ?? 0) & 0x7f : 0);
  return der[content(content(0))] === 0xa0;
}

/** OpenSSL (so PostgreSQL and libpq) accepts a chain only if it ends in a self-signed certificate of the bundle. */
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

/** Whether `issuer` signed `certificate`. */
function isIssuer(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function withoutDuplicates(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate])).values()];
}

function inSource(name: string, certificate: X509Certificate): string {
  return `${name}, certificate "${subjectOf(certificate)}"`;
}

function subjectOf(certificate: X509Certificate): string {
  return oneLine(certificate.subject || certificate.serialNumber);
}

function oneLine(distinguishedName: string): string {
  return distinguishedName.replace(/\n/g, ", ");
}

/**
 * The chain that a server sends: its certificate and the intermediate CAs, which clients need if they know only the root
 * (RFC 8446, 4.4.2). The root is left out: a client that does not have it would not trust it. If the certificate's CA is a
 * root, the certificate is unchanged.
 *
 * @param caChain PEM of the CAs above the certificate
 */
export function serverChain(certificate: string, caChain: string): string {
  const known = readPem(caChain).certificates;
  const above: X509Certificate[] = [];
  let last = new X509Certificate(certificate);
  for (;;) {
    const issuers = known.filter((other) => isIssuer(other, last) && !above.includes(other));
    // If a CA has its own root and is also cross-signed by another CA, clients know the root.
    if (issuers.length === 0 || issuers.some((issuer) => isIssuer(issuer, issuer))) break;
    last = issuers[0] as X509Certificate;
    above.push(last);
  }
  return above.length === 0 ? certificate : `${certificate.trim()}\n${toPem(above)}`;
}

/**
 * A certificate, and the CAs whose certificates the other side accepts: the one that signed it, and others in a rotation. No
 * CA above them, because it signs for others too, and Go trusts an intermediate CA without its root.
 *
 * @param caChain PEM that begins with the CA that signed
 * @param others sources that begin with the CA to accept
 */
export function withAcceptedCas(certificate: string, caChain: string, others: readonly PemSource[]): string {
  const first = (pem: string) => readPem(pem).certificates.slice(0, 1);
  return toPem(withoutDuplicates([certificate, caChain, ...others.map(({ pem }) => pem)].flatMap(first)));
}
