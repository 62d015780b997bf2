/** The lab's own CA, and certificates of it for Vault, Teleport, S3 and the backup plugin, created with openssl. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./host/command";
import { NETWORK, PKI, STATE } from "./layout";
import { writeWhole } from "./host/private-file";

export interface KeyPair {
  key: string;
  certificate: string;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
const SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/** Creates the CA once, and the bundle of it and the CAs that the system trusts. */
export async function ensureAuthority(): Promise<void> {
  mkdirSync(STATE.pki, { recursive: true, mode: 0o700 });
  if (!validFor(PKI.ca, 365)) {
    await run("openssl", [
      ...["req", "-x509", ...EC, "-days", "3650", "-subj", "/CN=cnpg-teleport lab CA"],
      ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
      ...["-keyout", PKI.caKey, "-out", PKI.ca],
    ]);
  }
  writeWhole(PKI.bundle, `${readFileSync(PKI.ca, "utf8")}${readFileSync(SYSTEM_BUNDLE, "utf8")}`, 0o644);
}

/** Creates a server certificate for the lab's address, and renews one that expires in less than a month. */
export function ensureServerCertificate(name: string): Promise<KeyPair> {
  const names = `IP:${NETWORK.address},IP:127.0.0.1,DNS:localhost,DNS:${name}.lab`;
  return ensureCertificate(name, { commonName: `${name}.lab`, names, usage: "serverAuth" });
}

/** Creates a certificate, and renews one that expires in less than a month. */
export async function ensureCertificate(
  name: string,
  { commonName, names, usage }: { commonName: string; names: string; usage: "serverAuth" | "clientAuth" },
): Promise<KeyPair> {
  const pair = { key: join(STATE.pki, `${name}.key`), certificate: join(STATE.pki, `${name}.crt`) };
  if (validFor(pair.certificate, 30) && signedByAuthority(pair.certificate)) return pair;
  const extensions = join(STATE.pki, `${name}.ext`);
  const request = join(STATE.pki, `${name}.csr`);
  writeWhole(
    extensions,
    `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=${usage}\nsubjectAltName=${names}\n`,
  );
  await run("openssl", ["req", ...EC, "-subj", `/CN=${commonName}`, "-keyout", pair.key, "-out", request]);
  // Each with a random serial number in a file of its own: certificates are created in parallel.
  await run("openssl", [
    ...["x509", "-req", "-in", request, "-CA", PKI.ca, "-CAkey", PKI.caKey, "-CAcreateserial"],
    ...["-CAserial", join(STATE.pki, `${name}.srl`), "-days", "365", "-extfile", extensions, "-out", pair.certificate],
  ]);
  return pair;
}

/** Whether the first certificate of a file is valid for at least this many days. */
export function validFor(file: string, days: number): boolean {
  const pem = existsSync(file) ? certificateIn(readFileSync(file, "utf8")) : undefined;
  if (!pem) return false;
  return new Date(new X509Certificate(pem).validTo).getTime() - Date.now() > days * 86_400_000;
}

function certificateIn(text: string): string | undefined {
  return /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text)?.[0];
}

function signedByAuthority(file: string): boolean {
  const authority = new X509Certificate(readFileSync(PKI.ca));
  return new X509Certificate(readFileSync(file)).verify(authority.publicKey);
}
