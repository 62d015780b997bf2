import { strict as assert } from "node:assert";
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import { certAuthorityProvider, registrationProvider } from "../../../../components/teleport/provider";

const serialized = async (provider: pulumi.dynamic.ResourceProvider) =>
  (await pulumi.runtime.serializeFunction(() => provider)).text;

describe("the code that Pulumi stores with each resource", () => {
  for (const [name, provider] of Object.entries({ registrationProvider, certAuthorityProvider })) {
    it(`is small, the same every time, and independent of this process's environment: ${name}`, async () => {
      const text = await serialized(provider);
      assert.ok(text.length < 3_200, `${text.length} characters`);
      assert.equal(await serialized(provider), text);
      assert.ok(!text.includes(process.cwd()) && !text.includes(process.env.PATH ?? "PATH"));
    });
  }

  it("finds its operations by this package's name, so that a deletion years later works", () => {
    const load = createRequire(`${process.cwd()}/index.js`);
    const operations = load("cnpg-teleport/operations") as Record<string, Record<string, unknown>>;
    for (const kind of [
      "registration",
      "certAuthority",
      "access",
      "clusterServing",
      "poolerServing",
      "operatorCheck",
    ]) {
      assert.deepEqual(Object.keys(operations[kind] ?? {}).sort(), [
        "check",
        "create",
        "delete",
        "diff",
        "read",
        "update",
      ]);
    }
  });
});
