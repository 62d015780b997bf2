/** What modules load whose header says "Pure.": types are not loaded. */
import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { ModuleKind, preProcessFile, ScriptTarget, transpile } from "typescript";

const PROJECT = join(__dirname, "..", "..");
const PURE = /^\/\*\*((?!\*\/)[^])*\bPure\b/;

const loadedBy = new Map<string, string[]>();

/** The modules that a file loads: files by their path, packages by their name. */
function loaded(file: string): string[] {
  const known = loadedBy.get(file);
  if (known) return known;
  const script = transpile(readFileSync(file, "utf8"), { module: ModuleKind.ESNext, target: ScriptTarget.ESNext });
  const found = preProcessFile(script).importedFiles.map(({ fileName }) =>
    fileName.startsWith(".") ? sourceOf(join(dirname(file), fileName)) : fileName,
  );
  loadedBy.set(file, found);
  return found;
}

function sourceOf(path: string): string {
  return [`${path}.ts`, join(path, "index.ts"), path].find((file) => existsSync(file)) ?? path;
}

/** How a file comes to load Pulumi: each module loads the next one. Undefined if it does not. */
function wayToPulumi(file: string, seen = new Set<string>()): string[] | undefined {
  if (file.startsWith("@pulumi/")) return [file];
  if (seen.has(file) || !file.endsWith(".ts")) return undefined;
  seen.add(file);
  for (const next of loaded(file)) {
    const way = wayToPulumi(next, seen);
    if (way) return [relative(PROJECT, file), ...way];
  }
  return undefined;
}

const sources = ["components", "config"].flatMap((folder) =>
  readdirSync(join(PROJECT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(PROJECT, folder, file)),
);

describe("pure modules", () => {
  it("run without Pulumi", () => {
    const pure = sources.filter((file) => PURE.test(readFileSync(file, "utf8")));
    assert.ok(pure.length > 60, `only ${pure.length} found`);
    assert.deepEqual(
      pure.flatMap((file) => wayToPulumi(file)?.join(" → ") ?? []),
      [],
    );
  });

  it("are told from those that need it", () => {
    const component = join(PROJECT, "components", "postgres-cluster", "postgres-cluster.ts");
    assert.ok(wayToPulumi(component)?.at(-1)?.startsWith("@pulumi/"));
    assert.ok(wayToPulumi(join(PROJECT, "components", "index.ts")), "through other modules");
  });
});
