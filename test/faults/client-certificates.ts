/** Client certificates for tests, of any name and any CA, as files for libpq. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lab/host/command";

/** A CA as files. */
export interface Authority {
  certificate: string;
  key: string;
}

/** A certificate and its key, as files. */
export type ClientCertificate = Authority;

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A CA that nobody trusts. */
export async function anotherAuthority(folder: string): Promise<Authority> {
  const authority = { certificate: join(folder, "another-ca.crt"), key: join(folder, "another-ca.key") };
  const subject = ["-subj", "/CN=another CA", "-days", "1"];
  const files = ["-keyout", authority.key, "-out", authority.certificate];
  await run("openssl", ["req", "-x509", ...NEW_KEY, ...subject, ...files]);
  return authority;
}

/** Signs for a PostgreSQL user. */
export async function signedFor(
  user: string,
  { certificate, key }: Authority,
  folder: string,
): Promise<ClientCertificate> {
  const made = (ending: string) => join(folder, `${user}-${certificate.split("/").at(-1)}.${ending}`);
  await run("openssl", ["req", ...NEW_KEY, "-subj", `/CN=${user}`, "-keyout", made("key"), "-out", made("csr")]);
  writeFileSync(made("ext"), "extendedKeyUsage=clientAuth\n");
  const by = ["-CA", certificate, "-CAkey", key, "-CAcreateserial", "-extfile", made("ext"), "-days", "1"];
  await run("openssl", ["x509", "-req", "-in", made("csr"), ...by, "-out", made("crt")]);
  return { certificate: made("crt"), key: made("key") };
}
