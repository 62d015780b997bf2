/** Two runs at once: of one stack, and of two stacks with the same names in Teleport. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ownership } from "../../components/teleport/resources/document";
import { parseDocuments } from "../../components/teleport/client/tctl";
import { Stack } from "../../lab/drive/stack";
import { CACHE_LAG, PROXY } from "../lab/lab";
import { asAdmin, makeRegistrar, removeRegistrar } from "./own-registrar";
import { Step, StoppingTctl } from "./stopping-tctl";

const PROJECT = join(__dirname, "registrations-program");
const USER = "eng-both-registrar";
const PREFIX = "eng-both-";
const UP = ["up", "--yes", "--skip-preview", "--parallel=100"];
/** The step just before the create, after the name was found free. */
const BEFORE_CREATE: Record<string, Step> = { db: "before 2", role: "before 3", token: "before 3" };

describe("two runs at once", () => {
  const folder = mkdtempSync(join(tmpdir(), "concurrency-"));
  const identity = join(folder, "identity");
  const stacks: Stack[] = [];
  const tctls: StoppingTctl[] = [];

  /** A stack with its own `tctl`, which stops before each create. */
  const stopping = async (name: string, names: Record<string, string[]>) => {
    const stack = new Stack(name, { project: PROJECT, env: { TELEPORT_IDENTITY_FILE: identity } });
    const tctl = new StoppingTctl(PREFIX);
    stacks.push(stack);
    tctls.push(tctl);
    stack.configure({ proxy: PROXY, names: { db: [], role: [], token: [], bot: [], ...names }, botRole: USER });
    await stack.init();
    const steps = new Map(
      Object.entries(names).flatMap(([kind, all]) => all.map((each) => [each, BEFORE_CREATE[kind]!] as const)),
    );
    tctl.stopAt(steps);
    const begin = async () => {
      const ended = stack.pulumi(UP, { env: { PATH: tctl.path } });
      await tctl.untilStopped(steps, ended);
      return { ended };
    };
    return { stack, tctl, begin };
  };
  const ownerOf = async (kind: string, name: string): Promise<string | undefined> => {
    const [document] = parseDocuments((await asAdmin("get", `${kind}/${name}`, "--format=json")).stdout || "[]");
    return document && ownership(document)?.owner.split("/")[2];
  };

  before(() => makeRegistrar(USER, identity));

  after(async () => {
    for (const tctl of tctls) tctl.goOn();
    for (const stack of stacks) {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
    }
    for (const tctl of tctls) tctl.remove();
    await removeRegistrar(USER);
    rmSync(folder, { recursive: true, force: true });
  });

  it("of one stack: the second is refused while the first runs, which ends as if it were alone", async () => {
    const name = `${PREFIX}alone`;
    const { stack, tctl, begin } = await stopping("engine-both-alone", { db: [name] });
    const { ended } = await begin();
    const second = await stack.pulumi(UP);
    assert.notEqual(second.code, 0);
    assert.match(second.output, /the stack is currently locked by 1 lock.*pulumi cancel/s);
    assert.equal(await ownerOf("db", name), undefined, "the second changed nothing");
    tctl.goOn();
    const first = await ended;
    assert.equal(first.code, 0, first.output);
    assert.equal(await ownerOf("db", name), stack.name);
    await stack.destroy();
  });

  it("of two stacks with the same names: one gets each name, the other names the owner and changes nothing", async () => {
    const kinds = ["db", "role", "token"];
    const names = Object.fromEntries(kinds.map((kind) => [kind, [`${PREFIX}shared-${kind}`]]));
    for (const kind of kinds) assert.equal(await ownerOf(kind, `${PREFIX}shared-${kind}`), undefined, kind);
    const [one, other] = [await stopping("engine-both-one", names), await stopping("engine-both-other", names)];
    const runs = await Promise.all([one.begin(), other.begin()]);
    one.tctl.goOn();
    other.tctl.goOn();
    const ends = await Promise.all(runs.map(({ ended }) => ended));
    await sleep(CACHE_LAG);

    const owners = new Map<string, string>();
    for (const kind of kinds) {
      const owner = await ownerOf(kind, `${PREFIX}shared-${kind}`);
      assert.ok(owner, `${kind} has an owner`);
      owners.set(kind, owner);
      const loser = owner === one.stack.name ? 1 : 0;
      assert.notEqual(ends[loser]!.code, 0, ends[loser]!.output);
      assert.match(
        ends[loser]!.output,
        new RegExp(
          `${kind}/${PREFIX}shared-${kind} exists in Teleport [^\\n]* belongs to [^\\n]*/${owner}/[^\\n]*adopt`,
        ),
        `the loser of ${kind} says whose it is`,
      );
    }
    for (const { stack } of [one, other]) {
      await stack.destroy();
      await sleep(CACHE_LAG);
      for (const [kind, owner] of owners) {
        if (owner === stack.name) owners.delete(kind);
        assert.equal(
          await ownerOf(kind, `${PREFIX}shared-${kind}`),
          owners.get(kind),
          `${kind} after destroy of ${stack.name}`,
        );
      }
    }
    assert.equal(owners.size, 0);
  });
});
