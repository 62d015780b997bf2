/** Whatever somebody puts into a bundle source, and whatever an issuer answers. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { mergeCaBundle } from "../../../components/certificates/ca-bundle";
import { checkCertificate } from "../../../components/certificates/certificate-check";
import { SettingsError } from "../../../components/problems";
import { Certificate, OpenSsl } from "../certificates/openssl";

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const SOURCE = "the culprit";
/** What of a key is too much to show, in characters. */
const SHOWN = 12;

describe("any text as a source of the client-CA bundle", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "pem-"));
  let own: Certificate;
  /** By what they are. */
  let certificates: Record<string, string>;
  let keys: Record<string, string>;

  before(() => {
    own = openssl.ca("own");
    const teleport = openssl.ca("teleport");
    const leaf = openssl.leaf("leaf", teleport);
    certificates = {
      teleport: teleport.pem,
      intermediate: openssl.ca("intermediate", own).pem,
      orphan: openssl.ca("orphan", openssl.ca("elsewhere")).pem,
      leaf: leaf.pem,
      v1: selfSigned("v1", [], "-1 d"),
      "without keyCertSign": selfSigned("no sign", ["basicConstraints=CA:TRUE", "keyUsage=cRLSign"]),
      "for clients": selfSigned("eku", ["basicConstraints=CA:TRUE", "extendedKeyUsage=clientAuth"]),
      expired: selfSigned("expired", ["basicConstraints=critical,CA:TRUE"], "past"),
      "not yet valid": selfSigned("future", ["basicConstraints=critical,CA:TRUE"], "future"),
    };
    keys = keysOf(leaf.key);
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });

  function selfSigned(commonName: string, extensions: string[], when = "now"): string {
    const file = (name: string) => join(folder, name);
    const run = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
    run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file("key"));
    run("req", "-new", "-key", file("key"), "-subj", `/CN=${commonName}`, "-out", file("csr"));
    writeFileSync(file("extensions"), extensions.join("\n"));
    const of = extensions.length > 0 ? ["-extfile", file("extensions")] : [];
    const year = { past: ["20200101000000Z", "20210101000000Z"], future: ["20900101000000Z", "20910101000000Z"] }[when];
    if (!year) {
      run("x509", "-req", "-in", file("csr"), "-signkey", file("key"), "-days", "30", ...of, "-out", file("pem"));
      return readFileSync(file("pem"), "utf8");
    }
    // `x509 -req` of OpenSSL 3.0 takes no dates; `ca` does.
    writeFileSync(file("index"), "");
    writeFileSync(file("serial"), "01");
    const policy = "[p]\ncommonName=supplied\n";
    const ca = `[a]\ndatabase=${file("index")}\nserial=${file("serial")}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\n`;
    writeFileSync(file("ca.conf"), `[ca]\ndefault_ca=a\n${ca}${policy}`);
    const dates = ["-startdate", year[0] as string, "-enddate", year[1] as string];
    const self = ["-selfsign", "-keyfile", file("key"), "-in", file("csr"), "-notext", "-batch"];
    run("ca", "-config", file("ca.conf"), ...self, ...dates, ...of, "-out", file("pem"));
    return readFileSync(file("pem"), "utf8");
  }

  function keysOf(pem: string): Record<string, string> {
    const key = createPrivateKey(pem);
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const text = (type: "pkcs8" | "sec1", options = {}) => key.export({ format: "pem", type, ...options }) as string;
    const openSsh = Buffer.concat([Buffer.from("openssh-key-v1\0"), key.export({ format: "der", type: "pkcs8" })]);
    return {
      pkcs8: text("pkcs8"),
      sec1: text("sec1"),
      encrypted: text("pkcs8", { cipher: "aes-256-cbc", passphrase: "x" }),
      rsa: rsa.export({ format: "pem", type: "pkcs1" }) as string,
      "encrypted rsa": rsa.export({ format: "pem", type: "pkcs1", cipher: "aes-256-cbc", passphrase: "x" }) as string,
      openssh: `-----BEGIN OPENSSH PRIVATE KEY-----\n${openSsh.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`,
      jwk: JSON.stringify({ d: key.export({ format: "jwk" }).d, kty: "EC" }),
      bare: key.export({ format: "der", type: "pkcs8" }).toString("base64"),
      hex: key.export({ format: "der", type: "pkcs8" }).toString("hex"),
    };
  }

  /** Runs of characters in which secrets are written. */
  const secretsOf = (key: string) =>
    key
      .replace(/-----[^-]*-----/g, "")
      .split(/[^A-Za-z0-9+/=_-]+/)
      .filter((run) => run.length >= 20);

  /** Refused with the source's name and nothing of a key, or a bundle that is what it should be. */
  function judge(text: string, shownKeys: readonly string[] = Object.values(keys)): "refused" | "merged" {
    let bundle: string;
    try {
      bundle = mergeCaBundle({ name: "own CA", pem: own.pem }, [{ name: SOURCE, pem: text }]);
    } catch (error) {
      assert.ok(error instanceof SettingsError, `throws ${String(error)}`);
      for (const { setting } of error.problems) assert.match(setting, /^(the culprit|own CA)/);
      assert.ok(
        error.problems.some(({ setting }) => setting.startsWith(SOURCE) || / bundle with certificate /.test(setting)),
        error.message,
      );
      for (const run of shownKeys.flatMap(secretsOf)) {
        for (let place = 0; place + SHOWN <= run.length; place++) {
          const part = run.slice(place, place + SHOWN);
          assert.ok(!error.message.includes(part), `shows ${part} of a key: ${error.message}`);
        }
      }
      return "refused";
    }
    const blocks = bundle.match(BLOCK) ?? [];
    assert.equal(bundle, blocks.map((block) => `${block}\n`).join(""), "holds more than certificates");
    const parsed = blocks.map((block) => new X509Certificate(block));
    assert.equal(parsed[0]?.fingerprint256, new X509Certificate(own.pem).fingerprint256, "begins with another CA");
    for (const certificate of parsed) {
      assert.ok(certificate.ca || certificate.subject === "CN=v1", `${certificate.subject} is no CA`);
      assert.ok(Date.parse(certificate.validTo) > Date.now(), `${certificate.subject} ends at ${certificate.validTo}`);
      assert.ok(Date.parse(certificate.validFrom) <= Date.now(), `begins at ${certificate.validFrom}`);
    }
    assert.equal(new Set(parsed.map(({ fingerprint256 }) => fingerprint256)).size, parsed.length, "holds one twice");
    return "merged";
  }

  it("is merged, or refused, by what the certificate is", () => {
    const merged = Object.entries(certificates).filter(([, pem]) => judge(pem) === "merged");
    assert.deepEqual(
      merged.map(([what]) => what),
      ["teleport", "intermediate", "v1", "for clients"],
    );
  });

  it("is refused with a private key of any form in it, of which nothing is shown", () => {
    for (const [what, key] of Object.entries(keys)) {
      assert.equal(judge(key), "refused", what);
      assert.equal(judge(`${certificates.teleport}${key}`), "refused", what);
      assert.equal(judge(key.replace(/\n/g, "\r\n")), "refused", what);
    }
  });

  for (const [what, spoil] of Object.entries<(key: string) => string>({
    "without its first line": (key) => key.replace(/^.*\n/, ""),
    "without its first two lines": (key) => key.replace(/^.*\n.*\n/, ""),
    "without its last line": (key) => key.replace(/\n.*\n$/, "\n"),
    "in one line": (key) => key.replace(/\n/g, ""),
    "with line ends written out": (key) => key.replace(/\n/g, "\\n").replace(/-----END.*/, ""),
    "with its end in the middle": (key) => key.slice(0, key.length / 2),
    "indented, without its first line": (key) => key.replace(/^.*\n/, "").replace(/^/gm, "    "),
    "behind a word": (key) => `key: ${key.replace(/-----BEGIN.*\n/, "")}`,
  })) {
    it(`is refused with a private key in it ${what}, of which nothing is shown`, () => {
      for (const key of Object.values(keys)) judge(spoil(key));
    });
  }

  const texts = () =>
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...Object.values(certificates)) },
      { weight: 2, arbitrary: fc.constantFrom(...Object.values(keys)) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          ...[
            "        Version: 3 (0x2)\n",
            "Bag Attributes\n",
            "GlobalSign\n==========\n",
            "-----BEGIN X509 CERTIFICATE-----",
          ],
          ...["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n"],
          ...["-----END PRIVATE KEY-----", "-----BEGIN  -----", "\0", "\ufeff", "\u2028", "# comment\n", "subject=x\n"],
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
    );
  /** Cut, doubled, moved, changed in a byte, with other line ends. */
  const mutation = fc.tuple(
    fc.constantFrom("cut", "drop", "double", "flip", "insert", "crlf", "cr", "unwrap", "lower", "none"),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 3 }),
  );
  type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;
  function mutate(text: string, [how, one, other, more]: Mutation): string {
    const [from, to] = [one, other].map((part) => Math.floor(part * text.length)).sort((a, b) => a - b) as [
      number,
      number,
    ];
    const all = {
      cut: () => text.slice(0, to),
      drop: () => text.slice(0, from) + text.slice(to),
      double: () => text.slice(0, to) + text.slice(from),
      flip: () => text.slice(0, to) + String.fromCharCode(text.charCodeAt(to) ^ 1) + text.slice(to + 1),
      insert: () => text.slice(0, to) + more + text.slice(to),
      crlf: () => text.replace(/\n/g, "\r\n"),
      cr: () => text.replace(/\n/g, "\r"),
      unwrap: () => text.replace(/([A-Za-z0-9+/=])\n(?=[A-Za-z0-9+/])/g, "$1"),
      lower: () => text.slice(0, from) + text.slice(from, to).toLowerCase() + text.slice(to),
      none: () => text,
    };
    return all[how as keyof typeof all]();
  }

  it("is refused or merged, whatever became of it on the way", () => {
    const changed = fc.tuple(texts(), mutation).map(([text, how]) => mutate(text, how));
    const source = fc.tuple(fc.array(changed, { maxLength: 4 }), mutation).map(([t, how]) => mutate(t.join(""), how));
    fc.assert(
      fc.property(source, (text) => void judge(text)),
      { numRuns: 1_500 },
    );
  });

  it("is refused or merged with any byte of a certificate changed", () => {
    // What is signed, as what is not, may be anything: dates, keys, names, extensions.
    for (const what of ["teleport", "intermediate"]) {
      const der = new X509Certificate(certificates[what] as string).raw;
      fc.assert(
        fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (place, bits) => {
          const bytes = Buffer.from(der);
          bytes[place] = (bytes[place] as number) ^ bits;
          const lines = bytes.toString("base64").replace(/.{64}/g, "$&\n");
          judge(`-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`);
        }),
        { numRuns: 1_500 },
      );
    }
  });

  describe("takes no longer than its length", () => {
    const long: Record<string, (length: number) => string> = {
      "lines of text": (length) => "friendlyName: some CA of 2024\n".repeat(length / 29),
      "one line of text": (length) => "a1B".repeat(length / 3),
      addresses: (length) => "https://example.com/a".repeat(length / 21),
      "colons and slashes": (length) => "a:/".repeat(length / 3),
      letters: (length) => "a".repeat(length),
      JSON: (length) => '"d" '.repeat(length / 4),
      "halves of BEGIN lines": (length) => "----BEGIN ".repeat(length / 10),
      "blanks in a certificate": (length) =>
        `-----BEGIN CERTIFICATE-----${" ".repeat(length)}x-----END CERTIFICATE-----`,
      "beginnings without an end": (length) => "-----BEGIN CERTIFICATE-----\n".repeat(length / 28),
      "ends without a beginning": (length) => "-----END CERTIFICATE-----\n".repeat(length / 26),
      "beginnings of different kinds": (length) =>
        Array.from({ length: length / 20 }, (_, index) => `-----BEGIN X${index}-----\n`).join(""),
      "a long label": (length) => `-----BEGIN ${"A ".repeat(length / 2)}`,
      "long labels": (length) => `-----BEGIN ${"A ".repeat(20)}`.repeat(length / 51),
      dashes: (length) => "-".repeat(length),
      "empty lines": (length) => "\n".repeat(length),
      "carriage returns": (length) => "\r".repeat(length),
      blanks: (length) => `${" ".repeat(length)}x`,
      "a long certificate": (length) =>
        `-----BEGIN CERTIFICATE-----\n${"A".repeat(length)}\n-----END CERTIFICATE-----\n`,
    };
    /** Milliseconds of CPU time, the least of three: other programs of the machine must not count. */
    const timeOf = (text: string) => {
      const times = [1, 2, 3].map(() => {
        const start = process.cpuUsage();
        judge(text, []);
        return process.cpuUsage(start).user / 1_000;
      });
      return Math.min(...times);
    };
    for (const [what, make] of Object.entries(long)) {
      it(what, () => {
        const [short, more] = [125_000, 1_000_000].map((length) => timeOf(make(length))) as [number, number];
        assert.ok(more < 1_000 || more < 24 * short, `${short} ms for 125 kB, ${more} ms for 1 MB`);
      });
    }
  });

  it("is merged in the time that its certificates take", () => {
    const start = performance.now();
    assert.equal(judge((certificates.teleport as string).repeat(500)), "merged");
    assert.ok(performance.now() - start < 5_000);
  });
});

