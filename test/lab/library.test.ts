/** The library as a user installs it into a project: the packed package, without this checkout. */
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { run } from "../../lab/host/command";
import { PROJECT } from "../../lab/layout";
import { PROXY, teleport } from "./lab";

describe("the library in your own program", () => {
  const project = mkdtempSync(join(tmpdir(), "own-program-"));
  after(() => rmSync(project, { recursive: true, force: true }));

  before(async () => {
    await run("npm", ["run", "--silent", "package", "--", "--silent", `--pack-destination=${project}`], {
      cwd: PROJECT,
      limit: 300_000,
    });
    const installed = join(project, "node_modules", "cnpg-teleport");
    mkdirSync(installed, { recursive: true });
    const [tarball = ""] = readdirSync(project).filter((file) => file.endsWith(".tgz"));
    await run("tar", ["--extract", "--file", join(project, tarball), "--strip-components=1", "--directory", installed]);
    // The package's dependencies, where npm would install them.
    for (const folder of readdirSync(join(PROJECT, "node_modules")).filter((name) => !name.startsWith(".")))
      symlinkSync(join(PROJECT, "node_modules", folder), join(project, "node_modules", folder));
    writeFileSync(join(project, "Pulumi.yaml"), "name: own\nruntime: nodejs\nmain: index.js\n");
    writeFileSync(join(project, "package.json"), JSON.stringify({ dependencies: { "@pulumi/pulumi": "*" } }));
    writeFileSync(
      join(project, "index.js"),
      `const { PROVISIONED_BY, TeleportDatabase } = require("cnpg-teleport");
       new TeleportDatabase("own", {
         teleport: { proxy: ${JSON.stringify(PROXY)} },
         name: "own-program",
         labels: PROVISIONED_BY,
         uri: "nowhere.invalid:5432",
       });`,
    );
  });

  it("registers a database, has nothing to do the second time, and deregisters it", async () => {
    const stack = new Stack("own", { project });
    stack.configure({});
    await stack.init();
    await stack.up();
    assert.ok(await teleport.database("own-program"));
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await stack.destroy();
    assert.equal(await teleport.database("own-program"), undefined);
    await stack.remove();
  });
});
