import { strict as assert } from "node:assert";
import { RoleSettings, roleWarnings, SigningRequest, chainOf } from "../../../components/certificates/vault-issuer";

describe("the warnings about a role of Vault", () => {
  const role = { mount: "pki_server", role: "postgres" };
  const request: SigningRequest = {
    setting: "issuer.server",
    use: "server",
    key: { algorithm: "ECDSA", size: 256 },
    ipAddresses: [],
    validity: 2160,
  };
  const warnings = (settings: RoleSettings, changes: Partial<SigningRequest> = {}) =>
    roleWarnings(role, settings, { ...request, ...changes });
  const rsa = { algorithm: "RSA", size: 2048 } as const;

  it("do not exist if the role fits, also with Vault's defaults", () => {
    assert.deepEqual(warnings({}), []);
    assert.deepEqual(warnings({ key_type: "any", key_bits: 0, max_ttl: 0, server_flag: true, client_flag: false }), []);
    assert.deepEqual(warnings({ key_type: "ec", key_bits: 256, max_ttl: 7_776_000 }), []);
    assert.deepEqual(warnings({ key_type: "rsa", key_bits: 2048 }, { key: rsa }), []);
    assert.deepEqual(warnings({ allow_ip_sans: false }), []);
    assert.deepEqual(warnings({ allow_ip_sans: true }, { ipAddresses: ["10.20.30.40"] }), []);
  });

  for (const [what, settings, changes, message] of [
    [
      "keys that are not RSA",
      { key_type: "rsa", key_bits: 2048 },
      {},
      /only keys of the type rsa.*ECDSA of 256 bits.*Set issuer\.key: \{ algorithm: RSA, size: 2048 \}, or key_type=any/,
    ],
    [
      "keys that are not of an elliptic curve",
      { key_type: "ec" },
      { key: rsa },
      /only keys of the type ec.*RSA of 2048 bits.*another issuer\.key, or key_type=any/,
    ],
    [
      "keys that are too short",
      { key_type: "ec", key_bits: 384 },
      {},
      /only keys of 384 bits and more.*Set issuer\.key\.size: 384/,
    ],
    [
      "addresses",
      { allow_ip_sans: false },
      { ipAddresses: ["10.20.30.40", "::1"] },
      /serverAltNames has 10\.20\.30\.40, ::1.*Set allow_ip_sans=true/,
    ],
    [
      "a long lifetime",
      { max_ttl: 86_400 },
      {},
      /signs for 24 h at most, but issuer\.validity is 2160 h\. Raise max_ttl/,
    ],
    ["servers", { server_flag: false }, {}, /not for servers\. Set server_flag=true/],
  ] as [string, RoleSettings, Partial<SigningRequest>, RegExp][]) {
    it(`are about ${what}, once and in the terms of the settings`, () => {
      const found = warnings(settings, changes);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", /^issuer\.server: the role postgres of pki_server in Vault /);
      assert.match(found[0] ?? "", message);
    });
  }

  it("check the flag of clients for clients", () => {
    assert.deepEqual(warnings({ server_flag: false, client_flag: true }, { use: "client" }), []);
    assert.match(warnings({ client_flag: false }, { use: "client" })[0] ?? "", /Set client_flag=true/);
  });
});

describe("a CA from Vault's answer", () => {
  it("is its chain, or the CA itself if there is no chain", () => {
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a", ca_chain: ["a", "root"] })), ["a", "root"]);
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a", ca_chain: [] })), ["a"]);
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a" })), ["a"]);
    assert.deepEqual(chainOf(JSON.stringify({ ca_chain: ["\n"] })), []);
    assert.deepEqual(chainOf("{}"), []);
  });
});
