/**
 * Reads certificates in PEM (RFC 7468), in the forms that people use: with explanatory text before, between and after,
 * like the output of `openssl x509 -text` and `openssl pkcs12` and the bundles of curl and Mozilla; indented by YAML;
 * with any line ends. Refuses text that looks cut off, and everything that is not a certificate, above all private
 * keys. Messages never show any part of the text, because it may be a secret that was written here by mistake. Takes
 * linear time. Pure.
 */
import { X509Certificate } from "node:crypto";

/** What is wrong with a text. */
export interface PemProblem {
  problem: string;
  fix: string;
}

/** The certificates in a text, in their order, and what is wrong with it. */
export interface PemContent {
  certificates: X509Certificate[];
  problems: PemProblem[];
}

/** The line before or after a block. The label has a limited length, so that matching is fast for any text. */
const BOUNDARY = /-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----/g;
/** The rest of such a line if a part is missing; also `----BEGIN`. */
const BROKEN_BOUNDARY = /-[ ]?(BEGIN|END) [A-Z0-9 ]/i;
/** Older tools write `X509 CERTIFICATE`. */
const CERTIFICATE_LABELS = ["CERTIFICATE", "X509 CERTIFICATE"];
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** A line of base64, or a key in hexadecimal digits. Names, serial numbers and fingerprints are shorter. */
const LONG_RUN = /[A-Za-z0-9+/]{40,}/g;
const HEX_KEY = /^[0-9A-Fa-f]{80,}$/;
/** The private part of a key as JSON (RFC 7517). */
const JSON_KEY = /"d"\s{0,9}:\s{0,9}"/;
/** Comments of tools may contain anything. */
const COMMENT = /^\s*(#|(subject|issuer)\s*=)/;

const PRIVATE_KEY: PemProblem = {
  problem: "contains a private key",
  fix: "Write only certificates. Treat this key as leaked if it must be secret.",
};
const CUT_OFF = "Copy it again completely, from each BEGIN line to its END line.";

/** Reads all certificates of a text. */
export function readPem(text: string): PemContent {
  const certificates: X509Certificate[] = [];
  const problems: PemProblem[] = [];
  const outside: string[] = [];
  let open: { label: string; from: number } | undefined;
  let end = 0;
  const cutOff = (label: string) =>
    problems.push(
      isPrivate(label)
        ? PRIVATE_KEY
        : { problem: `contains a ${label} that is cut off: it has no END line`, fix: CUT_OFF },
    );
  for (const match of text.matchAll(BOUNDARY)) {
    const [line, kind, label = ""] = match;
    const after = match.index + line.length;
    if (kind === "BEGIN") {
      if (open) cutOff(open.label);
      else outside.push(text.slice(end, match.index));
      open = { label, from: after };
      continue;
    }
    if (open?.label === label) {
      const read = readBlock(label, text.slice(open.from, match.index));
      if (read instanceof X509Certificate) certificates.push(read);
      else problems.push(read);
    } else {
      const problem = `contains a ${label} that is cut off: its END line has no BEGIN line before it`;
      problems.push(isPrivate(label) || (open && isPrivate(open.label)) ? PRIVATE_KEY : { problem, fix: CUT_OFF });
    }
    open = undefined;
    end = after;
  }
  if (open) cutOff(open.label);
  else outside.push(text.slice(end));
  problems.push(...outside.flatMap(checkOutside));
  if (certificates.length === 0 && problems.length === 0) {
    problems.push({ problem: "contains no certificate", fix: "Write at least one CA certificate in PEM." });
  }
  return { certificates, problems: withoutRepetitions(problems) };
}

/** Certificates in PEM, each with a line end. */
export function toPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => `${certificate.toString().trim()}\n`).join("");
}

function readBlock(label: string, text: string): X509Certificate | PemProblem {
  if (isPrivate(label)) return PRIVATE_KEY;
  if (label === "TRUSTED CERTIFICATE") {
    return {
      problem: "contains a TRUSTED CERTIFICATE, a format of OpenSSL that includes trust rules",
      fix: "Convert it, which removes the trust rules: openssl x509 -in FILE.",
    };
  }
  if (!CERTIFICATE_LABELS.includes(label)) {
    return { problem: `contains a ${label}`, fix: "Write only certificates (BEGIN CERTIFICATE)." };
  }
  const base64 = text.replace(/\s+/g, "");
  if (!BASE64.test(base64) || base64.length % 4 !== 0) {
    return {
      problem: "contains a certificate that cannot be read (it is not valid base64, or not complete)",
      fix: CUT_OFF,
    };
  }
  try {
    const der = Buffer.from(base64, "base64");
    const certificate = new X509Certificate(der);
    // OpenSSL reads the first object and no further.
    if (certificate.raw.length === der.length) return certificate;
    return { problem: "contains a certificate that cannot be read (its block contains more data)", fix: CUT_OFF };
  } catch (error) {
    return { problem: `contains a certificate that cannot be read (${(error as Error).message})`, fix: CUT_OFF };
  }
}

/** Accepts text around certificates as explanation, unless it looks like a part of a block or of a key. */
function checkOutside(text: string): PemProblem[] {
  if (JSON_KEY.test(text)) return [PRIVATE_KEY];
  const lines = text.split(/[\n\r]/).filter((line) => !COMMENT.test(line));
  if (lines.some((line) => BROKEN_BOUNDARY.test(line))) {
    return [{ problem: "contains an incomplete BEGIN or END line", fix: CUT_OFF }];
  }
  if (lines.some(isData)) {
    return [
      { problem: "contains base64 outside of a certificate, as if a BEGIN or END line were missing", fix: CUT_OFF },
    ];
  }
  return [];
}

/** Base64 of more than a few bytes has capitals, small letters and digits. */
function isData(line: string): boolean {
  const runs = line.replace(/[a-z]{1,10}:\/\/\S*/gi, "").match(LONG_RUN) ?? [];
  return runs.some((run) => (/[A-Z]/.test(run) && /[a-z]/.test(run) && /[0-9]/.test(run)) || HEX_KEY.test(run));
}

function isPrivate(label: string): boolean {
  return label.endsWith("PRIVATE KEY");
}

function withoutRepetitions(problems: readonly PemProblem[]): PemProblem[] {
  return [...new Map(problems.map((problem) => [problem.problem, problem])).values()];
}
