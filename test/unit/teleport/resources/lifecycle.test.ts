import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { ownership, withOwner } from "../../../../components/teleport/resources/document";
import { UNKNOWN } from "../../../../components/value-check";
import { TeleportError } from "../../../../components/teleport/client/errors";
import { registrations, registrationMethods } from "../../../../components/teleport/resources/lifecycle";
import { RegistrationInputs, RegistrationState } from "../../../../components/teleport/resources/registration";
import { UnfinishedRegistration } from "../../../../components/teleport/resources/lifecycle-errors";
import { TeleportDocument } from "../../../../components/teleport/client/tctl";
import { FakeTeleport } from "../fake-teleport";
import { printedBy } from "../../printed-by";

const LAG = 60;
const TIMING = { poll: 5, visibleWithin: 1_000, goneFor: 3 * LAG, settle: 2 * LAG, differsFor: 3 * LAG };

function database(name: string, uri = "orders-rw.db.svc:5432"): TeleportDocument {
  return {
    kind: "db",
    version: "v3",
    metadata: { name, description: "", labels: { provisioned_by: "cloudnative-pg" } },
    spec: { protocol: "postgres", uri, tls: { mode: "verify-full", ca_cert: "", server_name: "" } },
  };
}

function inputs(document = database("orders"), more: Partial<RegistrationInputs> = {}): RegistrationInputs {
  return { proxy: "teleport:443", owner: "acme/shop/dev/orders", document, ...more };
}

function setUp(lag = LAG) {
  const teleport = new FakeTeleport(lag);
  return { teleport, ...registrations(teleport.reach, TIMING) };
}

