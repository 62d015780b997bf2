import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { readCaFile, trustedCas } from "../../../components/http/trusted-cas";
import { Certificate, OpenSsl } from "../certificates/openssl";

describe("the trusted CAs", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "trusted-"));
  const file = (name: string) => join(folder, name);
  let one: Certificate, two: Certificate, three: Certificate;
  before(() => {
    [one, two, three] = ["one", "two", "three"].map((name) => openssl.ca(name)) as [
      Certificate,
      Certificate,
      Certificate,
    ];
    writeFileSync(file("file.pem"), one.pem);
    mkdirSync(file("folder"));
    writeFileSync(file("folder/two.pem"), `# two\n${two.pem}`);
    writeFileSync(file("folder/README"), "no certificate");
    writeFileSync(file("extra.pem"), three.pem);
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });
  const has = (cas: readonly string[], { pem }: Certificate) => cas.includes(pem.trim());

  it("are Node's, and those of SSL_CERT_FILE, SSL_CERT_DIR and NODE_EXTRA_CA_CERTS", () => {
    const cas = trustedCas({
      SSL_CERT_FILE: file("file.pem"),
      SSL_CERT_DIR: `${file("nowhere")}:${file("folder")}`,
      NODE_EXTRA_CA_CERTS: file("extra.pem"),
    });
    assert.ok([one, two, three].every((ca) => has(cas, ca)));
    assert.ok(rootCertificates.every((root) => cas.includes(root)));
    assert.equal(new Set(cas).size, cas.length);
  });

  it("do not include CAs that no variable names, and ignore missing files", () => {
    assert.ok(!has(trustedCas({}), one));
    assert.ok(!has(trustedCas({ SSL_CERT_FILE: file("missing"), SSL_CERT_DIR: file("missing") }), one));
  });

  it("must exist in a file that a setting names", () => {
    assert.deepEqual(readCaFile("caFile", file("file.pem")), [one.pem.trim()]);
    assert.throws(() => readCaFile("caFile", file("missing")), /caFile cannot be read: .*missing/);
    assert.throws(() => readCaFile("caFile", file("folder/README")), /caFile=.*README contains no certificate in PEM/);
  });
});
