import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { checkDuration, hours } from "../../../components/durations";
import { IssuerArgs, lifetimes, keyWithDefaults, checkIssuer } from "../../../components/certificates/issuer";
import { leafKey } from "../../../components/certificates/tls-issuer";

describe("durations", () => {
  it("are hours or days", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), (number) => assert.equal(hours(`${number}d`), 24 * number)),
    );
    assert.equal(hours("36h"), 36);
  });
  it("are refused in any other form, and accepted exactly if they can be parsed", () => {
    for (const wrong of ["", "0d", "90", "1.5h", "90 d", "90days", "-1h", "1m"])
      assert.equal(checkDuration("x", wrong).length, 1, wrong);
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (checkDuration("x", text).length === 0) assert.ok(hours(text) > 0);
        else assert.throws(() => hours(text), RangeError);
      }),
    );
  });
});

describe("settings of an issuer", () => {
  it("have a lifetime of 90 days and are renewed 30 days before its end by default", () => {
    assert.deepEqual(lifetimes({}), { validity: 2160, renewBefore: 720 });
    assert.deepEqual(checkIssuer("issuer", { type: "tls" }), []);
  });
  it("must not renew in every run", () => {
    const problems = checkIssuer("issuer", { type: "tls", validity: "30d", renewBefore: "30d" });
    assert.deepEqual(
      problems.map(({ setting }) => setting),
      ["issuer.renewBefore"],
    );
  });
  it("must not let certificates outlive the CA", () => {
    const problems = checkIssuer("issuer", { type: "tls", validity: "90d", caValidity: "60d" });
    assert.deepEqual(
      problems.map(({ setting }) => setting),
      ["issuer.caValidity"],
    );
  });

  it("have ECDSA keys of 256 bits by default, and allow others", () => {
    assert.deepEqual(keyWithDefaults(), { algorithm: "ECDSA", size: 256 });
    assert.deepEqual(keyWithDefaults({ algorithm: "RSA" }), { algorithm: "RSA", size: 2048 });
    assert.deepEqual(leafKey(undefined), { algorithm: "ECDSA", ecdsaCurve: "P256" });
    assert.deepEqual(leafKey({ algorithm: "ECDSA", size: 521 }), { algorithm: "ECDSA", ecdsaCurve: "P521" });
    assert.deepEqual(leafKey({ algorithm: "RSA", size: 3072 }), { algorithm: "RSA", rsaBits: 3072 });
    for (const key of [{ algorithm: "RSA", size: 4096 }, { algorithm: "ECDSA" }] as const)
      assert.deepEqual(checkIssuer("issuer", { type: "tls", key }), []);
  });

  const role = { mount: "pki", role: "server" };
  for (const [what, issuer, expected] of [
    ["an empty list of CAs", { type: "tls", client: [] }, /^issuer\.client: must name at least one CA$/],
    ["a CA twice", { type: "tls", server: ["a", "b", "a"] }, /^issuer\.server\[2\]: names the CA a twice$/],
    ["an invalid name", { type: "tls", server: ["a", "B/c"] }, /^issuer\.server\[1\]: is not a valid name of a CA$/],
    [
      "an empty list of roles",
      { type: "vault", server: role, client: [] },
      /^issuer\.client: must name at least one CA$/,
    ],
    [
      "a mount twice",
      { type: "vault", server: [role, { ...role, role: "other" }], client: role },
      /^issuer\.server\[1\]: names the CA of pki twice$/,
    ],
    [
      "an issuer twice",
      { type: "vault", client: [{ ...role, issuer: "a" }, role, { ...role, issuer: "a" }], server: role },
      /^issuer\.client\[2\]: names the CA of pki, issuer a twice$/,
    ],
    [
      "an unknown key algorithm",
      { type: "tls", key: { algorithm: "DSA" as "RSA" } },
      /^issuer\.key\.algorithm: must be a key algorithm/,
    ],
    [
      "a key size of another algorithm",
      { type: "tls", key: { algorithm: "RSA", size: 256 } },
      /^issuer\.key\.size: must be a valid size/,
    ],
    [
      "trust anchors that are cut off",
      { type: "vault", server: role, client: role, trustAnchors: "-----BEGIN CERTIFICATE-----\nMII" },
      /^issuer\.trustAnchors: contains a CERTIFICATE that is cut off/,
    ],
    [
      "an issuer that is a path",
      { type: "vault", server: { ...role, issuer: "../../sys" }, client: role },
      /^issuer\.server\.issuer: is not a valid name of an issuer$/,
    ],
  ] as [string, IssuerArgs, RegExp][]) {
    it(`must not have ${what}`, () => {
      const problems = checkIssuer("issuer", issuer).map(({ setting, problem }) => `${setting}: ${problem}`);
      assert.equal(problems.length, 1, problems.join("\n"));
      assert.match(problems[0] ?? "", expected);
    });
  }
  it("may name several CAs, and issuers of one mount", () => {
    assert.deepEqual(checkIssuer("issuer", { type: "tls", server: ["second", "first"], client: ["2027"] }), []);
    const roles = [role, { ...role, issuer: "3b1f-0c.x" }, { mount: "pki/new", role: "server" }];
    assert.deepEqual(checkIssuer("issuer", { type: "vault", server: roles, client: role }), []);
  });
});
