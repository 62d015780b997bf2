import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import * as fc from "fast-check";
import { mergeCaBundle, mergeServerCas, PemSource } from "../../../components/certificates/ca-bundle";
import { SettingsError } from "../../../components/settings";
import { Certificate, OpenSsl } from "./openssl";

const DAY = 86_400_000;

describe("client-CA bundle", () => {
  const openssl = new OpenSsl();
  let root: Certificate, intermediate: Certificate, leaf: Certificate, teleport: Certificate, second: Certificate;
  before(() => {
    root = openssl.ca("root");
    intermediate = openssl.ca("intermediate", root);
    leaf = openssl.leaf("leaf", intermediate);
    teleport = openssl.ca("teleport");
    second = openssl.ca("second");
  });
  after(() => openssl.remove());

  const named = (pem: string, name = "source"): PemSource => ({ name, pem });
  const subjects = (bundle: string) =>
    [...bundle.matchAll(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g)].map(
      ([pem]) => new X509Certificate(pem).subject,
    );
  const own = () => named(intermediate.pem + root.pem, "own");
  const merge = (...others: PemSource[]) => mergeCaBundle(own(), others);
  const refused = (pem: string) => {
    try {
      merge(named(pem, "the culprit"));
    } catch (error) {
      assert.ok(error instanceof SettingsError);
      return error.message;
    }
    throw new Error("was accepted");
  };

  it("begins with the Cluster's own client CA and its chain", () => {
    const merged = subjects(merge(named(teleport.pem), named(second.pem)));
    assert.deepEqual(merged.slice(0, 2), ["CN=intermediate", "CN=root"]);
    assert.deepEqual(merged.slice(2).sort(), ["CN=second", "CN=teleport"]);
  });

  it("is the same in whatever order the others come", () => {
    const expected = merge(named(teleport.pem), named(second.pem));
    assert.equal(merge(named(second.pem), named(teleport.pem)), expected);
    assert.equal(merge(named(second.pem + teleport.pem)), expected);
  });

  it("drops duplicates", () => assert.equal(subjects(merge(named(root.pem), named(teleport.pem.repeat(3)))).length, 3));

  it("mends line ends, missing newlines and comments", () => {
    const expected = merge(named(teleport.pem), named(second.pem));
    const glued = teleport.pem.trim() + second.pem.trim();
    assert.equal(merge(named(glued)), expected);
    assert.equal(merge(named((teleport.pem + second.pem).replace(/\n/g, "\r\n"))), expected);
    assert.equal(merge(named(`# Teleport\nsubject=CN = teleport\n\n${teleport.pem}\n\n${second.pem}`)), expected);
  });

  it("is what a merge of the merge gives", () => {
    const merged = merge(named(teleport.pem));
    assert.equal(mergeCaBundle(named(merged), []), merged);
  });

  it("refuses private keys by name", () =>
    assert.match(refused(teleport.pem + teleport.key), /the culprit: holds a private key/));
  it("refuses leaves by name", () =>
    assert.match(refused(leaf.pem), /the culprit, certificate "CN=leaf": is not a CA/));
  it("refuses other blocks", () => {
    assert.match(refused(teleport.pem.replace(/CERTIFICATE/g, "X509 CRL")), /the culprit: holds a X509 CRL/);
  });
  it("refuses garbage between certificates", () =>
    assert.match(refused(`${teleport.pem}hello\n`), /the culprit: holds text .*hello/));
  it("refuses a certificate that was cut off", () => {
    assert.match(refused(teleport.pem.slice(0, 200)), /the culprit: holds text that is no certificate/);
  });
  it("refuses a certificate that cannot be read", () => {
    assert.match(
      refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
      /the culprit: .*cannot be read/,
    );
  });
  it("refuses a source without certificates", () => assert.match(refused("\n"), /the culprit: holds no certificate/));

  it("refuses what has expired or is not valid yet", () => {
    const at = (offset: number) => () => mergeCaBundle(own(), [named(teleport.pem)], new Date(Date.now() + offset));
    assert.throws(at(31 * DAY), /source, certificate "CN=teleport": expired at \d{4}-/);
    assert.throws(at(-DAY), /source, certificate "CN=teleport": is not valid before \d{4}-/);
  });

  it("refuses a chain without its root, which PostgreSQL could not verify", () => {
    assert.throws(
      () => mergeCaBundle(named(intermediate.pem, "own"), []),
      /own.*"CN=intermediate".*signed by CN=root, which is not in the bundle/,
    );
  });

  it("tells of all sources that are wrong at once", () => {
    const wrong = () => merge(named(leaf.pem, "one"), named("junk", "two"), named(root.key, "three"));
    assert.throws(wrong, /3 settings are wrong[\s\S]*one[\s\S]*two[\s\S]*three/);
  });

  it("never lets anything through but the CAs it was given", () => {
    const pieces = fc.oneof(
      fc.string(),
      fc.constantFrom(root.pem, teleport.pem, leaf.pem, teleport.key, "-----END CERTIFICATE-----\n"),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 5 }), (parts) => {
        try {
          const merged = merge(named(parts.join("")));
          assert.ok(
            subjects(merged).every((subject) => ["CN=root", "CN=intermediate", "CN=teleport"].includes(subject)),
          );
          assert.ok(!merged.includes("PRIVATE"));
        } catch (error) {
          if (!(error instanceof SettingsError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("bundle of the server's CAs", () => {
  const openssl = new OpenSsl();
  after(() => openssl.remove());

  it("is the chain of the one CA there is, and in one order whichever of several signs", () => {
    const root = openssl.ca("root");
    const intermediate = openssl.ca("intermediate", root);
    const chain = { name: "server", pem: intermediate.pem + root.pem };
    assert.equal(mergeServerCas([chain]), mergeCaBundle(chain, []));
    assert.equal(mergeServerCas([chain, chain]), mergeCaBundle(chain, []));
    const other = { name: "other", pem: openssl.ca("other").pem };
    assert.equal(mergeServerCas([chain, other]), mergeServerCas([other, chain]));
    assert.equal(mergeServerCas([chain, other]).match(/BEGIN/g)?.length, 3);
  });

  it("tells of a CA that is none, whichever it is", () => {
    const ca = { name: "ca", pem: openssl.ca("ca").pem };
    const wrong = { name: "the culprit", pem: "" };
    for (const authorities of [[ca, wrong], [wrong, ca], [wrong]])
      assert.throws(() => mergeServerCas(authorities), /the culprit: holds no certificate/);
  });
});
