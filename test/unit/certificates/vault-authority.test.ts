import { strict as assert } from "node:assert";
import { chainOf } from "../../../components/certificates/vault-authority";

describe("a CA from Vault's answer", () => {
  it("is its chain, or the CA itself if there is no chain", () => {
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a", ca_chain: ["a", "root"] })), ["a", "root"]);
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a", ca_chain: [] })), ["a"]);
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a" })), ["a"]);
    assert.deepEqual(chainOf(JSON.stringify({ ca_chain: ["\n"] })), []);
    assert.deepEqual(chainOf("{}"), []);
  });
});