describe("registration", () => {
  it("finishes a create only when reads show it", async () => {
    const { teleport, create } = setUp();
    await create(inputs());
    const [seen] = await teleport.client.get("db/orders");
    assert.equal(ownership(seen!)?.owner, "acme/shop/dev/orders");
  });

  it("refuses a name that belongs to someone else, and changes nothing", async () => {
    const { teleport, create } = setUp();
    teleport.put(database("orders", "theirs:5432"));
    await assert.rejects(create(inputs()), /db\/orders exists .* not registered by this project.*teleport\.adopt/s);
    assert.equal(teleport.get("orders")?.spec.uri, "theirs:5432");
  });

  it("names the stack that owns a taken name", async () => {
    const { create } = setUp();
    await create(inputs(undefined, { owner: "acme/shop/prod/orders" }));
    await assert.rejects(create(inputs()), /belongs to acme\/shop\/prod\/orders/);
  });

  it("does not finish a non-atomic create while another run may overwrite it", async () => {
    const { teleport, create } = setUp();
    const role = { ...database("orders"), kind: "role", version: "v6", spec: { allow: {} } };
    const made = create(inputs(role));
    while (!teleport.get("orders", "role")) await sleep(5);
    await sleep(LAG + 30); // seen by now, in reads that lag
    teleport.put(withOwner(role, { owner: "acme/shop/prod/orders", registration: "2" }));
    await assert.rejects(made, /role\/orders exists .*belongs to acme\/shop\/prod\/orders/);
  });

  it("takes over someone else's if adopt is set", async () => {
    const { teleport, create } = setUp();
    teleport.put(database("orders", "theirs:5432"));
    await create(inputs(undefined, { adopt: true }));
    assert.equal(teleport.get("orders")?.spec.uri, "orders-rw.db.svc:5432");
  });

  it("continues after an interrupted create", async () => {
    const { teleport, create } = setUp();
    teleport.put(withOwner(database("orders", "half:5432"), { owner: "acme/shop/dev/orders", registration: "lost" }));
    const state = await create(inputs());
    assert.equal(teleport.get("orders")?.spec.uri, "orders-rw.db.svc:5432");
    assert.notEqual(state.registration, "lost");
  });

  it("is remembered if the result of the write is unknown, so that a destroy removes it", async () => {
    const { teleport, remove } = setUp();
    const cutOff = (isWritten: boolean, mayBeDone: boolean): typeof teleport.client => ({
      ...teleport.client,
      create: async (document) => {
        if (isWritten) await teleport.client.create(document);
        throw new TeleportError("unavailable", "EOF", { mayBeDone });
      },
    });
    const create = (client: typeof teleport.client) =>
      registrations((_connection, use) => use(client), TIMING)
        .create(inputs())
        .then(
          () => undefined,
          (error: Error) => error,
        );
    assert.ok(!((await create(cutOff(false, false))) instanceof UnfinishedRegistration), "nothing was sent");
    const unfinished = await create(cutOff(true, true));
    assert.ok(unfinished instanceof UnfinishedRegistration);
    assert.equal(unfinished.id, "orders");
    await remove(unfinished.properties);
    assert.equal(teleport.get("orders"), undefined);
  });

  it("is not remembered if the name belongs to someone else", async () => {
    const { teleport } = setUp();
    teleport.put(database("orders", "theirs:5432"));
    const client = {
      ...teleport.client,
      create: async () => {
        throw new TeleportError("already-exists", "already exists", { mayBeDone: true });
      },
    };
    const creating = registrations((_connection, use) => use(client), TIMING).create(inputs());
    await assert.rejects(
      creating,
      (error) => !(error instanceof UnfinishedRegistration) && /foreign/.test(String((error as TeleportError).failure)),
    );
  });

  it("says at a delete without Teleport how to remove it from the state", async () => {
    const away = registrations(async () => Promise.reject(new TeleportError("unavailable", "Nobody answers.")), TIMING);
    const removing = away.remove({ ...inputs(), registration: "r1" });
    await assert.rejects(
      removing,
      /Nobody answers\. If this Teleport cluster was shut down for good, .* db\/orders .*pulumi state delete/,
    );
  });

  it("reads a manual change, and corrects it", async () => {
    const { teleport, create, read, diff, update } = setUp(0);
    const state = await create(inputs());
    const label = teleport.get("orders")?.metadata.labels;
    teleport.put({ ...database("orders", "elsewhere:5432"), metadata: { name: "orders", labels: label } });
    const seen = await read(state);
    assert.equal(seen?.document.spec.uri, "elsewhere:5432");
    assert.deepEqual(diff(seen!, inputs()), { changes: true, replaces: [] });
    await update(seen!, inputs());
    assert.equal(teleport.get("orders")?.spec.uri, "orders-rw.db.svc:5432");
  });

  it("reads as gone what was removed or belongs to someone else by now", async () => {
    const { teleport, create, read } = setUp(0);
    const state = await create(inputs());
    teleport.put(database("orders", "theirs:5432"));
    assert.equal(await read(state), undefined);
    teleport.drop("orders");
    assert.equal(await read(state), undefined);
  });

  it("registers again on update what was removed manually", async () => {
    const { teleport, create, update } = setUp();
    const state = await create(inputs());
    teleport.drop("orders");
    await update(state, inputs());
    assert.ok(teleport.get("orders"));
  });

  it("refuses to update what belongs to someone else by now", async () => {
    const { teleport, create, update } = setUp();
    const state = await create(inputs());
    teleport.put(database("orders", "theirs:5432"));
    await assert.rejects(update(state, inputs()), /was not changed/);
    assert.equal(teleport.get("orders")?.spec.uri, "theirs:5432");
  });

  it("keeps its registration when the stack is renamed", async () => {
    const { teleport, create, update } = setUp();
    const state = await create(inputs());
    await update(state, inputs(undefined, { owner: "acme/shop/renamed/orders" }));
    assert.equal(ownership(teleport.get("orders")!)?.owner, "acme/shop/renamed/orders");
  });

  it("removes what the cache does not show yet", async () => {
    const { teleport, remove } = setUp();
    const ours = { owner: "acme/shop/dev/orders", registration: "r1" };
    teleport.put(withOwner(database("orders"), ours)); // written just now: a first read says "not there"
    assert.deepEqual(await teleport.client.get("db/orders"), []);
    await remove({ ...inputs(), registration: "r1" });
    assert.equal(teleport.get("orders"), undefined);
  });

  it("is removed only once while reads lag: tctl 14 and newer could remove another database", async () => {
    const { teleport, create } = setUp();
    const removed: string[] = [];
    const counting = {
      ...teleport.client,
      remove: (reference: string) => {
        removed.push(reference);
        return teleport.client.remove(reference);
      },
    };
    const state = await create(inputs());
    await registrations((_connection, use) => use(counting), TIMING).remove(state);
    assert.deepEqual(removed, ["db/orders"]);
  });

  it("does not remove what belongs to someone else", async () => {
    const { teleport, create, remove } = setUp(0);
    const state = await create(inputs());
    teleport.put(database("orders", "theirs:5432"));
    await remove(state);
    assert.ok(teleport.get("orders"));
  });

  it("does not remove the registration of its replacement", async () => {
    const { teleport, create, remove } = setUp(0);
    const replaced = await create(inputs());
    await create(inputs());
    await remove(replaced);
    assert.ok(teleport.get("orders"));
  });

  it("leaves nothing behind after many rounds", async () => {
    const { teleport, create, remove } = setUp(20);
    for (let round = 0; round < 20; round++) await remove(await create(inputs()));
    assert.equal(teleport.get("orders"), undefined);
  });

  it("fails if a write never becomes visible, and remembers what was written", async () => {
    const teleport = new FakeTeleport(10_000);
    const { create } = registrations(teleport.reach, { ...TIMING, visibleWithin: 50 });
    await assert.rejects(create(inputs()), (error) => {
      assert.ok(error instanceof UnfinishedRegistration);
      assert.match(error.message, /db\/orders is not visible as it was written after 0\.05 s/);
      assert.equal(error.id, "orders");
      assert.equal(error.properties.registration, ownership(teleport.get("orders")!)?.registration);
      return true;
    });
  });

  it("undoes a create of which Teleport does not store everything, and names the dropped fields", async () => {
    const teleport = new FakeTeleport(LAG, (document) => ({ ...document, spec: { ...document.spec, admin_user: {} } }));
    const { create } = registrations(teleport.reach, TIMING);
    const document = { ...database("orders"), spec: { ...database("orders").spec, admin_user: { name: "admin" } } };
    await assert.rejects(
      create(inputs(document)),
      /does not store spec\.admin_user \(written: .*admin.*, stored: nothing\)/,
    );
    assert.equal(teleport.get("orders"), undefined);
  });

  it("keeps the registration after an update of which Teleport does not store everything", async () => {
    const teleport = new FakeTeleport(0, (document) => ({ ...document, spec: { ...document.spec, admin_user: {} } }));
    const { create, update } = registrations(teleport.reach, TIMING);
    const state = await create(inputs());
    const document = { ...database("orders"), spec: { ...database("orders").spec, admin_user: { name: "admin" } } };
    await assert.rejects(update(state, inputs(document)), /does not store spec\.admin_user/);
    assert.equal(ownership(teleport.get("orders")!)?.registration, state.registration);
  });

  // Teleport 13 and 14
  it("takes one that exists and may not be seen for somebody else's", async () => {
    const teleport = new FakeTeleport(0);
    teleport.put(database("orders", "theirs:5432"));
    const blind = { ...teleport.client, get: async () => denied("access to db denied") };
    const { create, collision } = registrations((_connection, use) => use(blind), TIMING);
    await assert.rejects(create(inputs()), /db\/orders exists .* may not read it.*teleport\.adopt/s);
    assert.match((await collision(inputs())) ?? "", /db\/orders exists .* may not read it/);
  });

  it("refuses one that Teleport 14 and newer omit from every answer: at create, not in the preview", async () => {
    const teleport = new FakeTeleport(0);
    teleport.put(database("orders", "theirs:5432"));
    const filtered = { ...teleport.client, get: async () => [] };
    const { create, collision } = registrations((_connection, use) => use(filtered), TIMING);
    assert.equal(await collision(inputs()), undefined);
    await assert.rejects(create(inputs()), {
      failure: "foreign",
      message: /db\/orders exists .* may not read it.*teleport\.name.*teleport\.adopt.*administrator.*provisioned_by/s,
    });
    assert.equal(teleport.get("orders")?.spec.uri, "theirs:5432");
  });

  for (const [version, get] of [
    ["13", async () => denied("access to db denied")],
    ["14 and newer", async () => []],
  ] as const)
    it(`says which label is missing if the identity may not take over a database (Teleport ${version})`, async () => {
      const teleport = new FakeTeleport(0);
      teleport.put(database("orders", "theirs:5432"));
      const overwrite = async () => denied("access denied");
      const { create, collision } = registrations(
        (_connection, use) => use({ ...teleport.client, get, overwrite }),
        TIMING,
      );
      const told =
        /^db\/orders exists .* may not change it\. It was not changed\. .*administrator.*tctl get db\/orders .*provisioned_by = "cloudnative-pg".*tctl create --force$/;
      await assert.rejects(create(inputs(undefined, { adopt: true })), { failure: "access-denied", message: told });
      const inPreview = await collision(inputs(undefined, { adopt: true }));
      if (version === "13") assert.match(inPreview ?? "", told);
      else assert.equal(inPreview, undefined, "these versions do not show that it exists");
    });
});

