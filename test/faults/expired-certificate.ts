/** Creates an expired certificate for an existing key, signed by a CA whose key is available, with openssl. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../lab/host/command";

/** PEM of a certificate and of its key. */
export interface KeyPair {
  certificate: string;
  key: string;
}

const CONFIGURATION = `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = none
[any]
commonName = supplied
`;

/** In the form of `openssl ca`. */
const time = (date: Date) => `${date.toISOString().replace(/[-:T]|\.\d+/g, "")}`;

/** A certificate with the subject, names and key of `leaf`, signed by `ca`, expired an hour ago. */
export async function expired(leaf: KeyPair, ca: KeyPair, use: "serverAuth" | "clientAuth", names: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "expired-"));
  const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text, { mode: 0o600 });
  try {
    write("leaf.pem", leaf.certificate);
    write("leaf.key", leaf.key);
    write("ca.pem", ca.certificate);
    write("ca.key", ca.key);
    write("index.txt", "");
    write("openssl.cnf", CONFIGURATION);
    const san = names.length > 0 ? [`subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`] : [];
    write("extensions", ["basicConstraints=CA:FALSE", `extendedKeyUsage=${use}`, ...san].join("\n"));
    await openssl("x509", "-x509toreq", "-in", "leaf.pem", "-signkey", "leaf.key", "-out", "request.pem");
    const [from, until] = [3, 1].map((hours) => time(new Date(Date.now() - hours * 3_600_000)));
    await openssl(
      ...["ca", "-batch", "-notext", "-config", "openssl.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"],
      ...["-startdate", from ?? "", "-enddate", until ?? "", "-extfile", "extensions"],
      ...["-in", "request.pem", "-out", "expired.pem"],
    );
    return readFileSync(join(folder, "expired.pem"), "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