describe("whatever an issuer answers", () => {
  const openssl = new OpenSsl();
  let ca: Certificate, leaf: Certificate;
  before(() => {
    ca = openssl.ca("issuer");
    leaf = openssl.leaf("orders-rw", ca, { dnsNames: ["orders-rw"] });
  });
  after(() => openssl.remove());

  const expected = {
    setting: "issuer.server",
    use: "server" as const,
    commonName: "orders-rw",
    dnsNames: ["orders-rw"],
    validity: 480,
  };
  function judge(certificate: string, chain: string): void {
    try {
      assert.equal(checkCertificate(certificate, chain, expected), certificate);
    } catch (error) {
      assert.ok(error instanceof SettingsError, `throws ${String(error)}`);
      assert.match(error.message, /issuer\.server/);
    }
  }

  it("is passed on, or refused by the name of its setting", () => {
    judge(leaf.pem, ca.pem);
    const answer = fc.oneof(
      fc.constantFrom("", "null", leaf.pem, ca.pem, leaf.key, leaf.pem.slice(0, 300)),
      fc.string(),
      fc.nat(leaf.pem.length - 1).map((place) => `${leaf.pem.slice(0, place)}A${leaf.pem.slice(place + 1)}`),
    );
    fc.assert(fc.property(answer, answer, judge), { numRuns: 300 });
  });
});
