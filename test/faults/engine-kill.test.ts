/**
 * The engine ends at each step of registrations in Teleport: create, update, delete. Many of every kind are
 * registered at once, each at another step when the engine ends.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ownership } from "../../components/teleport/resources/document";
import { parseDocuments, TeleportDocument } from "../../components/teleport/client/tctl";
import { Stack } from "../../lab/drive/stack";
import { CACHE_LAG, PROXY } from "../lab/lab";
import { Ending, EngineRun, runAgain } from "./engine-run";
import { asAdmin, makeRegistrar, removeRegistrar } from "./own-registrar";
import { Step, StoppingTctl } from "./stopping-tctl";

const PROJECT = join(__dirname, "registrations-program");
const USER = "eng-registrar";
const PREFIX = "eng-kill-";
const UP = ["up", "--yes", "--skip-preview", "--parallel=100"];
const DESTROY = ["destroy", "--yes", "--skip-preview", "--parallel=100"];

/**
 * The steps at which each kind is stopped. Between the end of a call and the beginning of the next, nothing happens
 * outside of the process. So "after n" also covers "before n + 1" if the latter is missing.
 */
const STEPS: Record<string, Record<"create" | "update" | "delete", Step[]>> = {
  db: {
    // create, get; before them, a get checks whether the name is free: see below
    create: ["before 2", "after 2", "before 3", "after 3"],
    // create (there is one), get, create --force, get
    update: ["before 1", "after 1", "before 3", "after 3"],
    // get, rm, get and so on
    delete: ["before 1", "before 2", "after 2", "after 3"],
  },
  role: {
    // get, create, get
    create: ["before 2", "after 2", "after 3", "after 4"],
    // get, get, create --force, get
    update: ["before 1", "after 2", "after 3", "after 4"],
    delete: ["before 1", "after 1", "after 2", "after 3"],
  },
  token: {
    create: ["before 2", "after 2", "after 3", "after 4"],
    update: ["before 1", "after 2", "after 3", "after 4"],
    delete: ["before 1", "after 1", "after 2", "after 3"],
  },
  bot: {
    // of the three reads of a bot, its user and its role, the first check whether the name is free
    create: ["after 6", "after 7", "after 8", "after 10"],
    // bot, user, role; user, role; user, role, create --force role, create --force user; user, role
    update: ["after 3", "after 7", "after 8", "after 9"],
    // bot, user, role; rm user, rm role; user, role
    delete: ["after 3", "after 4", "after 5", "after 7"],
  },
};
const names = (kind: string, run: string) => STEPS[kind]!.create.map((_, index) => `${PREFIX}${run}-${kind}-${index}`);

