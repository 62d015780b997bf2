/** Checks of single values. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkPort, isPort } from "../../components/value-check";

const ROOT = join(__dirname, "..", "..");

describe("a port", () => {
  it("is a whole number from 1, or a higher least, to 65535", () => {
    for (const port of [1, 5_432, 65_535]) assert.ok(isPort(port), String(port));
    for (const port of [0, -1, 65_536, 1.5, NaN, Infinity]) assert.ok(!isPort(port), String(port));
    assert.ok(isPort(1_024, 1_024) && !isPort(1_023, 1_024));
    assert.deepEqual(checkPort("a.port", undefined), []);
    assert.deepEqual(checkPort("a.port", 5_432), []);
    assert.deepEqual(checkPort("a.port", 0), [
      { setting: "a.port", value: 0, problem: "is not a valid port", fix: "Write a number from 1 to 65535." },
    ]);
  });

  it("has its bounds in one place", () => {
    const files = ["components", "config"].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
    );
    const withBounds = files.filter(
      (file) => file.endsWith(".ts") && /65_?53[56]/.test(readFileSync(join(ROOT, file), "utf8")),
    );
    assert.deepEqual(withBounds, ["components/value-check.ts"]);
  });
});