const token: TeleportDocument = {
  kind: "token",
  version: "v2",
  metadata: { name: "agents" },
  spec: { roles: ["Db"], join_method: "kubernetes", kubernetes: { allow: [{ service_account: "teleport:agent" }] } },
};

describe("registration of a token, which tctl overwrites without asking", () => {
  it("refuses a name that belongs to someone else, even if reads do not show it yet", async () => {
    const { teleport, create } = setUp();
    teleport.put({ ...token, metadata: { name: "agents", description: "theirs" } });
    assert.deepEqual(await teleport.client.get("token/agents"), []);
    await assert.rejects(
      create(inputs(token)),
      /token\/agents exists .*Choose another name \(name\), or set adopt: true/,
    );
    assert.equal(teleport.get("agents", "token")?.metadata.description, "theirs");
  });

  it("has the same lifecycle as a database", async () => {
    const { teleport, create, read, diff, update, remove } = setUp();
    const state = await create(inputs(token));
    assert.deepEqual(diff((await read(state))!, inputs(token)), { changes: false, replaces: [] });
    teleport.drop("agents", "token");
    await update(state, inputs(token));
    assert.ok(teleport.get("agents", "token"));
    await remove(state);
    assert.equal(teleport.get("agents", "token"), undefined);
  });

  it("names the winner if two stacks create it at the same time", async () => {
    const { teleport, create } = setUp();
    const [first, second] = await Promise.allSettled([
      create(inputs(token)),
      create(inputs(token, { owner: "acme/shop/prod/orders" })),
    ]);
    const winner = ownership(teleport.get("agents", "token")!)?.owner;
    const loser = winner === "acme/shop/prod/orders" ? first : second;
    assert.equal(loser.status, "rejected");
    assert.match(String(loser.reason), new RegExp(`belongs to ${winner}`));
  });
});

