/** Teleport away, silent, slow, overloaded, cut off or killed: what the user is told, and that nothing is lost or twice. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OWNER_LABEL } from "../../components/teleport/document";
import { TeleportDocument } from "../../components/teleport/tctl";
import { Stack } from "../../lab/drive/stack";
import { freePort } from "../../lab/host/free-port";
import { PROJECT } from "../../lab/layout";
import { OwnTeleport } from "./own-teleport";
import { TcpProxy } from "./tcp-proxy";

const REGISTRATION = join(PROJECT, "test", "lab", "registration-program");
const CA = join(__dirname, "teleport-ca-program");
/** Milliseconds that an answer is held back, so that the line can be cut after Teleport did what it was asked for. */
const HELD_BACK = 700;

type DatabaseEvent = "db.create" | "db.update" | "db.delete";

describe("Teleport", () => {
  let teleport: OwnTeleport;
  let line: TcpProxy;
  let identity: string;
  const stacks: Stack[] = [];

  const stackOf = async (name: string, project = REGISTRATION) => {
    const stack = new Stack(name, { project, env: { TELEPORT_IDENTITY_FILE: identity } });
    stacks.push(stack);
    configure(stack);
    await stack.init();
    return stack;
  };
  const configure = (stack: Stack, settings: Record<string, unknown> = {}) =>
    stack.configure({ proxy: line.address, name: stack.name, ...settings });
  /** Runs what has to fail, and gives what it printed. */
  const refused = async (stack: Stack, command: string): Promise<string> => {
    const { code, output } = await stack.pulumi([command, "--yes", "--skip-preview"]);
    assert.notEqual(code, 0, `${command} ended with 0:\n${output}`);
    return output;
  };
  /** What is registered under a name, as the administrator sees it. */
  const registered = async (name: string): Promise<TeleportDocument | undefined> =>
    (await teleport.databases()).find(({ metadata }) => metadata.name === name);
  const ownerOf = async (name: string) => (await registered(name))?.metadata.labels?.[OWNER_LABEL];
  const restored = () => {
    line.line = "pass";
    line.delay = 0;
  };
  /** How often Teleport has done this to a database, as its audit log tells, which it writes before it answers. */
  const times = (event: DatabaseEvent, name: string): number => {
    const entry = new RegExp(`\\[AUDIT\\].* event:${event} .* name:${name} `);
    return readFileSync(teleport.log, "utf8")
      .split("\n")
      .filter((words) => entry.test(words)).length;
  };
  /** Runs a command and cuts the line as soon as Teleport has done this, before its answer arrives. */
  const cutOff = async (stack: Stack, command: string, event: DatabaseEvent): Promise<string> => {
    const before = times(event, stack.name);
    line.delay = HELD_BACK;
    let ended = false;
    const running = refused(stack, command).finally(() => (ended = true));
    running.catch(() => {}); // looked at below
    try {
      while (!ended && times(event, stack.name) === before) await sleep(50);
      line.line = "refuse";
      return await running;
    } finally {
      restored();
    }
  };

  before(async () => {
    const port = await freePort();
    line = await TcpProxy.open(`127.0.0.1:${port}`);
    teleport = await OwnTeleport.start({ name: "tf-down", port, publicAddress: line.address });
    identity = await teleport.sign("registrar", "4h");
  });
  afterEach(restored);
  after(async () => {
    for (const stack of stacks) await stack.remove(); // what they registered ends with their Teleport
    await teleport.remove();
    await line.close();
  });

  it("is not asked by an `up` that changes nothing; everything else says that it is away, and works when it is back", async () => {
    const [stack, fresh] = [await stackOf("tf-away"), await stackOf("tf-away-new")];
    await stack.up();
    const before = await registered("tf-away");

    line.line = "refuse";
    line.connections = 0;
    assert.match(await stack.up(), /1 unchanged|2 unchanged/);
    assert.equal(line.connections, 0);

    const told = new RegExp(
      `tctl (create|get) at ${line.address} failed: it cannot connect \\(.+\\)\\. ` +
        `Check that Teleport answers at ${line.address}, then run the command again: nothing was forgotten`,
      "s",
    );
    const preview = await fresh.must(["preview"]);
    assert.match(preview, /Whether the name is free in Teleport could not be told: /);
    assert.match(await refused(fresh, "up"), told);
    assert.doesNotMatch(await fresh.state(), /initErrors/, "nothing was sent, so nothing is remembered");
    assert.match(await refused(stack, "refresh"), told);
    const kept = await refused(stack, "destroy");
    assert.match(kept, told);
    assert.match(kept, /If this Teleport will not come back, have Pulumi forget db\/tf-away: .*pulumi state delete/);
    configure(stack, { description: "changed" });
    assert.match(await refused(stack, "up"), told);

    restored();
    assert.deepEqual(await registered("tf-away"), before, "nothing changed");
    assert.equal(await registered("tf-away-new"), undefined);
    assert.match(await stack.up(), /1 updated/);
    await fresh.up();
    for (const each of [stack, fresh]) await each.destroy();
    assert.deepEqual(await teleport.databases(), []);
  });

  it("that takes connections and says nothing ends a command with an error; one that is slow does not", async () => {
    const stack = await stackOf("tf-silent");
    line.delay = 300;
    await stack.up();
    restored();
    for (const silence of ["silent", "unanswered"] as const) {
      line.line = silence;
      assert.match(
        await refused(stack, "destroy"),
        new RegExp(
          `tctl get at ${line.address} failed: (it cannot connect|no answer within 30 s).*nothing was forgotten`,
        ),
      );
      restored();
    }
    assert.ok(await registered("tf-silent"));
    await stack.destroy();
    assert.equal(await registered("tf-silent"), undefined);
  });

  it("that is gone for ever is forgotten by `pulumi state delete`, as the error says", async () => {
    const stack = await stackOf("tf-for-ever");
    await stack.up();
    line.line = "refuse";
    const command = /`pulumi state delete '<urn>'`/.exec(await refused(stack, "destroy"));
    assert.ok(command);
    const urn = /urn:pulumi:tf-for-ever::registration::[^"]*teleport:Database::database/.exec(await stack.state())?.[0];
    await stack.must(["state", "delete", urn ?? "", "--yes"]);
    await stack.destroy();
    assert.doesNotMatch(await stack.state(), /teleport:Database/);
  });

  it("cut off between its commit and its reply: a create is remembered; the next `up` converges, or a destroy removes it", async () => {
    const stack = await stackOf("tf-cut");
    const told = /tctl (create|get|rm) at .* failed: .*nothing was forgotten/;
    assert.match(await cutOff(stack, "up", "db.create"), told);
    assert.ok(await registered("tf-cut"), "Teleport has it");
    assert.match(await stack.state(), /initErrors/, "and Pulumi remembers it");
    await stack.destroy();
    assert.equal(await registered("tf-cut"), undefined, "a destroy removes what nobody had seen to be there");

    assert.match(await cutOff(stack, "up", "db.create"), told);
    const owner = await ownerOf("tf-cut");
    await stack.up();
    assert.equal(await ownerOf("tf-cut"), owner, "the same registration");
    assert.equal((await teleport.databases()).length, 1);

    configure(stack, { description: "changed" });
    assert.match(await cutOff(stack, "up", "db.update"), told);
    assert.equal((await registered("tf-cut"))?.metadata.description, "changed");
    await stack.up();
    assert.equal(await ownerOf("tf-cut"), owner);

    assert.match(await cutOff(stack, "destroy", "db.delete"), told);
    await stack.destroy();
    assert.deepEqual(await teleport.databases(), []);
  });

  it("killed in the middle of an `up` and started again: that `up` or the next one ends with one registration", async () => {
    const stack = await stackOf("tf-killed");
    line.delay = HELD_BACK;
    const running = stack.pulumi(["up", "--yes", "--skip-preview"]);
    while (times("db.create", "tf-killed") === 0) await sleep(50);
    await teleport.kill();
    line.delay = 0;
    await teleport.resume();
    const { code, output } = await running;
    if (code !== 0) {
      assert.match(output, /tctl (create|get) at .* failed: .*nothing was forgotten/s);
      await stack.up();
    }
    const [only, ...others] = await teleport.databases();
    assert.deepEqual(others, []);
    const owner = only?.metadata.labels?.[OWNER_LABEL] ?? "";
    assert.ok((await stack.state()).includes(owner.slice(owner.indexOf("#") + 1)), "the one that Pulumi knows");
    await stack.destroy();
    assert.deepEqual(await teleport.databases(), []);
  });

  it("away does not hold up an `up`: the CA known before is kept, with a word; a refresh needs it", async () => {
    const stack = await stackOf("tf-ca", CA);
    const short = await teleport.sign("registrar", "45s");
    const ends = Date.now() + 45_000;
    const certificates = async () => (await stack.outputs<{ certificates: string[] }>()).certificates;

    line.line = "refuse";
    assert.match(await refused(stack, "up"), new RegExp(`tctl get at ${line.address} failed: it cannot connect`));
    restored();
    await stack.up();
    const known = await certificates();
    assert.match(known[0] ?? "", /BEGIN CERTIFICATE/);

    line.line = "refuse";
    const told = new RegExp(`The Teleport CA at ${line.address} could not be read, the one known before is kept: .*`);
    assert.match(await stack.up(), told);
    assert.deepEqual(await certificates(), known);
    assert.match(await refused(stack, "refresh"), /cannot connect/);

    // Away for longer than the identity lasts: nobody can get another one from a Teleport that is away.
    await sleep(Math.max(0, ends - Date.now()) + 1_000);
    const expired = { env: { TELEPORT_IDENTITY_FILE: short } };
    assert.match(await stack.up(expired), /the one known before is kept: .*expired at/);
    restored();
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"], expired);
    assert.notEqual(code, 0, "a Teleport that is there can give a new identity");
    assert.match(output, /expired at .*Get a new one/);
  });
});
