/** How wrong settings are reported. */
import { strict as assert } from "node:assert";
import { inspect } from "node:util";
import { SettingsError } from "../../components/problems";

describe("a SettingsError", () => {
  const problem = { setting: "orders.instances", value: 0, problem: "is wrong", fix: "Write 3." };

  it("is printed once by Pulumi, which prints the members of an error too", () => {
    // `defaultErrorMessage` of @pulumi/pulumi/cmd/run/error.js.
    const printed = inspect(new SettingsError([problem]));
    assert.equal(printed.split("Write 3.").length - 1, 1, printed);
    assert.equal(printed.split("orders.instances").length - 1, 1, printed);
  });

  it("gives programs the problems", () => {
    assert.deepEqual(new SettingsError([problem]).problems, [problem]);
  });
});
