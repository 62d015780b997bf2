/** The program with only its dependencies installed, as in CI images with NODE_ENV=production. */
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { attempt, run } from "../../lab/host/command";
import { PROJECT } from "../../lab/layout";
import { oneDatabase } from "../lab/lab";

const NAME = "wd-preview";

describe("an installation without development dependencies", () => {
  const folder = mkdtempSync(join(tmpdir(), "without-development-"));
  let stack: Stack;
  before(async () => {
    const files = await run("git", ["ls-files", "-z"], { cwd: PROJECT });
    await run("xargs", ["-0", "cp", "--parents", `--target-directory=${folder}`], { cwd: PROJECT, input: files });
    const modules = [join(PROJECT, "node_modules"), folder];
    // Hard links are enough, but do not work across file systems.
    const linked = await attempt("cp", ["-al", ...modules]);
    if (linked.code !== 0) await run("cp", ["-a", ...modules]);
    // npm writes this one in place, so a link would tell this checkout that packages are missing.
    const list = join("node_modules", ".package-lock.json");
    await run("cp", ["--remove-destination", join(PROJECT, list), join(folder, list)]);
    await run("npm", ["prune", "--omit=dev", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: folder,
    });
    stack = new Stack(NAME, { project: folder });
    await stack.init();
  });
  after(async () => {
    await stack.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("previews a database", async () => {
    assert.ok(!existsSync(join(folder, "node_modules", "mocha")));
    stack.configure(oneDatabase(NAME));
    // Without the cache of compiled programs that the lab's other runs share.
    const { code, output } = await stack.pulumi(["preview"], { env: { NODE_OPTIONS: "" } });
    assert.equal(code, 0, output);
    assert.match(output, /OperatorCheck|kubernetes:postgresql/);
  });
});
