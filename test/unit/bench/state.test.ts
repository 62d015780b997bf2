import { strict as assert } from "node:assert";
import { registrationSizes, stateSize } from "../../../bench/state";

const code = "x".repeat(998); // 1,000 bytes with its quotation marks
const registration = {
  type: "pulumi-nodejs:dynamic/teleport:Database",
  inputs: { __provider: code },
  outputs: { __provider: code, document: {} },
};
const stateOf = (...resources: object[]) => JSON.stringify({ version: 3, deployment: { resources } });

describe("the size of a state", () => {
  it("is the number of its bytes, in kB", () => {
    const state = stateOf({ type: "ä" });
    assert.equal(stateSize(state), (state.length + 1) / 1_000);
  });

  it("of a registration is the mean of all, and its provider's text counts in inputs and outputs", () => {
    const other = { type: "other", inputs: { __provider: code } };
    const { resource, providerText } = registrationSizes(stateOf(registration, registration, other));
    assert.equal(resource, JSON.stringify(registration, null, 4).length / 1_000);
    assert.equal(providerText, 2);
  });

  it("is an error without resources or registrations", () => {
    assert.throws(() => stateSize(stateOf()), /no resources/);
    assert.throws(() => stateSize(""));
    assert.throws(() => registrationSizes(stateOf({ type: "other" })), /no resource of the type .*teleport:Database/);
  });
});
