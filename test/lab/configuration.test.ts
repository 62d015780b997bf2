/** The messages for a wrong configuration. */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { oneDatabase } from "./lab";

describe("a wrong configuration", () => {
  const stack = new Stack("wrong");
  after(() => stack.remove());

  it("is refused with all mistakes at once, without a stack trace, before anything is created", async () => {
    const { databases } = oneDatabase("orders", { instances: 0, storage: { size: "much" }, instnces: 2 });
    stack.configure({ databases, vautl: {} });
    await stack.init();
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(result.code, 0);
    for (const mistake of [
      /4 settings are wrong:/,
      /^\s+- vautl: is not a setting\. Use one of kubernetes, vault, defaults, databases, applications\.$/m,
      /^\s+- databases\.orders\.instnces: is not a setting\. Did you mean instances\?/m,
      /^\s+- databases\.orders\.instances = 0: is not a valid number of instances\. .*at least 1/m,
      /^\s+- databases\.orders\.storage\.size = "much": must be a Kubernetes quantity\./m,
    ]) {
      assert.match(result.output, mistake);
    }
    assert.doesNotMatch(result.output, /\bat .*\.ts:\d+/);
    assert.doesNotMatch(await stack.state(), /kubernetes:|tls:/);
  });
});
