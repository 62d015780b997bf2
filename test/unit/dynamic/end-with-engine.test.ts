import { strict as assert } from "node:assert";
import { PassThrough } from "node:stream";
import { endWithEngine, Host } from "../../../components/dynamic/end-with-engine";

describe("the process for dynamic providers", () => {
  const hosted = (program: string) => {
    const stdin = Object.assign(new PassThrough(), { unref: () => stdin }) as unknown as Host["stdin"] & PassThrough;
    const codes: unknown[] = [];
    const exit = ((code: unknown) => codes.push(code)) as unknown as Host["exit"];
    endWithEngine({ argv: ["node", program], exit, stdin });
    return { stdin, codes };
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it("ends when the engine closes its standard input", async () => {
    for (const program of [
      "/app/node_modules/@pulumi/pulumi/cmd/dynamic-provider/index.js",
      "/app/node_modules/@pulumi/pulumi/cmd/dynamic-provider",
      "C:\\app\\node_modules\\@pulumi\\pulumi\\cmd\\dynamic-provider\\index.js",
    ]) {
      const { stdin, codes } = hosted(program);
      await settled();
      assert.deepEqual(codes, [], program);
      stdin.end();
      await settled();
      assert.deepEqual(codes, [1], program);
    }
  });

  it("is the only process that ends: a program that loads the operations continues", async () => {
    const { stdin, codes } = hosted("/app/node_modules/.bin/mocha");
    stdin.end();
    await settled();
    assert.deepEqual(codes, []);
  });
});
