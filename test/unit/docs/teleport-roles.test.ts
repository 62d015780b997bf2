/** The roles that the documentation shows are those of the code. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { workloadRegistrarRole, registrarRole } from "../../../components/teleport/program-roles";

describe("the program's roles in Teleport", () => {
  for (const [page, role] of [
    ["docs/permissions.md", registrarRole()],
    ["docs/machine-id.md", workloadRegistrarRole()],
  ] as const) {
    it(`${page} shows what the code makes`, () => {
      const text = readFileSync(join(__dirname, "..", "..", "..", page), "utf8");
      const [, shown = ""] = /tctl create(?: -f)? <<EOF\n([\s\S]*?)\nEOF/.exec(text) ?? [];
      const { description: _, ...metadata } = role.metadata as { description?: string; name: string };
      const byVerbs = (rules: { resources: string[]; verbs: string[] }[]) =>
        rules.flatMap(({ resources, verbs }) => resources.map((one) => `${one}: ${[...verbs].sort().join()}`)).sort();
      const rulesOf = (document: { spec: unknown }) =>
        (document.spec as { allow: { rules: { resources: string[]; verbs: string[] }[] } }).allow;
      const document = parse(shown) as typeof role;
      assert.deepEqual([document.kind, document.version, document.metadata], [role.kind, role.version, metadata]);
      const [inText, inCode] = [rulesOf(document), rulesOf(role)];
      assert.deepEqual(byVerbs(inText.rules), byVerbs(inCode.rules));
      assert.deepEqual({ ...inText, rules: [] }, { ...inCode, rules: [] });
    });
  }
});
