/** Teleport rotates its database CA and nobody runs the program: which logins fail, and how to recover. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { eventually, oneDatabase } from "../lab/lab";
import { bundleOf, databaseCa, rotate, rotateCommand, rotationWarningIn } from "./database-ca";
import { OwnTeleport } from "./own-teleport";
import { SteadyLogins } from "./steady-logins";

const NAME = "rot-alone";
/** Number of logins in a phase, after the change of the phase is visible. */
const ENOUGH = 5;
/** Time limit in milliseconds for steps that hang. */
const LIMIT = 180_000;

describe("an unattended rotation of Teleport's database CA", () => {
  let teleport: OwnTeleport;
  let stack: Stack;
  let logins: SteadyLogins;
  /** The current duration of an `up`, in milliseconds. */
  let upTakes: number;

  before(async () => {
    teleport = await OwnTeleport.start({ name: NAME, agent: true });
    stack = new Stack(NAME, { env: { TELEPORT_IDENTITY_FILE: await teleport.sign("registrar", "2h") } });
    stack.configure(oneDatabase(NAME, { teleport: { proxy: teleport.proxy } }));
    await stack.init();
    await stack.up();
    const reader = { identity: await teleport.sign("reader", "2h"), proxy: teleport.proxy };
    const login = { ...reader, user: "teleport_user_read", database: "app", teleportDatabase: `${NAME}-${NAME}` };
    logins = await SteadyLogins.begin([login], "standby");
  });

  after(async () => {
    await logins?.end();
    await stack?.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack?.remove();
    await attempt("kubectl", ["delete", "namespace", NAME, "--ignore-not-found", "--wait=false"]);
    await teleport?.remove();
  });

  const enter = (phase: string) => rotate(teleport, logins, rotateCommand(phase));
  const refusals = () => logins.since().flatMap(({ refusal }) => refusal ?? []);
  const areRefused = async () => {
    await eventually("a login is refused", async () => refusals().length > 0, LIMIT);
    await logins.enter("refused");
    await logins.more(ENOUGH);
    assert.equal(refusals().length, logins.since().length, "each is refused from the first on");
    for (const refusal of refusals()) assert.match(refusal, /connection requires a valid client certificate/);
  };
  const getIn = async () => {
    await logins.more(ENOUGH);
    assert.deepEqual(refusals(), []);
  };

  it("refuses logins in update_clients, and accepts them again after a rollback, without an `up`", async () => {
    await getIn();
    await enter("init");
    await getIn();
    await enter("update_clients");
    await areRefused();
    await enter("rollback");
    await eventually("a login gets in", async () => logins.cas().length > 0, LIMIT);
    await logins.enter("rolled back");
    await getIn();
    await enter("standby");
    await getIn();
  });

  it("refuses every login from update_clients on, until one `up`", async () => {
    await enter("init");
    await getIn();
    await enter("update_clients");
    await areRefused();
    for (const phase of ["update_servers", "standby"]) {
      await enter(phase);
      await logins.more(ENOUGH);
      assert.equal(refusals().length, logins.since().length);
    }
    const begun = Date.now();
    await stack.up();
    upTakes = Date.now() - begun;
    await logins.enter("mended");
    await getIn();
  });

  it("loses no login if Teleport continues automatically after an `up`, by the time that the warning names", async () => {
    const { active } = await databaseCa(teleport);
    const [former] = logins.cas();
    // A third of the grace period is the time between two phases: enough for an `up` that takes three times as long
    // as the last one.
    const grace = 3 * Math.ceil((3 * upTakes) / 1_000 + 20);
    await logins.enter("by itself");
    await teleport.tctl(["auth", "rotate", "--type=db", `--grace-period=${grace}s`]);
    const warning = rotationWarningIn(await stack.up()) ?? "no warning";
    const [, time = ""] = /Teleport continues automatically: update_clients at (\S+), /.exec(warning) ?? [];
    assert.ok(Date.parse(time) > Date.now(), `up ended before the time in: ${warning}`);
    assert.equal((await bundleOf(NAME)).length, 3, "the Cluster's own CA, and both of Teleport's");

    await sleep(Date.parse(time) - Date.now());
    await eventually("logins by the new CA", async () => logins.cas().some((ca) => ca !== former), LIMIT);
    await getIn();
    assert.equal((await databaseCa(teleport)).phase, "update_clients");
    // The remaining phases manually, to avoid the wait; Teleport allows it.
    await enter("update_servers");
    await enter("standby");
    await getIn();
    await stack.up();
    await logins.enter("over");
    await getIn();
    assert.ok(!(await bundleOf(NAME)).includes(active[0] ?? ""));
  });
});
