/**
 * The CAs that may have signed a server's certificate. Node reads only its own list and NODE_EXTRA_CA_CERTS. tctl and
 * the `vault` command read the system's list, SSL_CERT_FILE and SSL_CERT_DIR. All of these are trusted here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { rootCertificates } from "node:tls";
import { RequestError } from "./errors";

/** Where Linux distributions keep their list. Go's crypto/x509 uses the first file that exists (root_linux.go). */
const SYSTEM_LISTS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Every CA that is trusted in this environment, in PEM. Files that cannot be read are skipped, as in Go. */
export function trustedCas(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = environment;
  const named = [SSL_CERT_FILE, NODE_EXTRA_CA_CERTS].flatMap((file) => (file ? certificatesIn(file) : []));
  const folders = (SSL_CERT_DIR ?? "").split(delimiter).filter(Boolean);
  return [...new Set([...rootCertificates, ...ofSystem(), ...named, ...folders.flatMap(certificatesUnder)])];
}

/** The CAs in a file that a setting names, in PEM. The file must be readable and contain at least one. */
export function readCaFile(setting: string, file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new RequestError("configuration", `${setting} cannot be read: ${(error as Error).message}`);
  }
  const certificates = text.match(CERTIFICATE);
  if (!certificates) throw new RequestError("configuration", `${setting}=${file} contains no certificate in PEM`);
  return certificates;
}

function ofSystem(): string[] {
  return SYSTEM_LISTS.map(certificatesIn).find((certificates) => certificates.length > 0) ?? [];
}

function certificatesUnder(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((file) => certificatesIn(join(folder, file)));
  } catch {
    return [];
  }
}

function certificatesIn(file: string): string[] {
  try {
    return readFileSync(file, "utf8").match(CERTIFICATE) ?? [];
  } catch {
    return [];
  }
}
