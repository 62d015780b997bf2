import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { preProcessFile } from "typescript";
import { auditReport, auditResult } from "../dependencies/audit";
import { isAllowed, licenceOf, STATED_LICENCES } from "../dependencies/licence";
import { dependencies, LockedPackage, licenceList, Lockfile, lockfileProblems } from "../dependencies/lockfile";

const PROJECT = join(__dirname, "..", "..");

/** What npm looks at in a package. */
interface Manifest {
  name: string;
  license?: string | { type: string };
  scripts?: Record<string, string>;
}

const read = <Content>(...path: string[]) => JSON.parse(readFileSync(join(PROJECT, ...path), "utf8")) as Content;

describe("the dependencies", () => {
  const lockfile = read<Lockfile>("package-lock.json");
  const all = dependencies(lockfile);
  const installed = all
    .filter(({ path }) => existsSync(join(PROJECT, path)))
    .map((dependency) => ({ ...dependency, manifest: read<Manifest>(dependency.path, "package.json") }));

  it("have licences that are allowed, a hash each, and no install script but those that are named", () => {
    assert.ok(all.length > 100, `only ${all.length} found`);
    assert.deepEqual(lockfileProblems(lockfile), []);
  });

  it("match package-lock.json if they are installed", () => {
    assert.ok(installed.length > 100, `only ${installed.length} are installed: run npm ci`);
    for (const { path, license, hasInstallScript = false, manifest } of installed) {
      const { scripts = {}, license: stated } = manifest;
      const runs = ["preinstall", "install", "postinstall"].some((script) => script in scripts);
      // npm builds a package that has this file, even without a script (npm's documentation of scripts, "npm install").
      const isBuilt = existsSync(join(PROJECT, path, "binding.gyp"));
      assert.equal(runs || isBuilt, hasInstallScript, `${path}: install script`);
      assert.equal(typeof stated === "object" ? stated.type : stated, license, `${path}: licence`);
    }
  });

  it("run nothing when they are installed, here and in the examples", () => {
    for (const folder of [".", "examples/app", "examples/bootstrap"]) {
      // npm passes its own settings to child processes as variables, which override the file.
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
      const options = { cwd: join(PROJECT, folder), env, encoding: "utf8" } as const;
      assert.equal(execFileSync("npm", ["config", "get", "ignore-scripts"], options).trim(), "true", folder);
    }
  });

  it("state their licence in a file if package.json has no SPDX licence", () => {
    for (const [name, { stated, file, begins }] of Object.entries(STATED_LICENCES)) {
      const found = installed.filter((dependency) => dependency.name === name);
      assert.ok(found.length > 0, `${name} is no longer a dependency: remove it from STATED_LICENCES`);
      for (const { path, license } of found) {
        assert.equal(license, stated, name);
        assert.ok(readFileSync(join(PROJECT, path, file), "utf8").startsWith(begins), `${name}: ${file}`);
      }
    }
  });
});

