/** Certificates that openssl creates during the tests, so that none of them expires or belongs to somebody. */
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
  ipAddresses?: string[];
  days?: number;
}

/** A folder of certificates. Call `remove` at the end. */
export class OpenSsl {
  private readonly folder = mkdtempSync(join(tmpdir(), "openssl-"));
  private count = 0;

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** The output of an openssl command with `input` on its standard input. */
  run(args: string[], input: string | Buffer = ""): string {
    return execFileSync("openssl", args, { input, stdio: ["pipe", "pipe", "pipe"] }).toString("utf8");
  }

  /** A CA: a root, or one that `issuer` signs. With `key` (PEM), another certificate of the same CA. */
  ca(commonName: string, issuer?: Certificate, days = 30, key?: string): Certificate {
    return this.certificate(
      commonName,
      ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"],
      issuer,
      days,
      key,
    );
  }

  /** A root with given dates, e.g. `20900101000000Z`. */
  datedCa(commonName: string, from: string, to: string): Certificate {
    const { key } = this.ca(commonName);
    const file = (name: string) => join(this.folder, `dated-${this.count}.${name}`);
    // In OpenSSL 3.0, `ca` accepts dates, and `x509 -req` does not.
    writeFileSync(file("key"), key);
    writeFileSync(file("index"), "");
    writeFileSync(file("serial"), "01");
    const sections = [
      "[ca]\ndefault_ca=a",
      `[a]\ndatabase=${file("index")}\nserial=${file("serial")}\nnew_certs_dir=${this.folder}`,
      "default_md=sha256\npolicy=p\nx509_extensions=e",
      "[p]\ncommonName=supplied",
      "[e]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign",
    ];
    writeFileSync(file("conf"), sections.join("\n"));
    this.run(["req", "-new", "-key", file("key"), "-subj", `/CN=${commonName}`, "-out", file("csr")]);
    const self = ["-selfsign", "-keyfile", file("key"), "-in", file("csr"), "-notext", "-batch"];
    this.run(["ca", "-config", file("conf"), ...self, "-startdate", from, "-enddate", to, "-out", file("pem")]);
    return { pem: readFileSync(file("pem"), "utf8"), key };
  }

  /** A root of version 1, without extensions, like in the nineties. */
  rootOfVersion1(commonName: string): Certificate {
    return this.certificate(commonName, [], undefined, 30);
  }

  /** A server's certificate of version 1. */
  leafOfVersion1(commonName: string, issuer: Certificate): Certificate {
    return this.certificate(commonName, [], issuer, 20);
  }

  /** Verifies like a client that knows `root` and receives `above`. */
  verify(leaf: string, above: string, root: string): string {
    const file = (name: string) => join(this.folder, `verify.${name}`);
    writeFileSync(file("root"), root);
    writeFileSync(file("above"), above);
    const sent = above === "" ? [] : ["-untrusted", file("above")];
    return this.run(["verify", "-purpose", "sslserver", "-CAfile", file("root"), ...sent], leaf);
  }

  /** A PKCS #7 file in PEM. */
  pkcs7(pem: string): string {
    const file = join(this.folder, "certificates");
    writeFileSync(file, pem);
    return this.run(["crl2pkcs7", "-nocrl", "-certfile", file]);
  }

  /** A PKCS #12 file with the password `x` and the key of the first certificate. */
  pkcs12(own: Certificate, other: Certificate): Buffer {
    const file = (name: string) => join(this.folder, `store.${name}`);
    writeFileSync(file("own"), own.pem);
    writeFileSync(file("key"), own.key);
    writeFileSync(file("other"), other.pem);
    const input = ["-in", file("own"), "-inkey", file("key"), "-certfile", file("other")];
    const names = ["-name", "the first CA", "-caname", "the second CA"];
    return execFileSync("openssl", ["pkcs12", "-export", ...input, ...names, "-passout", "pass:x"]);
  }

  leaf(
    commonName: string,
    issuer: Certificate,
    { use = "serverAuth", dnsNames = [], ipAddresses = [], days = 20 }: Leaf = {},
  ): Certificate {
    const all = [...dnsNames.map((name) => `DNS:${name}`), ...ipAddresses.map((address) => `IP:${address}`)];
    const names = all.length > 0 ? [`subjectAltName=${all.join(",")}`] : [];
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
    key?: string,
  ): Certificate {
    const file = (name: string) => join(this.folder, `${this.count}.${name}`);
    this.count++;
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
    if (key === undefined) {
      openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file("key"));
    } else {
      writeFileSync(file("key"), key);
    }
    openssl("req", "-new", "-key", file("key"), "-subj", `/CN=${commonName}`, "-out", file("csr"));
    writeFileSync(file("extensions"), extensions.join("\n"));
    if (issuer) {
      writeFileSync(file("ca.pem"), issuer.pem);
      writeFileSync(file("ca.key"), issuer.key);
    }
    const signer = issuer
      ? ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"]
      : ["-signkey", file("key")];
    const lifetime = ["-days", String(days), ...(extensions.length > 0 ? ["-extfile", file("extensions")] : [])];
    openssl("x509", "-req", "-in", file("csr"), ...signer, ...lifetime, "-out", file("pem"));
    return { pem: readFileSync(file("pem"), "utf8"), key: readFileSync(file("key"), "utf8") };
  }
}
