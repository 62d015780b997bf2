/** Where the code that Pulumi stores finds this package, and what it reports if it does not. */
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider, withStoredCode } from "../../../components/dynamic/provider";
import { attempt } from "../../../lab/host/command";
import { createRequire } from "node:module";

describe("the stored code", () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "stored-code-")));
  const write = (file: string, content: string) => {
    mkdirSync(join(root, file, ".."), { recursive: true });
    writeFileSync(join(root, file), content);
  };
  /** The output of its check, run in a folder as Pulumi's process does. */
  const checkedIn = async (folder: string) => {
    const check = `require("../stored.js").handler().check({}, {}).then(console.log, ({ message }) => console.log(message))`;
    const script = check.replace("../stored.js", join(root, "stored.js"));
    return (await attempt(process.execPath, ["-e", script], { cwd: join(root, folder) })).stdout.trim();
  };

  before(async () => {
    const provider = dynamicProvider("registration");
    write("stored.js", (await pulumi.runtime.serializeFunction(() => provider)).text);
    const manifest = { name: "cnpg-teleport", exports: { "./operations": "./operations.js" } };
    for (const package_ of ["direct/node_modules/cnpg-teleport", "databases/node_modules/cnpg-teleport"]) {
      write(`${package_}/package.json`, JSON.stringify(manifest));
      write(`${package_}/operations.js`, `exports.registration = { check: async () => ${JSON.stringify(package_)} };`);
    }
    for (const project of ["through", "through/source", "neither"]) mkdirSync(join(root, project), { recursive: true });
    write("through/package.json", JSON.stringify({ dependencies: { path: "1", "@acme/databases": "1" } }));
    mkdirSync(join(root, "through/node_modules/@acme"), { recursive: true });
    symlinkSync(join(root, "databases"), join(root, "through/node_modules/@acme/databases"));
    write("databases/package.json", JSON.stringify({ dependencies: { "cnpg-teleport": "1" } }));
  });
  after(() => rmSync(root, { recursive: true }));

  it("finds the package among the project's dependencies", async () => {
    assert.equal(await checkedIn("direct"), "direct/node_modules/cnpg-teleport");
  });

  it("finds it through a dependency of the project, also from a subfolder of the project", async () => {
    for (const folder of ["through", "through/source"])
      assert.equal(await checkedIn(folder), "databases/node_modules/cnpg-teleport", folder);
  });

  it("reports the folder and the fix if the package is not found", async () => {
    assert.equal(
      await checkedIn("neither"),
      `${join(root, "neither")} finds no cnpg-teleport. Add it to the dependencies of the project's package.json, and install it.`,
    );
  });

  it("is replaced only if the older code no longer finds the package", async () => {
    const kinds = {
      registration: { diff: (_id: string, _olds: object, _news: object) => Promise.resolve({ changes: false }) },
    };
    const changes = async (sees: boolean, olds: string, news: string) => {
      const { registration } = withStoredCode(kinds, () => sees);
      return (await registration.diff("id", { __provider: olds }, { __provider: news })).changes;
    };
    assert.equal(await changes(false, "old", "new"), true);
    assert.equal(await changes(true, "old", "new"), false);
    assert.equal(await changes(false, "new", "new"), false);
  });
});

const serialized = async (provider: pulumi.dynamic.ResourceProvider) =>
  (await pulumi.runtime.serializeFunction(() => provider)).text;

describe("the code that Pulumi stores with each resource", () => {
  for (const kind of ["registration", "certAuthority"] as const) {
    const provider = dynamicProvider(kind);
    it(`is small, the same every time, and independent of this process's environment: ${kind}`, async () => {
      const text = await serialized(provider);
      assert.ok(text.length < 3_200, `${text.length} characters`);
      assert.equal(await serialized(provider), text);
      assert.ok(!text.includes(process.cwd()) && !text.includes(process.env.PATH ?? "PATH"));
    });
  }

  it("finds its operations by this package's name, so that a deletion years later works", () => {
    const load = createRequire(`${process.cwd()}/index.js`);
    const operations = load("cnpg-teleport/operations") as Record<string, Record<string, unknown>>;
    for (const kind of [
      "registration",
      "certAuthority",
      "access",
      "clusterServing",
      "poolerServing",
      "operatorCheck",
    ]) {
      assert.deepEqual(Object.keys(operations[kind] ?? {}).sort(), [
        "check",
        "create",
        "delete",
        "diff",
        "read",
        "update",
      ]);
    }
  });
});