describe("the program and the library", () => {
  const ofProgram = readdirSync(PROJECT).filter((file) => file.endsWith(".ts"));
  const files = [
    ...ofProgram,
    ...["config", "components"].flatMap((folder) =>
      readdirSync(join(PROJECT, folder), { recursive: true, encoding: "utf8" })
        // A command of its own, which the program does not import.
        .filter((file) => /\.(ts|cjs)$/.test(file) && file !== "print-plan.ts")
        .map((file) => join(folder, file)),
    ),
  ];
  const manifest = read<{ dependencies: object; peerDependencies: object; devDependencies: object }>("package.json");
  const { packages } = read<Lockfile>("package-lock.json");
  /** By file, the packages that are imported, without this one and Node's own. */
  const imports = files.map((file) => {
    const text = readFileSync(join(PROJECT, file), "utf8");
    const names = preProcessFile(text, true, true).importedFiles.map(({ fileName }) => packageOf(fileName));
    return { file, names: names.filter((name) => name !== undefined && name !== "cnpg-teleport") as string[] };
  });

  it("find every package that they import without the development dependencies", () => {
    const found = new Set(imports.flatMap(({ names }) => names));
    assert.ok(found.size > 5 && found.has("ts-node"), [...found].join());
    for (const { file, names } of imports)
      for (const name of names) assert.ok(staysWithoutDevelopment(name), `${file} imports ${name}`);
  });

  it("depend on their compiler and on the types that they are checked with", () => {
    for (const name of ["ts-node", "typescript", "@types/node"]) assert.ok(staysWithoutDevelopment(name), name);
    assert.ok(!staysWithoutDevelopment("mocha"));
  });

  it("declare what the package imports; a program has one copy of each of Pulumi's packages, which is its own", () => {
    // ts-node is for a checkout: see components/load.cjs.
    const declared = { ...manifest.dependencies, ...manifest.peerDependencies, "ts-node": "" };
    const ofLibrary = imports.filter(({ file }) => file.startsWith("components"));
    for (const { file, names } of ofLibrary)
      for (const name of names) assert.ok(name in declared, `${file} imports ${name}`);
    const pulumi = (names: object) => Object.keys(names).filter((name) => name.startsWith("@pulumi/"));
    const imported = new Set(imports.flatMap(({ names }) => names).filter((name) => name.startsWith("@pulumi/")));
    assert.deepEqual(pulumi(manifest.peerDependencies), [...imported].sort());
    assert.deepEqual(pulumi(manifest.dependencies), []);
    // @pulumi/pulumi parses with it what it stores; its own TypeScript 3.8 does not know `??=` (components/dynamic/provider.ts).
    assert.ok("typescript" in manifest.peerDependencies);
    // npm would take them for development dependencies only, and leave them out with `--omit=dev`.
    assert.deepEqual(pulumi(manifest.devDependencies), []);
  });

  /** npm keeps it with `--omit=dev`: also a development dependency that is an optional peer of another package. */
  function staysWithoutDevelopment(name: string): boolean {
    const locked = packages[`node_modules/${name}`];
    return locked !== undefined && !locked.dev;
  }
});

/** Undefined for a file, and for a module of Node.js. */
function packageOf(from: string): string | undefined {
  if (from.startsWith(".") || from.startsWith("node:")) return undefined;
  return from
    .split("/")
    .slice(0, from.startsWith("@") ? 2 : 1)
    .join("/");
}

describe("a licence", () => {
  it("is allowed by its SPDX name only", () => {
    assert.ok(isAllowed("MIT"));
    for (const licence of [
      "GPL-3.0-only",
      "AGPL-3.0-or-later",
      "SSPL-1.0",
      "UNLICENSED",
      "mit",
      "",
      "MIT License",
      "MIT)",
    ])
      assert.ok(!isAllowed(licence), licence);
  });

  it("may be chosen from alternatives; a conjunction needs every part to be allowed", () => {
    assert.ok(isAllowed("(MIT OR GPL-2.0-only)"));
    assert.ok(isAllowed("(BSD-3-Clause AND Apache-2.0)"));
    assert.ok(isAllowed("GPL-2.0-only AND MIT OR ISC"), "AND binds closer");
    for (const expression of [
      "(MIT AND GPL-2.0-only)",
      "(MIT OR ISC) AND GPL-2.0-only",
      "GPL-2.0-only OR (MIT AND LGPL-3.0-only)",
      "Apache-2.0 WITH LLVM-exception",
      "(MIT",
      "MIT ISC",
      "MIT OR",
      "MIT OR OR ISC",
      "AND MIT",
      "MIT OR ()",
    ])
      assert.ok(!isAllowed(expression), expression);
  });

  it("without an SPDX name is known for its own package only", () => {
    assert.equal(licenceOf("@logdna/tail-file", "SEE LICENSE IN LICENSE"), "MIT");
    assert.equal(licenceOf("@logdna/tail-file", "SEE LICENSE IN EULA"), "SEE LICENSE IN EULA");
    assert.equal(licenceOf("other", "SEE LICENSE IN LICENSE"), "SEE LICENSE IN LICENSE");
    assert.equal(licenceOf("toString", undefined), undefined);
  });
});

