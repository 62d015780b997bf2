/** Certificates made on the spot with openssl, so that none in the tests ever expires or is somebody's. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  pem: string;
  key: string;
}

export interface Leaf {
  use?: "serverAuth" | "clientAuth";
  dnsNames?: string[];
  days?: number;
}

/** A folder of certificates; `remove` it in the end. */
export class OpenSsl {
  private readonly folder = mkdtempSync(join(tmpdir(), "openssl-"));
  private count = 0;

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** A CA: a root, or one that `issuer` signs. */
  ca(commonName: string, issuer?: Certificate, days = 30): Certificate {
    return this.certificate(
      commonName,
      ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"],
      issuer,
      days,
    );
  }

  leaf(
    commonName: string,
    issuer: Certificate,
    { use = "serverAuth", dnsNames = [], days = 20 }: Leaf = {},
  ): Certificate {
    const names = dnsNames.length > 0 ? [`subjectAltName=${dnsNames.map((name) => `DNS:${name}`).join(",")}`] : [];
    return this.certificate(
      commonName,
      ["basicConstraints=critical,CA:FALSE", `extendedKeyUsage=${use}`, ...names],
      issuer,
      days,
    );
  }

  private certificate(
    commonName: string,
    extensions: string[],
    issuer: Certificate | undefined,
    days: number,
  ): Certificate {
    const file = (name: string) => join(this.folder, `${this.count}.${name}`);
    this.count++;
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file("key"));
    openssl("req", "-new", "-key", file("key"), "-subj", `/CN=${commonName}`, "-out", file("csr"));
    writeFileSync(file("extensions"), extensions.join("\n"));
    if (issuer) {
      writeFileSync(file("ca.pem"), issuer.pem);
      writeFileSync(file("ca.key"), issuer.key);
    }
    const signer = issuer
      ? ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"]
      : ["-signkey", file("key")];
    const lifetime = ["-days", String(days), "-extfile", file("extensions")];
    openssl("x509", "-req", "-in", file("csr"), ...signer, ...lifetime, "-out", file("pem"));
    return { pem: readFileSync(file("pem"), "utf8"), key: readFileSync(file("key"), "utf8") };
  }
}
