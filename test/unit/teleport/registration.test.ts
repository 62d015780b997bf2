import { strict as assert } from "node:assert";
import { ownership, withOwner } from "../../../components/teleport/document";
import { registrations, RegistrationInputs } from "../../../components/teleport/registration";
import { TeleportDocument } from "../../../components/teleport/tctl";
import { FakeTeleport } from "./fake-teleport";

const LAG = 60;
const TIMING = { poll: 5, visibleWithin: 1_000, goneFor: 3 * LAG, settle: 2 * LAG };

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
  it("ends a create only when reads show it", async () => {
    const { teleport, create } = setUp();
    await create(inputs());
    const [seen] = await teleport.client.get("db/orders");
    assert.equal(ownership(seen!)?.owner, "acme/shop/dev/orders");
  });

  it("refuses a name that somebody else took, and leaves it alone", async () => {
    const { teleport, create } = setUp();
    teleport.put(database("orders", "theirs:5432"));
    await assert.rejects(create(inputs()), /db\/orders exists .* not registered by this project.*teleport\.adopt/s);
    assert.equal(teleport.get("orders")?.spec.uri, "theirs:5432");
  });

  it("names the stack that a taken name belongs to", async () => {
    const { create } = setUp();
    await create(inputs(undefined, { owner: "acme/shop/prod/orders" }));
    await assert.rejects(create(inputs()), /belongs to acme\/shop\/prod\/orders/);
  });

  it("takes a foreign one over where it may adopt", async () => {
    const { teleport, create } = setUp();
    teleport.put(database("orders", "theirs:5432"));
    await create(inputs(undefined, { adopt: true }));
    assert.equal(teleport.get("orders")?.spec.uri, "orders-rw.db.svc:5432");
  });

  it("goes on with what a create that was cut off left behind", async () => {
    const { teleport, create } = setUp();
    teleport.put(withOwner(database("orders", "half:5432"), { owner: "acme/shop/dev/orders", registration: "lost" }));
    const state = await create(inputs());
    assert.equal(teleport.get("orders")?.spec.uri, "orders-rw.db.svc:5432");
    assert.notEqual(state.registration, "lost");
  });

  it("reads what a hand changed, and puts it right", async () => {
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

  it("reads as gone what was removed, or is somebody else's by now", async () => {
    const { teleport, create, read } = setUp(0);
    const state = await create(inputs());
    teleport.put(database("orders", "theirs:5432"));
    assert.equal(await read(state), undefined);
    teleport.drop("orders");
    assert.equal(await read(state), undefined);
  });

  it("registers again on update what was removed by hand", async () => {
    const { teleport, create, update } = setUp();
    const state = await create(inputs());
    teleport.drop("orders");
    await update(state, inputs());
    assert.ok(teleport.get("orders"));
  });

  it("refuses to update what became somebody else's", async () => {
    const { teleport, create, update } = setUp();
    const state = await create(inputs());
    teleport.put(database("orders", "theirs:5432"));
    await assert.rejects(update(state, inputs()), /left as it is/);
    assert.equal(teleport.get("orders")?.spec.uri, "theirs:5432");
  });

  it("keeps its own when the stack was renamed", async () => {
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

  it("leaves alone on remove what is not ours", async () => {
    const { teleport, create, remove } = setUp(0);
    const state = await create(inputs());
    teleport.put(database("orders", "theirs:5432"));
    await remove(state);
    assert.ok(teleport.get("orders"));
  });

  it("leaves alone on remove the registration of its own successor", async () => {
    const { teleport, create, remove } = setUp(0);
    const replaced = await create(inputs());
    await create(inputs());
    await remove(replaced);
    assert.ok(teleport.get("orders"));
  });

  it("leaves nothing after many rounds", async () => {
    const { teleport, create, remove } = setUp(20);
    for (let round = 0; round < 20; round++) await remove(await create(inputs()));
    assert.equal(teleport.get("orders"), undefined);
  });

  it("fails, and says so, when a write never becomes visible", async () => {
    const teleport = new FakeTeleport(10_000);
    const { create } = registrations(teleport.reach, { ...TIMING, visibleWithin: 50 });
    await assert.rejects(create(inputs()), /db\/orders is not visible as it was written after 0\.05 s/);
  });
});

describe("diff of a registration", () => {
  const { diff } = setUp();
  const state = { ...inputs(), registration: "r1" };

  it("sees no change in what the server adds", () => {
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
  it("does not look at adopt, which matters to a create only", () => {
    assert.equal(diff(state, inputs(undefined, { adopt: true })).changes, false);
  });
});
