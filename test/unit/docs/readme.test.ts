/** The README is a page that somebody reads as a whole. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const LIMIT = 8_000;
const readme = readFileSync(join(__dirname, "..", "..", "..", "README.md"), "utf8");

describe("README.md", () => {
  it(`has at most ${LIMIT} bytes`, () => {
    const size = Buffer.byteLength(readme);
    assert.ok(size <= LIMIT, `${size} bytes: move details to docs/`);
  });

  it("shows a configuration, a program and the commands on its first screen", () => {
    const [first = ""] = readme.split("\n## ");
    assert.deepEqual(
      [...first.matchAll(/^```(\w+)$/gm)].map(([, language]) => language),
      ["yaml", "ts", "console"],
    );
    assert.ok(first.split("\n").length <= 60, "the first screen has more than 60 lines");
  });
});
