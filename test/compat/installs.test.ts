/** The package as npm, pnpm and yarn install it: among a program's own dependencies, and through another package. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { resourcesOf } from "../faults/recorded-world";
import { recordedReleases } from "../fixtures/recorded";
import { teleport } from "../lab/lab";
import { MANAGERS, programOf, PROGRAMS } from "./layout";

type Manager = keyof typeof MANAGERS;
type Program = keyof typeof PROGRAMS;

/** Where the stored code has to look for the package further than it does. npm puts it where every program sees it. */
const UNSEEN: [Manager, Program][] = [
  ["pnpm", "through-two"],
  ["yarn", "through-two"],
];

describe("the package", () => {
  const folder = mkdtempSync(join(tmpdir(), "installs-"));
  const stacks: Stack[] = [];
  const stackOf = async (manager: Manager, program: Program, env = MANAGERS[manager].environment) => {
    const project = programOf(manager, program);
    const stack = new Stack(`${manager}-${program}`, { project, env });
    stacks.push(stack);
    stack.configure({});
    await stack.init();
    return stack;
  };
  after(async () => {
    for (const stack of stacks) {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
      await teleport.remove(stack.name);
    }
    rmSync(folder, { recursive: true });
  });

  for (const manager of Object.keys(MANAGERS) as Manager[]) {
    for (const program of Object.keys(PROGRAMS) as Program[]) {
      if (UNSEEN.some(([installed, way]) => installed === manager && way === program)) {
        it(`is refused in the preview, with what to do: by ${manager}, ${program}`, async () => {
          const stack = await stackOf(manager, program);
          const { code, output } = await stack.pulumi(["preview"]);
          assert.notEqual(code, 0, output);
          assert.match(output, /programs\/through-two\/src finds no cnpg-teleport\. Add it to the dependencies of/);
        });
        continue;
      }

      it(`registers a database, keeps a state of 0.1.0, and deregisters it: by ${manager}, ${program}`, async () => {
        const stack = await stackOf(manager, program);
        await stack.up();
        assert.ok(await teleport.database(stack.name));
        assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);

        const file = join(folder, `${stack.name}.json`);
        writeFileSync(file, withRecordedCode(await stack.state()), { mode: 0o600 });
        await stack.must(["stack", "import", "--file", file]);
        await stack.up();
        assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
        await stack.destroy();
        assert.deepEqual(resourcesOf(await stack.state()), []);
        assert.equal(await teleport.database(stack.name), undefined);
      });
    }
  }

  it("is refused by Pulumi in the preview where Plug'n'Play is not loaded", async () => {
    const stack = await stackOf("yarn", "direct", { NODE_OPTIONS: "" });
    const { code, output } = await stack.pulumi(["preview"]);
    assert.notEqual(code, 0, output);
    assert.match(output, /the Pulumi SDK has not been installed/);
  });
});

/** The state, with the code that release 0.1.0 stored. */
function withRecordedCode(state: string): string {
  const recorded = recordedReleases().find(({ name }) => name === "release-0.1.0");
  const registration = resourcesOf(recorded?.state ?? "").find(
    ({ type }) => type === "pulumi-nodejs:dynamic/teleport:Database",
  );
  const code = registration?.outputs?.__provider;
  assert.equal(typeof code, "string");
  const old = JSON.stringify(
    JSON.parse(state, (key, value: unknown) => (key === "__provider" && typeof value === "string" ? code : value)),
  );
  assert.notEqual(old, state);
  return old;
}
