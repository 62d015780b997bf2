/** docs/operations.md quotes errors as the code words them. */
import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ModuleKind, ScriptTarget, transpile } from "typescript";

const PROJECT = join(__dirname, "..", "..", "..");
/** A source without its comments. Sentences that continue in the next string, or contain a value, are one text. */
const messagesIn = (source: string) =>
  transpile(source, { removeComments: true, module: ModuleKind.ESNext, target: ScriptTarget.ESNext })
    .replace(/["`]\s*\+\s*["`]/g, "")
    .replaceAll("\\`", "`");
const read = (...path: string[]) => readFileSync(join(PROJECT, ...path), "utf8");

describe("docs/operations.md", () => {
  const sources = readdirSync(join(PROJECT, "components"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read("components", file));
  const code = [...sources, read("config/config.ts")].map(messagesIn).join("\n");
  const [, list = ""] = read("docs", "operations.md").split("## Troubleshooting");
  // What others say is marked with their name.
  const quoted = [...list.replace(/\n {2,}/g, " ").matchAll(/^- `([^`]+)`(?! \()/gm)].map(([, text]) => text ?? "");

  it("quotes no comment of the code", () => {
    const texts = ["Only in a comment", "At the end", "In a message"];
    const source = [
      "/** Only in a comment. */",
      'export const refuse = () => fail("In a message"); // At the end',
    ].join("\n");
    assert.deepEqual(
      texts.filter((text) => messagesIn(source).includes(text)),
      ["In a message"],
    );
  });

  it("quotes errors that there are", () => {
    assert.ok(quoted.length > 40, `only ${quoted.length} errors found`);
    for (const text of quoted) {
      for (const part of text
        .split("…")
        .map((piece) => piece.trim())
        .filter((piece) => piece.length > 3)) {
        assert.ok(code.includes(part), `"${part}" of "${text}" is in no message of the code`);
      }
    }
  });
});
