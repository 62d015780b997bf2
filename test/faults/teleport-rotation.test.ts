/** Teleport rotates its database CA, with one login per second at each instance of a Cluster. */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { eventually, oneDatabase } from "../lab/lab";
import { bundleOf, commandsToGoOn, databaseCa, rotate, rotateCommand, rotationWarningIn } from "./database-ca";
import { lives } from "./lives";
import { OpenSession } from "./open-session";
import { OwnTeleport } from "./own-teleport";
import { SecretWatch } from "./secret-watch";
import { SteadyLogins } from "./steady-logins";

const NAME = "rot-hand";
const BUNDLE = `${NAME}-client-ca-bundle`;
/** Number of logins at each database in a phase, after the change of the phase is visible. */
const ENOUGH = 5;
/** Time limit in milliseconds for steps that hang. */
const LIMIT = 180_000;

describe("a rotation of Teleport's database CA, with an `up` after init", () => {
  let teleport: OwnTeleport;
  let stack: Stack;
  let logins: SteadyLogins;
  let secrets: SecretWatch;
  let begun: string[];
  let session: OpenSession;
  let backend: string;

  before(async () => {
    teleport = await OwnTeleport.start({ name: NAME, agent: true });
    stack = new Stack(NAME, { env: { TELEPORT_IDENTITY_FILE: await teleport.sign("registrar", "2h") } });
    stack.configure(oneDatabase(NAME, { instances: 2, teleport: { proxy: teleport.proxy } }));
    await stack.init();
    await stack.up();
    const reader = { identity: await teleport.sign("reader", "2h"), proxy: teleport.proxy };
    const login = { ...reader, user: "teleport_user_read", database: "app" };
    const [primary, standby] = [`${NAME}-${NAME}`, `${NAME}-${NAME}-ro`];
    begun = await lives(NAME);
    secrets = await SecretWatch.begin(NAME);
    logins = await SteadyLogins.begin(
      [primary, standby].map((teleportDatabase) => ({ ...login, teleportDatabase })),
      "standby",
    );
    session = await OpenSession.throughTeleport({ ...login, teleportDatabase: primary });
    backend = await session.backend();
  });

  after(async () => {
    await logins?.end();
    await session?.end();
    secrets?.end();
    await stack?.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack?.remove();
    await attempt("kubectl", ["delete", "namespace", NAME, "--ignore-not-found", "--wait=false"]);
    await teleport?.remove();
  });

  /** Waits until logins use another CA than the given one, and for enough of them. */
  const changesFrom = async (former: string): Promise<string> => {
    const others = () => logins.cas().filter((ca) => ca !== former);
    await eventually("logins by another CA", async () => others().length > 0, LIMIT);
    await logins.more(ENOUGH);
    const [other = "", ...more] = others();
    assert.deepEqual(more, []);
    return other;
  };
  const latest = () => logins.made.at(-1)?.ca ?? "";

  it("loses no login in all its phases, with the commands of the warning", async () => {
    await logins.more(ENOUGH);
    const former = latest();
    const before = await databaseCa(teleport);
    await rotate(teleport, logins, rotateCommand("init"));
    const warned = rotationWarningIn(await stack.must(["preview"]));
    assert.match(warned ?? "no warning", /cluster rot-hand is being rotated, phase init\./);
    const output = await stack.up();
    assert.equal(rotationWarningIn(output), warned, "up says the same");
    const { additional } = await databaseCa(teleport);
    const trusted = await bundleOf(NAME);
    assert.ok([...before.active, ...additional].every((ca) => trusted.includes(ca)) && additional.length === 1);

    const commands = commandsToGoOn(warned ?? "");
    const phases = commands.slice(0, -1);
    assert.deepEqual(phases, ["update_clients", "update_servers", "standby"].map(rotateCommand));
    assert.equal(commands.at(-1), "pulumi up");
    for (const command of phases) {
      await rotate(teleport, logins, command);
      await changesFrom(former);
    }
    assert.ok((await bundleOf(NAME)).includes(before.active[0] ?? ""), "the former CA is trusted until the last `up`");

    await logins.enter("over");
    assert.equal(rotationWarningIn(await stack.up()), undefined);
    await logins.more(ENOUGH);
    const over = await bundleOf(NAME);
    assert.ok(!over.includes(before.active[0] ?? "") && over.includes(additional[0] ?? ""));
    assert.deepEqual(logins.refused(), []);
  });

  it("loses no login when it is rolled back, and needs no `up` in between", async () => {
    await logins.enter("before");
    await logins.more(1);
    const former = latest();
    const { active } = await databaseCa(teleport);
    await rotate(teleport, logins, rotateCommand("init"));
    await stack.up();
    await rotate(teleport, logins, rotateCommand("update_clients"));
    const discarded = await changesFrom(former);
    const { active: newCa } = await databaseCa(teleport);
    await rotate(teleport, logins, rotateCommand("rollback"));
    assert.equal(await changesFrom(discarded), former);
    await rotate(teleport, logins, rotateCommand("standby"));
    await logins.more(ENOUGH);
    assert.ok((await bundleOf(NAME)).includes(newCa[0] ?? ""), "the discarded CA is trusted until the last `up`");

    await logins.enter("back");
    assert.equal(rotationWarningIn(await stack.up()), undefined);
    await logins.more(ENOUGH);
    assert.deepEqual(logins.cas(), [former]);
    const over = await bundleOf(NAME);
    assert.ok(over.includes(active[0] ?? "") && !over.includes(newCa[0] ?? ""));
    assert.deepEqual(logins.refused(), []);
  });

  it("ends no session, restarts no pod, and changes the Secret of the bundle in place", async () => {
    assert.equal(await session.backend(), backend);
    assert.deepEqual(await lives(NAME), begun);
    assert.deepEqual(secrets.problems, []);
    assert.ok(secrets.changes(BUNDLE) >= 4, "each of the four runs wrote it");
    const untouched = await teleport.tctl(["status"]);
    for (const ca of ["host", "user"]) assert.match(untouched, new RegExp(`${ca} CA +never updated`));
  });
});
