/** Links between pages lead somewhere: to a file, and to a heading in it. */
import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const PROJECT = join(__dirname, "..", "..", "..");
const read = (file: string) => readFileSync(join(PROJECT, file), "utf8");

const PAGES = [
  ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "lab/README.md"],
  ...["examples/README.md", "examples/app/README.md"],
  ...readdirSync(join(PROJECT, "docs"))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];

interface Link {
  /** As it is written. */
  target: string;
  /** Path from the project's folder. */
  file: string;
  /** Without `#`; empty where the link leads to the whole file. */
  anchor: string;
}

describe("links of", () => {
  for (const page of PAGES)
    it(`${page} lead to files and headings that exist`, () => {
      const broken = linksOf(page).filter(({ file, anchor }) => {
        if (!existsSync(join(PROJECT, file))) return true;
        return anchor !== "" && !anchorsOf(read(file)).includes(anchor);
      });
      assert.deepEqual(
        broken.map(({ target }) => target),
        [],
      );
    });

  for (const page of PAGES.filter(isPacked))
    it(`${page}, which is in the package, lead to files that are in the package too`, () => {
      assert.deepEqual(
        linksOf(page)
          .filter(({ file }) => !isPacked(file))
          .map(({ target }) => target),
        [],
      );
    });

  it("README.md lead to every page of docs/", () => {
    const linked = linksOf("README.md").map(({ file }) => file);
    assert.deepEqual(
      PAGES.filter((page) => page.startsWith("docs/") && !linked.includes(page)),
      [],
    );
  });
});

describe("docs/architecture.md", () => {
  it("says where to change what, with paths that exist", () => {
    const [, section = ""] = read("docs/architecture.md").split("\n## To change");
    const paths = [...section.matchAll(/`((?:components|config|docs|lab|test)\/[^`<]*|index\.ts)`/g)].map(
      ([, path = ""]) => path,
    );
    assert.ok(paths.length > 20, `only ${paths.length} paths`);
    assert.deepEqual(
      paths.filter((path) => !existsSync(join(PROJECT, path))),
      [],
    );
  });
});

describe("messages that name a page and its heading", () => {
  it("name those that exist", () => {
    const code = readdirSync(join(PROJECT, "components"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => read(join("components", file)))
      .join("\n")
      .replace(/["'`]\s*\+\s*["'`]/g, "");
    const named = [...code.matchAll(/docs\/([a-z-]+\.md), "([^"]+)"/g)];
    assert.ok(named.length > 3, `only ${named.length} headings are named`);
    const missing = named.filter(([, page = "", heading = ""]) => {
      const lines = read(`docs/${page}`).split("\n");
      return !lines.some((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
    });
    assert.deepEqual(
      missing.map(([text]) => text),
      [],
    );
  });
});

describe("anchors of headings", () => {
  it("are lower case, without punctuation, with a hyphen for each space, and numbered when they repeat", () => {
    const text = "# A `code_name`, b\n## To change … go to …\n```\n# no heading\n```\n### [Link](x.md)\n# Link\n";
    assert.deepEqual(anchorsOf(text), ["a-code_name-b", "to-change--go-to-", "link", "link-1"]);
  });
});

/** Whether a file is in the package, or a folder of which something is. */
function isPacked(file: string): boolean {
  const { files } = JSON.parse(read("package.json")) as { files: string[] };
  // npm puts the others into each package.
  const entries = [...files, "README.md", "LICENSE", "package.json"];
  const path = join(PROJECT, file);
  return (
    entries.some((entry) => file.startsWith(`${entry}/`) || patternOf(entry).test(file)) ||
    (existsSync(path) && statSync(path).isDirectory() && readdirSync(path).some((each) => isPacked(join(file, each))))
  );
}

/** A pattern in `files` of package.json, e.g. `docs/*.md`. */
function patternOf(entry: string): RegExp {
  return new RegExp(`^${entry.replaceAll(".", "\\.").replaceAll("*", "[^/]*")}$`);
}

/** The relative links of a page, outside of code. */
function linksOf(page: string): Link[] {
  const text = withoutCode(read(page)).replace(/`[^`\n]*`/g, "`code`");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = "", anchor = ""] = target.split("#");
    const file = path === "" ? page : relative(PROJECT, join(PROJECT, dirname(page), path));
    return [{ target, file: folderPage(file, anchor), anchor }];
  });
}

/** A link to a heading of a folder leads to its README. */
function folderPage(file: string, anchor: string): string {
  const path = join(PROJECT, file);
  return anchor !== "" && existsSync(path) && statSync(path).isDirectory() ? join(file, "README.md") : file;
}

/** Anchors that Git hosts make of headings. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutCode(text).matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading = ""]) => {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
}

function withoutCode(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```/gm, "");
}
