/** docs/security.md names tests that there are. */
import { strict as assert } from "node:assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PROJECT = join(__dirname, "..", "..", "..");

describe("docs/security.md", () => {
  it("names tests that there are", () => {
    const text = readFileSync(join(PROJECT, "docs", "security.md"), "utf8").replace(/\n\s*/g, " ");
    const named = [...text.matchAll(/`(test\/[^`]+\.ts)`:((?: (?:and )?"[^"]+",?)+)/g)];
    const titles = named.flatMap(([, file = "", list = ""]) =>
      [...list.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => ({ file, title: title.replace(/: …$/, "") })),
    );
    assert.ok(titles.length > 20, `only ${titles.length} tests are named`);
    for (const { file, title } of titles) {
      assert.ok(existsSync(join(PROJECT, file)), `there is no ${file}`);
      const source = readFileSync(join(PROJECT, file), "utf8").replaceAll("\\`", "`");
      assert.ok(source.includes(title), `${file} has no test "${title}"`);
    }
  });
});
