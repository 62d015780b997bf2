import { strict as assert } from "node:assert";
import { chainOf } from "../../../components/certificates/vault-authority";

describe("a CA that Vault tells of", () => {
  it("is its chain, or where there is none itself", () => {
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a", ca_chain: ["a", "root"] })), ["a", "root"]);
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a", ca_chain: [] })), ["a"]);
    assert.deepEqual(chainOf(JSON.stringify({ certificate: "a" })), ["a"]);
    assert.deepEqual(chainOf(JSON.stringify({ ca_chain: ["\n"] })), []);
    assert.deepEqual(chainOf("{}"), []);
  });
});
