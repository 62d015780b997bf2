/**
 * Teleport is disconnected or killed after it has processed a request and before it answers: nothing is lost or
 * duplicated.
 */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../lab/drive/stack";
import { OwnTeleport } from "./own-teleport";
import { TcpProxy } from "./tcp-proxy";
import { refused, TeleportBehindLine } from "./teleport-behind-line";

/**
 * Milliseconds that an answer is held back, so that the connection can be cut after Teleport has processed the
 * request.
 */
const HELD_BACK = 700;

type DatabaseEvent = "db.create" | "db.update" | "db.delete";

describe("Teleport", () => {
  let behind: TeleportBehindLine;
  let teleport: OwnTeleport;
  let line: TcpProxy;

  /** How often Teleport has done this to a database, according to its audit log, which it writes before it answers. */
  const times = (event: DatabaseEvent, name: string): number => {
    const entry = new RegExp(`\\[AUDIT\\].* event:${event} .* name:${name} `);
    return readFileSync(teleport.log, "utf8")
      .split("\n")
      .filter((words) => entry.test(words)).length;
  };
  /** Runs a command and cuts the connection as soon as Teleport has done this, before its answer arrives. */
  const cutOff = async (stack: Stack, command: string, event: DatabaseEvent): Promise<string> => {
    const before = times(event, stack.name);
    line.delay = HELD_BACK;
    let ended = false;
    const running = refused(stack, command).finally(() => (ended = true));
    running.catch(() => {}); // checked below
    try {
      while (!ended && times(event, stack.name) === before) await sleep(50);
      line.line = "refuse";
      return await running;
    } finally {
      behind.restore();
    }
  };

  before(async () => {
    behind = await TeleportBehindLine.start("tf-cut");
    ({ teleport, line } = behind);
  });
  afterEach(() => behind.restore());
  after(() => behind.remove());

  it("disconnected between its commit and its reply: a create is remembered; the next `up` converges, or a destroy removes it", async () => {
    const stack = await behind.stack("tf-cut");
    const told = /tctl (create|get|rm) at .* failed: .*no progress is lost/;
    assert.match(await cutOff(stack, "up", "db.create"), told);
    assert.ok(await behind.registered("tf-cut"), "Teleport has it");
    assert.match(await stack.state(), /initErrors/, "and Pulumi remembers it");
    await stack.destroy();
    assert.equal(await behind.registered("tf-cut"), undefined, "a destroy removes what nobody had seen to be there");

    assert.match(await cutOff(stack, "up", "db.create"), told);
    const owner = await behind.ownerOf("tf-cut");
    await stack.up();
    assert.equal(await behind.ownerOf("tf-cut"), owner, "the same registration");
    assert.equal((await teleport.databases()).length, 1);

    behind.configure(stack, { description: "changed" });
    assert.match(await cutOff(stack, "up", "db.update"), told);
    assert.equal((await behind.registered("tf-cut"))?.metadata.description, "changed");
    await stack.up();
    assert.equal(await behind.ownerOf("tf-cut"), owner);

    assert.match(await cutOff(stack, "destroy", "db.delete"), told);
    await stack.destroy();
    assert.deepEqual(await teleport.databases(), []);
  });

  it("killed during an `up` and started again: that `up` or the next one ends with one registration", async () => {
    const stack = await behind.stack("tf-killed");
    line.delay = HELD_BACK;
    const running = stack.pulumi(["up", "--yes", "--skip-preview"]);
    let ended = false;
    void running.then(() => (ended = true));
    while (!ended && times("db.create", "tf-killed") === 0) await sleep(50);
    await teleport.kill();
    line.delay = 0;
    await teleport.resume();
    const { code, output } = await running;
    if (code !== 0) {
      assert.match(output, /tctl (create|get) at .* failed: .*no progress is lost/s);
      await stack.up();
    }
    const [only, ...others] = await teleport.databases();
    assert.deepEqual(others, []);
    const owner = (await behind.ownerOf(only?.metadata.name ?? "")) ?? "";
    assert.ok((await stack.state()).includes(owner.slice(owner.indexOf("#") + 1)), "the one that Pulumi knows");
    await stack.destroy();
    assert.deepEqual(await teleport.databases(), []);
  });
});