describe("whether a name is taken", () => {
  it("is reported with the message of a create", async () => {
    const { teleport, collision, create } = setUp(0);
    teleport.put(database("orders", "theirs:5432"));
    const told = await collision(inputs());
    await assert.rejects(create(inputs()), (error: Error) => error.message === told);
  });

  it("does not matter if it is free or ours", async () => {
    const { collision, create } = setUp(0);
    assert.equal(await collision(inputs()), undefined);
    await create(inputs());
    assert.equal(await collision(inputs()), undefined);
  });

  it("does not matter if it is to be adopted: the preview says what changes", async () => {
    const { teleport, collision } = setUp(0);
    const theirs = database("orders", "theirs:5432");
    teleport.put({ ...theirs, metadata: { ...theirs.metadata, labels: { team: "shop" } } });
    const printed = await printedBy(async () => {
      assert.equal(await collision(inputs(undefined, { adopt: true })), undefined);
      assert.equal(await collision(inputs(database("free"), { adopt: true })), undefined);
    });
    assert.deepEqual(printed, [
      "db/orders exists in Teleport at teleport:443, and this stack takes it over. `pulumi up` changes: " +
        'metadata.labels.provisioned_by: "cloudnative-pg"; metadata.labels.team: "shop" → goes; ' +
        'spec.uri: "theirs:5432" → "orders-rw.db.svc:5432".',
    ]);
  });

  it("is decided after the cache has caught up with a recent removal", async () => {
    const { teleport, collision } = setUp();
    teleport.put(database("orders", "theirs:5432"));
    await sleep(2 * LAG);
    teleport.drop("orders");
    assert.equal((await teleport.client.get("db/orders")).length, 1);
    assert.equal(await collision(inputs()), undefined);
  });

  for (const [what, unknown] of Object.entries<Partial<RegistrationInputs>>({
    name: { document: { ...database("orders"), metadata: { name: UNKNOWN } } },
    document: { document: UNKNOWN as unknown as TeleportDocument },
    proxy: { proxy: UNKNOWN },
  })) {
    it(`is not checked while it is not known: ${what}`, async () => {
      const { collision } = registrations(() => assert.fail("asked"), TIMING);
      assert.equal(await collision(inputs(undefined, unknown)), undefined);
    });
  }
});

