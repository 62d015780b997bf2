import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { checkDuration, hours } from "../../../components/certificates/duration";
import { checkIssuer, lifetimes } from "../../../components/certificates/issuer";

describe("durations", () => {
  it("are hours or days", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), (number) => assert.equal(hours(`${number}d`), 24 * number)),
    );
    assert.equal(hours("36h"), 36);
  });
  it("are refused in any other form, and are accepted exactly if they can be read", () => {
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
  it("have lifetimes of 90 and windows of 30 days by default", () => {
    assert.deepEqual(lifetimes({}), { validity: 2160, renewBefore: 720 });
    assert.deepEqual(checkIssuer("issuer", { type: "tls" }), []);
  });
  it("may not renew at every run", () => {
    const problems = checkIssuer("issuer", { type: "tls", validity: "30d", renewBefore: "30d" });
    assert.deepEqual(
      problems.map(({ setting }) => setting),
      ["issuer.renewBefore"],
    );
  });
  it("may not sign beyond the CA's life", () => {
    const problems = checkIssuer("issuer", { type: "tls", validity: "90d", caValidity: "60d" });
    assert.deepEqual(
      problems.map(({ setting }) => setting),
      ["issuer.caValidity"],
    );
  });
});