describe("an engine that ends while it manages registrations", () => {
  const folder = mkdtempSync(join(tmpdir(), "engine-kill-"));
  const identity = join(folder, "identity");
  const tctl = new StoppingTctl(PREFIX);
  const stacks: Stack[] = [];
  /** The identity as content, as in CI systems, so that it must be written to a file for `tctl`. */
  const asRegistrar = () => ({ TELEPORT_IDENTITY_FILE: undefined, TELEPORT_IDENTITY: readFileSync(identity, "utf8") });

  before(() => makeRegistrar(USER, identity));

  after(async () => {
    for (const stack of stacks) {
      await stack.init(); // removes the lock of a killed engine
      await stack.pulumi(DESTROY);
      await stack.remove();
    }
    await removeRegistrar(USER);
    tctl.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  // The remains of a call are the same for each kind. So every step of every kind is tested once, with the hardest
  // ending.
  const endings: [string, Ending, string[]][] = [
    ["all", "SIGKILL of all", Object.keys(STEPS)],
    ["alone", "SIGKILL of the engine", ["db"]],
    ["once", "SIGINT", ["db"]],
    ["twice", "SIGINT twice", ["db"]],
  ];
  for (const [run, ending, kinds] of endings) {
    it(`converges with the next run, at each step of create, update and delete: ${ending}`, async () => {
      const all = Object.fromEntries(
        Object.keys(STEPS).map((kind) => [kind, kinds.includes(kind) ? names(kind, run) : []]),
      );
      const stack = new Stack(`engine-killed-${run}`, { project: PROJECT, env: asRegistrar() });
      stacks.push(stack);
      const configure = (label: string) => stack.configure({ proxy: PROXY, names: all, botRole: USER, label });
      const stepsOf = (operation: "create" | "update" | "delete") =>
        new Map(kinds.flatMap((kind) => all[kind]!.map((name, n) => [name, STEPS[kind]![operation][n]!] as const)));
      const ended = async (operation: "create" | "update" | "delete", args: string[]) => {
        const steps = stepsOf(operation);
        tctl.stopAt(steps);
        const engine = new EngineRun(stack, args, { PATH: tctl.path });
        try {
          await tctl.untilStopped(steps, engine.ended).catch(async (error: Error) => {
            assert.fail(`${error.message}\n${(await engine.end("SIGKILL of all")).output}`);
          });
          await engine.end(ending, () => tctl.goOn());
          assert.deepEqual(engine.secretsLeft(), [], "no file with a key is left");
        } finally {
          engine.remove();
        }
      };

      configure("first");
      await stack.init();
      await stack.must(DESTROY); // remains of a killed run of this test
      await ended("create", UP);
      const told = await runAgain(stack, UP, ending);
      await registered(stack, all, "first");
      await noLongerPending(stack, told, ending);

      configure("second");
      await ended("update", UP);
      await runAgain(stack, UP, ending);
      await registered(stack, all, "second");
      assert.deepEqual(pendingOf(await stack.state()), [], "an update is not kept in mind");

      await ended("delete", DESTROY);
      await runAgain(stack, DESTROY, ending);
      await sleep(CACHE_LAG);
      assert.deepEqual(await inTeleport(run), []);
      assert.equal(resourcesOf(await stack.state()).length, 0);
      assert.deepEqual(pendingOf(await stack.state()), []);
    });
  }

  it("may leave behind what was being created if destroy follows at once; with an `up` before it, nothing is left", async () => {
    const name = `${PREFIX}forgotten-db`;
    const stack = new Stack("engine-killed-forgotten", { project: PROJECT, env: asRegistrar() });
    stacks.push(stack);
    stack.configure({ proxy: PROXY, names: { db: [name], role: [], token: [], bot: [] }, botRole: USER });
    await stack.init();
    const steps = new Map<string, Step>([[name, "after 2"]]);
    tctl.stopAt(steps);
    const engine = new EngineRun(stack, UP, { PATH: tctl.path });
    try {
      await tctl.untilStopped(steps, engine.ended);
      await engine.end("SIGKILL of all");
    } finally {
      engine.remove();
    }
    assert.match(await runAgain(stack, DESTROY, "SIGKILL of all"), /interrupted while creating/);
    await sleep(CACHE_LAG);
    assert.deepEqual(await inTeleport("forgotten"), [name]);
    await stack.must(UP);
    await stack.must(DESTROY);
    await sleep(CACHE_LAG);
    assert.deepEqual(await inTeleport("forgotten"), []);
  });

  /** Each exists once, as declared, and matches the state; another run changes nothing. */
  async function registered(stack: Stack, all: Record<string, string[]>, label: string): Promise<void> {
    await sleep(CACHE_LAG);
    const state = resourcesOf(await stack.state());
    for (const [kind, wanted] of Object.entries(all)) {
      for (const name of wanted) {
        const remembered = state.filter(({ urn }) => urn.endsWith(`::${name}`));
        assert.equal(remembered.length, 1, `${name} is remembered once`);
        const [document] = parseDocuments(
          (await asAdmin("get", reference(kind, name), "--format=json")).stdout || "[]",
        );
        assert.ok(document, `${kind}/${name} is there`);
        assert.equal(document.metadata.labels?.label, label, name);
        assert.equal(ownership(document)?.registration, remembered[0]!.outputs?.registration, name);
      }
    }
    const planned = await stack.plannedChanges();
    assert.deepEqual(Object.keys(planned), ["same"], JSON.stringify(planned));
  }

  /**
   * Pulumi remembers which creates it had begun, and reports them at every run until the user confirms that they were
   * checked. docs/operations.md has the command.
   */
  async function noLongerPending(stack: Stack, told: string, ending: Ending): Promise<void> {
    const pending = pendingOf(await stack.state());
    if (ending !== "SIGINT") {
      assert.ok(pending.length > 0 && pending.every((operation) => operation.startsWith("creating")), `${pending}`);
      assert.match(told, /with \d+ pending operations/);
    }
    await stack.must(["refresh", "--yes", "--skip-preview", "--clear-pending-creates"]);
    assert.deepEqual(pendingOf(await stack.state()), []);
  }

  async function inTeleport(run: string): Promise<string[]> {
    const found: TeleportDocument[] = [];
    for (const kind of ["db", "role", "token", "user"]) {
      found.push(
        ...parseDocuments((await asAdmin("get", kind === "user" ? "users" : kind, "--format=json")).stdout || "[]"),
      );
    }
    return found.map(({ metadata }) => metadata.name).filter((name) => name.includes(`${PREFIX}${run}`));
  }
});

function reference(kind: string, name: string): string {
  return kind === "bot" ? `user/bot-${name}` : `${kind}/${name}`;
}

/** The pending operations of the state, e.g. `creating db-0`. */
function pendingOf(state: string): string[] {
  const { deployment } = JSON.parse(state) as {
    deployment: { pending_operations?: { type: string; resource: { urn: string } }[] };
  };
  return (deployment.pending_operations ?? []).map(
    ({ type, resource }) => `${type} ${resource.urn.split("::").at(-1)}`,
  );
}

interface StateResource {
  urn: string;
  outputs?: { registration?: string };
}

function resourcesOf(state: string): StateResource[] {
  const { deployment } = JSON.parse(state) as { deployment: { resources?: StateResource[] } };
  return (deployment.resources ?? []).filter(({ urn }) => urn.includes(PREFIX));
}
