/** Pages name tests that there are. */
import { strict as assert } from "node:assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PROJECT = join(__dirname, "..", "..", "..");

describe("tests that are named", () => {
  for (const page of ["docs/guarantees.md", "docs/security.md"]) {
    it(`in ${page} are there`, () => {
      const text = readFileSync(join(PROJECT, page), "utf8").replace(/\n\s*/g, " ");
      const named = [...text.matchAll(/`(test\/[^`]+\.ts)`:((?: (?:and )?"[^"]+",?)+)/g)];
      const titles = named.flatMap(([, file = "", list = ""]) =>
        [...list.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => ({ file, title: title.replace(/: …$/, "") })),
      );
      assert.ok(titles.length > 20, `only ${titles.length} tests are named`);
      const missing = titles.filter(({ file, title }) => {
        assert.ok(existsSync(join(PROJECT, file)), `there is no ${file}`);
        return !hasTest(readFileSync(join(PROJECT, file), "utf8").replaceAll("\\`", "`"), title);
      });
      assert.deepEqual(missing, []);
    });
  }
});

/** Titles of tests that are made in a loop are put together: each part of such a title is in the file. */
function hasTest(source: string, title: string): boolean {
  return source.includes(title) || title.split(/[:,;] /).every((part) => source.includes(part));
}