describe("check of a registration", () => {
  const check = (teleport: FakeTeleport, olds: object) =>
    registrationMethods(registrations(teleport.reach, TIMING)).check(olds as RegistrationState, inputs());

  it("fails for a new one whose name is taken, but not for an existing one", async () => {
    const teleport = new FakeTeleport(0);
    teleport.put(database("orders", "theirs:5432"));
    assert.match((await check(teleport, {})).failures?.[0]?.reason ?? "", /db\/orders exists/);
    assert.deepEqual((await check(teleport, { ...inputs(), registration: "r1" })).failures, []);
  });

  it("passes if Teleport cannot be reached", async () => {
    const methods = registrationMethods(registrations(async () => denied("no such file"), TIMING));
    const { inputs: passed, failures } = await methods.check({} as RegistrationState, inputs());
    assert.deepEqual([passed, failures], [inputs(), []]);
  });
});

function denied(told: string): never {
  throw new TeleportError("access-denied", `tctl get failed: ${told}`);
}

describe("diff of a registration", () => {
  const { diff } = setUp();
  const state = { ...inputs(), registration: "r1" };

  it("shows no change for what the server adds", () => {
    assert.deepEqual(diff(state, inputs()), { changes: false, replaces: [] });
  });
  it("replaces on another name", () => {
    assert.deepEqual(diff(state, inputs(database("sales"))).replaces, ["document"]);
  });
  it("replaces on another Teleport cluster", () => {
    assert.deepEqual(diff(state, inputs(undefined, { proxy: "other:443" })).replaces, ["proxy"]);
  });
  it("updates on a changed label", () => {
    const changed = database("orders");
    changed.metadata.labels = { ...changed.metadata.labels, team: "shop" };
    assert.deepEqual(diff(state, inputs(changed)), { changes: true, replaces: [] });
  });
  it("updates, and replaces nothing, while the spec is not known yet", () => {
    const unknown = { ...database("orders"), spec: UNKNOWN as unknown as Record<string, unknown> };
    assert.deepEqual(diff(state, inputs(unknown)), { changes: true, replaces: [] });
  });
  it("updates, and replaces nothing, while the proxy, the name or the whole document is not known yet", () => {
    const unnamed = database("orders");
    unnamed.metadata.name = UNKNOWN;
    for (const news of [inputs(undefined, { proxy: UNKNOWN }), inputs(unnamed), inputs(UNKNOWN as never)])
      assert.deepEqual(diff(state, news), { changes: true, replaces: [] });
  });
  it("ignores adopt, which only matters to a create", () => {
    assert.equal(diff(state, inputs(undefined, { adopt: true })).changes, false);
  });
});
