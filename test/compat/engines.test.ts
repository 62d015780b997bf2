/** The newest engine. The oldest that is supported is the lab's own, which all other tests run on. */
import { strict as assert } from "node:assert";
import { delimiter } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { run } from "../../lab/host/command";
import { NEWEST } from "../../lab/versions";
import { namespaceIsThere, resourcesOf } from "../faults/recorded-world";
import { oneDatabase, teleport } from "../lab/lab";
import { CHECKOUT, ENGINE } from "./layout";

const NAME = "newest";

describe(`Pulumi ${NEWEST.pulumi} with its SDK ${NEWEST.pulumiSdk} on Node.js ${NEWEST.node}`, () => {
  const env = { PATH: [ENGINE, process.env.PATH].join(delimiter) };
  const stack = new Stack(NAME, { project: CHECKOUT, env });
  const onlySame = async () => assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);

  before(async () => {
    stack.configure(oneDatabase(NAME, { poolers: [{ type: "rw", instances: 1 }] }));
    await stack.init();
  });
  after(async () => {
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
  });

  it("is what runs", async () => {
    assert.equal((await run("pulumi", ["version"], { env })).trim(), `v${NEWEST.pulumi}`);
    assert.equal((await run("node", ["--version"], { env })).trim(), `v${NEWEST.node}`);
    const sdk = await run("node", ["-p", "require('@pulumi/pulumi/version').version"], { env, cwd: CHECKOUT });
    assert.equal(sdk.trim(), NEWEST.pulumiSdk);
  });

  it("previews and makes a database with a pooler", async () => {
    const { create = 0, ...other } = await stack.plannedChanges();
    assert.ok(create > 10);
    assert.deepEqual(other, {});
    await stack.up();
    assert.ok(await teleport.database(`${NAME}-${NAME}`));
  });

  it("finds nothing to do afterwards: in a preview, in `up` and after a refresh", async () => {
    await onlySame();
    await stack.must(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    await stack.must(["refresh", "--yes", "--skip-preview"]);
    await onlySame();
  });

  it("destroys it, and leaves nothing", async () => {
    await stack.destroy();
    assert.deepEqual(resourcesOf(await stack.state()), []);
    assert.equal(await namespaceIsThere(NAME), false);
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
  });
});
