import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import * as fc from "fast-check";
import {
  clientCaBundle,
  leftOutWarnings,
  mergeCaBundle,
  mergeServerCas,
  PemSource,
  serverCaBundle,
  serverChain,
} from "../../../components/certificates/ca-bundle";
import { SettingsError } from "../../../components/problems";
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

  it("does not depend on the order of the other sources", () => {
    const expected = merge(named(teleport.pem), named(second.pem));
    assert.equal(merge(named(second.pem), named(teleport.pem)), expected);
    assert.equal(merge(named(second.pem + teleport.pem)), expected);
  });

  it("has no duplicates", () =>
    assert.equal(subjects(merge(named(root.pem), named(teleport.pem.repeat(3)))).length, 3));

  it("repairs line ends and missing newlines, and removes comments", () => {
    const expected = merge(named(teleport.pem), named(second.pem));
    const glued = teleport.pem.trim() + second.pem.trim();
    assert.equal(merge(named(glued)), expected);
    assert.equal(merge(named((teleport.pem + second.pem).replace(/\n/g, "\r\n"))), expected);
    assert.equal(merge(named(`# Teleport\nsubject=CN = teleport\n\n${teleport.pem}\n\n${second.pem}`)), expected);
  });

  it("does not change if it is merged again", () => {
    const merged = merge(named(teleport.pem));
    assert.equal(mergeCaBundle(named(merged), []), merged);
  });

  it("refuses private keys, and names the source", () =>
    assert.match(refused(teleport.pem + teleport.key), /the culprit: contains a private key/));
  it("refuses leaf certificates, and names the source", () =>
    assert.match(refused(leaf.pem), /the culprit, certificate "CN=leaf": is not a CA/));
  it("refuses other kinds of PEM blocks", () => {
    assert.match(refused(teleport.pem.replace(/CERTIFICATE/g, "X509 CRL")), /the culprit: contains a X509 CRL/);
  });

  describe("accepts certificates in the forms that people use", () => {
    const both = () => merge(named(teleport.pem), named(second.pem));
    const x509Text = (pem: string) => openssl.run(["x509", "-text"], pem);
    const pkcs12 = () => openssl.pkcs12(second, teleport);

    it("with text around them, as in a mail", () =>
      assert.equal(merge(named(`The CA of Teleport:\n${teleport.pem}and the other one:\n${second.pem}Bye\n`)), both()));
    it("as `openssl x509 -text` prints them", () => {
      const printed = x509Text(teleport.pem) + x509Text(second.pem);
      assert.match(printed, /Signature Algorithm/);
      assert.equal(merge(named(printed)), both());
    });
    it("as `openssl pkcs12 -nokeys` prints them", () => {
      const printed = openssl.run(["pkcs12", "-nokeys", "-passin", "pass:x"], pkcs12());
      assert.match(printed, /Bag Attributes[\s\S]*friendlyName/);
      assert.equal(merge(named(printed)), both());
    });
    it("as `openssl pkcs7 -print_certs` prints them", () => {
      const pkcs7 = openssl.pkcs7(teleport.pem + second.pem);
      assert.equal(merge(named(openssl.run(["pkcs7", "-print_certs"], pkcs7))), both());
      assert.equal(merge(named(openssl.run(["pkcs7", "-print_certs", "-text"], pkcs7))), both());
    });
    it("in a bundle of curl's or Mozilla's, with a name above each", () => {
      const titled = (name: string, pem: string) => `${name}\n${"=".repeat(name.length)}\n${pem}\n`;
      const long = "Hellenic Academic and Research Institutions RootCA 2015";
      const header =
        "##\n## Bundle of CA Root Certificates\n##\n## SHA256: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d\n##\n\n";
      assert.equal(
        merge(named(header + titled("AffirmTrustPremiumECC", teleport.pem) + titled(long, second.pem))),
        both(),
      );
    });
    it("with the addresses and fingerprints that such texts hold", () => {
      const text = [
        "CA Issuers - URI:http://pki.example.com/v1/pki_int/Some-Long-Company-Issuing-CA-2019-production/ca",
        "sha256 Fingerprint=AB:CD:01:23:45:67:89:AB:CD:01:23:45:67:89:AB:CD:01:23:45:67:89:AB:CD:01:23:45:67:89",
        "serial=54E72C873ED8AEFB481E7754E72C873ED8AEFB48",
        "friendlyName: company-internal-issuing-ca-production-west-2024",
      ].join("\n");
      assert.equal(merge(named(`${text}\n${teleport.pem}${second.pem}`)), both());
    });
    it("indented, as in YAML, and with blanks at the ends of lines", () => {
      assert.equal(merge(named((teleport.pem + second.pem).replace(/^/gm, "      "))), both());
      assert.equal(merge(named((teleport.pem + second.pem).replace(/$/gm, "  \t"))), both());
    });
    it("with blanks in place of line ends, as variables hold them", () =>
      assert.equal(merge(named((teleport.pem + second.pem).replace(/\n/g, " "))), both()));
    it("behind a byte order mark", () => assert.equal(merge(named(`\ufeff${teleport.pem}${second.pem}`)), both()));
    it("under the label of older tools", () =>
      assert.equal(merge(named((teleport.pem + second.pem).replace(/ CERTIFICATE/g, " X509 CERTIFICATE"))), both()));

    it("but not with OpenSSL's trust rules, which would be lost", () => {
      const trusted = openssl.run(["x509", "-addreject", "clientAuth", "-trustout"], teleport.pem);
      assert.match(refused(trusted), /the culprit: contains a TRUSTED CERTIFICATE.*openssl x509 -in FILE/);
    });
    it("but not with the key that `openssl pkcs12` prints by default", () => {
      const printed = openssl.run(["pkcs12", "-nodes", "-passin", "pass:x"], pkcs12());
      assert.match(refused(printed), /the culprit: contains a private key/);
    });
  });

  it("refuses what looks cut off", () => {
    const lines = teleport.pem.trimEnd().split("\n");
    const without = (...left: number[]) =>
      lines.filter((_, index) => !left.map((l) => (l + lines.length) % lines.length).includes(index)).join("\n");
    for (const [what, text, problem] of [
      ["the beginning only", teleport.pem.slice(0, 200), /CERTIFICATE that is cut off: it has no END line/],
      ["a BEGIN line in another certificate", without(-1) + teleport.pem, /CERTIFICATE that is cut off: it has no END/],
      ["no BEGIN line", without(0), /CERTIFICATE that is cut off: its END line has no BEGIN line/],
      ["no first lines", without(0, 1, 2), /CERTIFICATE that is cut off: its END line has no BEGIN line/],
      ["a broken BEGIN line", teleport.pem.slice(1), /an incomplete BEGIN or END line|no BEGIN line/],
      ["a broken END line", teleport.pem.trimEnd().slice(0, -3), /no END line/],
      ["neither", without(0, -1), /base64 outside of a certificate/],
      ["a line less", without(2), /cannot be read/],
      ["an ellipsis", teleport.pem.replace(/\n[^\n]{20}/, "\n..."), /cannot be read/],
      ["its line ends written out", teleport.pem.replace(/\n/g, "\\n"), /cannot be read/],
    ] as [string, string, RegExp][]) {
      for (const whole of ["", second.pem]) {
        const message = refused(whole + text);
        assert.match(message, problem, what);
        assert.match(message, /Copy it again completely/, what);
      }
    }
  });
  it("refuses a certificate that cannot be read", () => {
    assert.match(
      refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
      /the culprit: .*cannot be read/,
    );
  });
  it("refuses a source without certificates", () =>
    assert.match(refused("\n"), /the culprit: contains no certificate/));

  describe("leaves out CAs that are not valid now", () => {
    let expired: Certificate, longer: Certificate;
    before(() => {
      expired = openssl.ca("ending", undefined, 2);
      longer = openssl.ca("own root", undefined, 300);
    });
    const later = () => new Date(Date.now() + 5 * DAY);
    const bundle = (...others: PemSource[]) => clientCaBundle(named(longer.pem, "own"), others, later());

    it("and names them, if their source has a valid CA", () => {
      const { pem, leftOut } = bundle(named(expired.pem + teleport.pem, "the bundle"));
      assert.equal(pem, bundle(named(teleport.pem)).pem);
      assert.deepEqual(bundle(named(teleport.pem)).leftOut, []);
      assert.equal(leftOut.length, 1);
      const [warning, ...more] = leftOutWarnings(leftOut);
      assert.match(
        warning ?? "",
        /^1 CA that is not valid now is left out of the bundle: "CN=ending" \(expired at \d{4}-/,
      );
      assert.deepEqual(more, []);
    });
    it("and the CAs below them", () => {
      const below = openssl.ca("below", expired, 300);
      const { pem, leftOut } = bundle(named(expired.pem + below.pem + teleport.pem, "the bundle"));
      assert.equal(pem, bundle(named(teleport.pem)).pem);
      assert.match(leftOutWarnings(leftOut)[0] ?? "", /^2 CAs .*"CN=below" \(its CA CN=ending expired at /);
    });
    it("but not CAs that a valid CA also signed", () => {
      const below = openssl.ca("below", expired, 300);
      const renewed = openssl.ca("ending", undefined, 300, expired.key);
      const { pem } = bundle(named(expired.pem + renewed.pem + below.pem));
      assert.deepEqual(subjects(pem).sort(), ["CN=below", "CN=ending", "CN=own root"]);
    });
    it("and CAs that are not valid yet", () => {
      const future = openssl.datedCa("future", "20900101000000Z", "20910101000000Z");
      const { pem, leftOut } = bundle(named(future.pem + teleport.pem));
      assert.equal(pem, bundle(named(teleport.pem)).pem);
      assert.match(leftOutWarnings(leftOut)[0] ?? "", /"CN=future" \(is not valid before 2090-01-01T/);
      assert.throws(
        () => clientCaBundle(named(future.pem, "own"), []),
        /own, certificate "CN=future": is not valid before/,
      );
    });
    it("and refuses a source without any valid CA", () => {
      assert.throws(
        () => bundle(named(expired.pem, "the culprit"), named(teleport.pem)),
        /the culprit, certificate "CN=ending": expired at \d{4}-.*\. Remove it, or replace it with its successor/,
      );
    });
    it("and a whole source that nothing needs any more", () => {
      const { pem, leftOut } = bundle({ ...named(expired.pem, "the former CA"), optional: true }, named(teleport.pem));
      assert.equal(pem, bundle(named(teleport.pem)).pem);
      assert.equal(leftOut.length, 1);
    });
    it("and refuses the Cluster's own client CA if it is not valid", () => {
      const ownRoot = openssl.ca("root of ending", undefined, 300);
      const ending = openssl.ca("ending", ownRoot, 2);
      const at = () => clientCaBundle(named(ending.pem + ownRoot.pem, "own"), [named(teleport.pem)], later());
      assert.throws(at, /own, certificate "CN=ending": expired at/);
    });
    it("and refuses a chain whose root is not valid", () => {
      const below = openssl.ca("below", expired, 300);
      const at = () => clientCaBundle(named(below.pem + expired.pem, "own"), [named(teleport.pem)], later());
      assert.throws(at, /own, certificate "CN=below": its CA CN=ending expired at/);
    });
    it("and names at most ten for each source", () => {
      const leftOut = Array.from({ length: 15 }, (_, index) => ({ source: "s", subject: `CN=${index}`, reason: "r" }));
      const [warning] = leftOutWarnings([...leftOut, ...leftOut]);
      assert.match(warning ?? "", /^15 CAs .*"CN=9" \(r\) and 5 more\. Remove such CAs from this source\.$/);
    });
  });

  it("accepts roots of version 1, like PostgreSQL, and the CAs that they signed", () => {
    const old = openssl.rootOfVersion1("old root");
    const below = openssl.ca("below", old);
    assert.deepEqual(
      subjects(merge(named(old.pem + below.pem)))
        .slice(2)
        .sort(),
      ["CN=below", "CN=old root"],
    );
    const leafOfOld = openssl.leafOfVersion1("old leaf", old);
    assert.match(refused(old.pem + leafOfOld.pem), /"CN=old leaf": is not a CA certificate/);
  });

  it("refuses a chain without its root, which PostgreSQL could not verify", () => {
    assert.throws(
      () => mergeCaBundle(named(intermediate.pem, "own"), []),
      /own.*"CN=intermediate".*signed by CN=root, which is not in the bundle/,
    );
  });

  it("reports all invalid sources at once", () => {
    const wrong = () => merge(named(leaf.pem, "one"), named("hello", "two"), named(root.key, "three"));
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

  it("is the chain of a single CA, and has the same order whichever of several CAs signs", () => {
    const root = openssl.ca("root");
    const intermediate = openssl.ca("intermediate", root);
    const chain = { name: "server", pem: intermediate.pem + root.pem };
    assert.equal(mergeServerCas([chain]), mergeCaBundle(chain, []));
    assert.equal(mergeServerCas([chain, chain]), mergeCaBundle(chain, []));
    const other = { name: "other", pem: openssl.ca("other").pem };
    assert.equal(mergeServerCas([chain, other]), mergeServerCas([other, chain]));
    assert.equal(mergeServerCas([chain, other]).match(/BEGIN/g)?.length, 3);
  });

  it("leaves out an expired CA that no longer signs, and keeps the order", () => {
    const ca = (name: string, days: number) => ({ name, pem: openssl.ca(name, undefined, days).pem, optional: true });
    const [ending, one, other] = [ca("ending", 2), ca("one", 30), ca("other", 30)];
    const later = new Date(Date.now() + 5 * DAY);
    const { pem, leftOut } = serverCaBundle([one, ending, other], later);
    assert.equal(pem, mergeServerCas([other, one]));
    assert.deepEqual(
      leftOut.map(({ source }) => source),
      ["ending"],
    );
    const [needed] = [{ ...ending, optional: false }];
    assert.throws(() => serverCaBundle([one, needed], later), /ending, certificate "CN=ending": expired at/);
  });

  it("reports an invalid source at any position", () => {
    const ca = { name: "ca", pem: openssl.ca("ca").pem };
    const wrong = { name: "the culprit", pem: "" };
    for (const authorities of [[ca, wrong], [wrong, ca], [wrong]])
      assert.throws(() => mergeServerCas(authorities), /the culprit: contains no certificate/);
  });
});

describe("the chain that a server sends", () => {
  const openssl = new OpenSsl();
  let root: Certificate, upper: Certificate, lower: Certificate;
  before(() => {
    root = openssl.ca("root");
    upper = openssl.ca("upper", root);
    lower = openssl.ca("lower", upper);
  });
  after(() => openssl.remove());

  const server = (issuer: Certificate) => openssl.leaf("orders-rw", issuer, { dnsNames: ["orders-rw"] }).pem;

  it("is the unchanged certificate if its CA is a root", () => {
    const leaf = server(root);
    assert.equal(serverChain(leaf, root.pem), leaf);
    assert.equal(serverChain(leaf.trimEnd(), `${root.pem}${upper.pem}`), leaf.trimEnd());
  });
  it("is the certificate and the CAs below the root, in order", () => {
    const leaf = server(lower);
    const expected = leaf + lower.pem + upper.pem;
    assert.equal(serverChain(leaf, lower.pem + upper.pem + root.pem), expected);
    assert.equal(
      serverChain(leaf.trimEnd(), [lower, upper, root].map(({ pem }) => pem.trimEnd()).join("\n")),
      expected,
    );
    assert.equal(serverChain(leaf, root.pem + openssl.ca("other").pem + upper.pem + lower.pem), expected);
    assert.equal(serverChain(server(upper), upper.pem + root.pem).match(/BEGIN/g)?.length, 2);
  });
  it("ends below a root that is also cross-signed", () => {
    const old = openssl.ca("old root");
    const crossed = openssl.ca("root", old, 30, root.key);
    const leaf = server(upper);
    assert.equal(serverChain(leaf, upper.pem + crossed.pem + root.pem + old.pem), leaf + upper.pem);
  });
  it("can be verified with the root alone", () => {
    const [leaf = "", ...above] = serverChain(server(lower), lower.pem + upper.pem + root.pem).split(/(?=-----BEGIN)/);
    assert.match(openssl.verify(leaf, above.join(""), root.pem), /OK/);
    assert.throws(() => openssl.verify(leaf, "", root.pem), /unable to get local issuer certificate/);
  });
});
