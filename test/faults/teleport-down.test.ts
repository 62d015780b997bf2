/** Teleport is down, silent or slow: the user gets the reason, and nothing is lost. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OwnTeleport } from "./own-teleport";
import { TcpProxy } from "./tcp-proxy";
import { refused, TeleportBehindLine } from "./teleport-behind-line";

const CA = join(__dirname, "teleport-ca-program");

describe("Teleport", () => {
  let behind: TeleportBehindLine;
  let teleport: OwnTeleport;
  let line: TcpProxy;

  before(async () => {
    behind = await TeleportBehindLine.start("tf-down");
    ({ teleport, line } = behind);
  });
  afterEach(() => behind.restore());
  after(() => behind.remove());

  it("is not needed by an `up` that changes nothing; everything else reports that it is down, and works when it is back", async () => {
    const [stack, fresh] = [await behind.stack("tf-away"), await behind.stack("tf-away-new")];
    await stack.up();
    const before = await behind.registered("tf-away");

    line.line = "refuse";
    line.connections = 0;
    assert.match(await stack.up(), /1 unchanged|2 unchanged/);
    assert.equal(line.connections, 0);

    const told = new RegExp(
      `tctl (create|get) at ${line.address} failed: it cannot connect \\(.+\\)\\. ` +
        `Check that Teleport answers at ${line.address}, then run the command again; no progress is lost`,
      "s",
    );
    const withNothing = async () => {
      assert.match(await fresh.must(["preview"]), /Could not check whether the name is free in Teleport: /);
      assert.match(await refused(fresh, "up"), told);
      assert.doesNotMatch(await fresh.state(), /initErrors/, "nothing was sent, so nothing is remembered");
    };
    const withOneRegistered = async () => {
      assert.match(await refused(stack, "refresh"), told);
      const kept = await refused(stack, "destroy");
      assert.match(kept, told);
      assert.match(
        kept,
        /If this Teleport cluster was shut down for good, remove db\/tf-away from the state: .*pulumi state delete/,
      );
      behind.configure(stack, { description: "changed" });
      assert.match(await refused(stack, "up"), told);
    };
    await Promise.all([withNothing(), withOneRegistered()]);

    behind.restore();
    assert.deepEqual(await behind.registered("tf-away"), before, "nothing changed");
    assert.equal(await behind.registered("tf-away-new"), undefined);
    const [updated] = await Promise.all([stack.up(), fresh.up()]);
    assert.match(updated, /1 updated/);
    await Promise.all([stack.destroy(), fresh.destroy()]);
    assert.deepEqual(await teleport.databases(), []);
  });

  it("that accepts connections and does not answer ends a command with an error; a slow one does not", async () => {
    const second = await TcpProxy.open(teleport.listens);
    const [silent, unanswered] = [await behind.stack("tf-silent"), await behind.stack("tf-unanswered")];
    behind.configure(unanswered, { proxy: second.address });
    try {
      line.delay = second.delay = 300;
      await Promise.all([silent.up(), unanswered.up()]);
      [line.delay, second.delay] = [0, 0];
      [line.line, second.line] = ["silent", "unanswered"];
      const told = ({ address }: TcpProxy) =>
        new RegExp(`tctl get at ${address} failed: (it cannot connect|no answer within 30 s).*no progress is lost`);
      const printed = await Promise.all([refused(silent, "destroy"), refused(unanswered, "destroy")]);
      [line, second].forEach((each, place) => assert.match(printed[place] ?? "", told(each)));
      [line.line, second.line] = ["pass", "pass"];
      for (const name of ["tf-silent", "tf-unanswered"]) assert.ok(await behind.registered(name));
      await Promise.all([silent.destroy(), unanswered.destroy()]);
      assert.deepEqual(await teleport.databases(), []);
    } finally {
      await second.close();
    }
  });

  it("that is gone forever is removed by `pulumi state delete`, as the error says", async () => {
    const stack = await behind.stack("tf-for-ever");
    await stack.up();
    line.line = "refuse";
    const command = /`pulumi state delete '<urn>'`/.exec(await refused(stack, "destroy"));
    assert.ok(command);
    const urn = /urn:pulumi:tf-for-ever::registration::[^"]*teleport:Database::database/.exec(await stack.state())?.[0];
    await stack.must(["state", "delete", urn ?? "", "--yes"]);
    await stack.destroy();
    assert.doesNotMatch(await stack.state(), /teleport:Database/);
    behind.restore();
    assert.ok(await behind.registered("tf-for-ever"), "Teleport was not asked");
    await teleport.tctl(["rm", "db/tf-for-ever"]);
  });

  it("down does not block an `up`: the CA from the last run is kept, with a message; a refresh needs Teleport", async () => {
    const stack = await behind.stack("tf-ca", CA);
    const short = await teleport.sign("registrar", "45s");
    const ends = Date.now() + 45_000;
    const certificates = async () => (await stack.outputs<{ certificates: string[] }>()).certificates;

    line.line = "refuse";
    assert.match(await refused(stack, "up"), new RegExp(`tctl get at ${line.address} failed: it cannot connect`));
    behind.restore();
    await stack.up();
    const known = await certificates();
    assert.match(known[0] ?? "", /BEGIN CERTIFICATE/);

    line.line = "refuse";
    const told = new RegExp(
      `The Teleport CA at ${line.address} could not be read, so the CA from the last run is kept: .*`,
    );
    assert.match(await stack.up(), told);
    assert.deepEqual(await certificates(), known);
    assert.match(await refused(stack, "refresh"), /cannot connect/);

    // Down for longer than the identity is valid: nobody can get a new identity from a Teleport that is down.
    await sleep(Math.max(0, ends - Date.now()) + 1_000);
    const expired = { env: { TELEPORT_IDENTITY_FILE: short } };
    assert.match(await stack.up(expired), /so the CA from the last run is kept: .*expired at/);
    behind.restore();
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"], expired);
    assert.notEqual(code, 0, "a Teleport that is there can give a new identity");
    assert.match(output, /expired at .*Get a new identity/);
  });
});
