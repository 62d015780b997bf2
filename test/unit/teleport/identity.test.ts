import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { identityVariables, resolveIdentity } from "../../../components/teleport/identity";
import { OpenSsl } from "../certificates/openssl";

describe("identity", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "identity-"));
  let content: string;
  before(() => {
    const cluster = openssl.ca("lab");
    const user = openssl.leaf("registrar", cluster, { use: "clientAuth" });
    content = `${user.key}${user.pem}${cluster.pem}`;
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });
  const fileWith = (text: string) => {
    const file = join(folder, "identity");
    writeFileSync(file, text);
    return file;
  };

  it("is the file that TELEPORT_IDENTITY_FILE names, and tells the cluster that signed it", () => {
    const file = fileWith(content);
    const identity = resolveIdentity(undefined, { TELEPORT_IDENTITY_FILE: file, TELEPORT_IDENTITY: "ignored" });
    assert.deepEqual([identity.file, identity.cluster], [file, "lab"]);
    identity.release();
    assert.ok(existsSync(file), "a file of the user's is never removed");
  });

  it("is the content of TELEPORT_IDENTITY, in a file that nobody else can read and that goes away", () => {
    const identity = resolveIdentity(undefined, { TELEPORT_IDENTITY: content });
    assert.ok(identity.file);
    assert.equal(statSync(identity.file).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(identity.file)).mode & 0o777, 0o700);
    assert.equal(readFileSync(identity.file, "utf8").trim(), content.trim());
    identity.release();
    assert.ok(!existsSync(dirname(identity.file)));
  });

  it("is of the named credentials where there are several", () => {
    assert.deepEqual(identityVariables("emea-1"), {
      file: "TELEPORT_EMEA_1_IDENTITY_FILE",
      content: "TELEPORT_EMEA_1_IDENTITY",
    });
    const file = fileWith(content);
    assert.equal(resolveIdentity("emea", { TELEPORT_EMEA_IDENTITY_FILE: file }).file, file);
    assert.throws(() => resolveIdentity("emea", { TELEPORT_IDENTITY_FILE: file }), /TELEPORT_EMEA_IDENTITY_FILE/);
  });

  it("is left to tctl's own profile where nothing is set", () =>
    assert.equal(resolveIdentity(undefined, {}).file, undefined));

  it("says when it expired and how to get a new one", () => {
    const later = new Date(Date.now() + 40 * 86_400_000);
    const expired = () => resolveIdentity(undefined, { TELEPORT_IDENTITY_FILE: fileWith(content) }, later);
    assert.throws(expired, /expired at \d{4}-\d\d-\d\dT.*tctl auth sign/);
  });

  it("is refused where it is none", () => {
    assert.throws(
      () => resolveIdentity(undefined, { TELEPORT_IDENTITY_FILE: fileWith("junk") }),
      /is no Teleport identity/,
    );
    assert.throws(
      () => resolveIdentity(undefined, { TELEPORT_IDENTITY: "junk" }),
      /TELEPORT_IDENTITY is no Teleport identity/,
    );
    assert.throws(
      () => resolveIdentity(undefined, { TELEPORT_IDENTITY_FILE: "/nowhere" }),
      /cannot be read.*\/nowhere/,
    );
  });
});