describe("a lockfile", () => {
  const good: LockedPackage = { version: "1.0.0", license: "MIT", integrity: "sha512-AAAA" };
  const named = {
    "node_modules/@pulumi/kubernetes": { ...good, hasInstallScript: true },
    "node_modules/protobufjs": { ...good, hasInstallScript: true },
  };
  const problems = (packages: Record<string, LockedPackage>, lockfileVersion = 3) =>
    lockfileProblems({ lockfileVersion, packages: { "": {}, ...named, ...packages } });

  it("accepts packages at any depth, and packages bundled in another one", () => {
    const nested = {
      "node_modules/a/node_modules/@b/c": good,
      "node_modules/a/node_modules/d": { ...good, inBundle: true },
    };
    assert.deepEqual(problems(nested), []);
    const names = (packages: Record<string, LockedPackage>) =>
      dependencies({ lockfileVersion: 3, packages }).map(({ name }) => name);
    assert.deepEqual(names(nested), ["@b/c", "d"]);
    assert.deepEqual(names({ "node_modules/protobufjs": { ...good, name: "another" } }), ["another"]);
  });

  for (const [what, locked, message] of [
    ["a licence that is not allowed", { license: "GPL-3.0-only" }, /^odd 1\.0\.0 has the licence GPL-3\.0-only/],
    ["no licence", { license: undefined }, /^odd 1\.0\.0 states no licence/],
    ["an install script", { hasInstallScript: true }, /^odd runs a script when it is installed/],
    ["no hash", { integrity: undefined }, /^odd 1\.0\.0 has no SHA-512 hash/],
    ["a hash that can be forged", { integrity: "sha1-AAAA" }, /^odd 1\.0\.0 has no SHA-512 hash/],
    [
      "an origin other than a registry",
      { resolved: "git+ssh://git@example.com/odd.git" },
      /^odd 1\.0\.0 comes from git/,
    ],
    ["a folder of the machine", { link: true }, /^odd is a folder of this machine/],
  ] as const) {
    it(`is refused, naming the package, with ${what}`, () => {
      const found = problems({ "node_modules/x/node_modules/odd": { ...good, ...locked } });
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0]!, message);
    });
  }

  it("is refused if a listed script no longer exists, or if npm is too old to report scripts", () => {
    assert.match(problems({ "node_modules/protobufjs": good })[0]!, /^protobufjs runs no script/);
    assert.match(problems({}, 1)[0]!, /old npm/);
  });

  it("makes a list that says what each package is for", () => {
    const packages = { "": {}, "node_modules/a": good, "node_modules/b": { ...good, dev: true } };
    assert.equal(licenceList({ lockfileVersion: 3, packages }), "a\t1.0.0\tMIT\tprogram\nb\t1.0.0\tMIT\tdevelopment");
  });
});

describe("an audit", () => {
  it("passes only if the registry answers and knows no vulnerability", () => {
    const answer = (vulnerabilities: object) =>
      auditReport(auditResult(JSON.stringify({ metadata: { vulnerabilities } })));
    assert.deepEqual(answer({ low: 0, high: 0, total: 0 }), { passed: true, text: "Audit: no known vulnerability." });
    assert.deepEqual(answer({ low: 2, high: 1, total: 3 }).passed, false);
    assert.match(answer({ low: 2, high: 1, total: 3 }).text, /2 low, 1 high\./);
  });

  it("fails if the registry does not answer, and says why", () => {
    const refused = { message: "405 Method Not Allowed", error: { summary: "", detail: "" } };
    for (const [output, reason] of [
      [JSON.stringify(refused), /NOT DONE.*405 Method Not Allowed/],
      [JSON.stringify({ error: { code: "ENOLOCK", summary: "needs a lockfile" } }), /NOT DONE.*needs a lockfile/],
      ["{}", /NOT DONE.*no reason/],
      ["null", /NOT DONE/],
      ["", /NOT DONE.*no JSON/],
    ] as const) {
      const { passed, text } = auditReport(auditResult(output));
      assert.equal(passed, false);
      assert.match(text, reason);
    }
  });
});
