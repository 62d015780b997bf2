/** Names in Teleport that follow the primary cluster of a distributed topology. */
import { strict as assert } from "node:assert";
import { ownership } from "../../../../components/teleport/resources/document";
import { PROMOTED_LABEL, TOPOLOGY_LABEL } from "../../../../components/teleport/names";
import { registrations, registrationMethods } from "../../../../components/teleport/resources/lifecycle";
import { RegistrationInputs, RegistrationState } from "../../../../components/teleport/resources/registration";
import { promotionAfter, promotionTime } from "../../../../components/teleport/resources/topology";
import { TeleportDocument } from "../../../../components/teleport/client/tctl";
import { UNKNOWN } from "../../../../components/value-check";
import { FakeTeleport } from "../fake-teleport";
import { printedBy } from "../../printed-by";

const LAG = 60;
const TIMING = { poll: 5, visibleWithin: 1_000, goneFor: 3 * LAG, settle: 2 * LAG, differsFor: 3 * LAG };
const [SOUTH, NORTH] = ["acme/shop/south/orders-primary", "acme/shop/north/orders-primary"];
const LATER = "20261130T123615Z";

/** What a Cluster registers. `promoted` is empty for the first primary cluster. */
function database(promoted: string, { topology = "74", uri = "orders-rw.db.svc:5432" } = {}): TeleportDocument {
  return {
    kind: "db",
    version: "v3",
    metadata: {
      name: "orders-prod",
      description: "",
      labels: { cluster: "orders", namespace: "db", [TOPOLOGY_LABEL]: topology, [PROMOTED_LABEL]: promoted },
    },
    spec: { protocol: "postgres", uri, tls: { mode: "verify-full", ca_cert: "", server_name: "" } },
  };
}

const south = (more: Partial<RegistrationInputs> = {}): RegistrationInputs => ({
  ...{ proxy: "teleport:443", owner: SOUTH, document: database(""), ...more },
});
const north = (more: Partial<RegistrationInputs> = {}): RegistrationInputs => ({
  ...{ proxy: "teleport:443", owner: NORTH, document: database(LATER, { uri: "north:5432" }), ...more },
});

async function printed(work: () => Promise<unknown>): Promise<string> {
  return (await printedBy(work)).join("\n");
}

describe("a name in Teleport that belongs to a distributed topology", () => {
  let teleport: FakeTeleport;
  let operations: ReturnType<typeof registrations>;
  const ownerNow = () => ownership(teleport.get("orders-prod")!)?.owner;

  beforeEach(() => {
    teleport = new FakeTeleport(LAG);
    operations = registrations(teleport.reach, TIMING);
  });

  it("is taken over by a Cluster that was promoted later", async () => {
    await operations.create(south());
    assert.equal(await operations.collision(north()), undefined);
    await operations.create(north());
    assert.equal(ownerNow(), NORTH);
    assert.equal(teleport.get("orders-prod")?.spec.uri, "north:5432");
  });

  it("is not taken over by a Cluster of other data, or one that was never promoted", async () => {
    await operations.create(south());
    const stranger = north({ document: database(LATER, { topology: "75" }) });
    await assert.rejects(operations.create(stranger), /belongs to acme\/shop\/south.*Choose another name/);
    const never = north({ document: database("") });
    await assert.rejects(operations.create(never), /belongs to acme\/shop\/south.*does not take the name back/);
    assert.match((await operations.collision(never)) ?? "", /does not take the name back/);
    assert.equal(ownerNow(), SOUTH);
  });

  it("is not taken over from a Cluster that does not declare the topology", async () => {
    const { metadata, ...rest } = database("");
    teleport.put({ ...rest, metadata: { ...metadata, labels: {} } });
    await assert.rejects(operations.create(north()), /was not registered by this project.*adopt: true/);
  });

  it("stays with the new primary cluster, whatever the former one's stack does", async () => {
    const former = await operations.create(south());
    await operations.create(north());
    for (const adopt of [false, true]) {
      const changed = south({ adopt, document: database("", { uri: "changed:5432" }) });
      await assert.rejects(operations.update(former, changed), (error: Error) => {
        assert.match(
          error.message,
          /^db\/orders-prod in Teleport at teleport:443 belongs to acme\/shop\/north\/orders-primary,/,
        );
        assert.match(error.message, /for the Cluster db\/orders, which was promoted .* at 20261130T123615Z\./);
        assert.match(error.message, /set replica\.primary .*docs\/replica\.md/);
        return true;
      });
    }
    await assert.rejects(operations.create(south()), /does not take the name back/);
    assert.match(
      await printed(async () => assert.equal(await operations.read(former), undefined)),
      /orders-prod .* belongs to acme\/shop\/north.*set replica\.primary/,
    );
    assert.match(
      await printed(() => operations.remove(former)),
      /^db\/orders-prod stays in Teleport: it belongs to acme\/shop\/north/,
    );
    assert.equal(ownerNow(), NORTH);
    assert.equal(teleport.get("orders-prod")?.spec.uri, "north:5432");
  });

  it("goes back to a Cluster that was promoted again", async () => {
    await operations.create(south());
    await operations.create(north());
    await operations.create(south({ document: database("20261201T000000Z") }));
    assert.equal(ownerNow(), SOUTH);
    await assert.rejects(operations.create(north()), /does not take the name back/);
  });

  it("is not refused in a preview that does not know yet when the Cluster is promoted", async () => {
    await operations.create(south());
    const { check } = registrationMethods(operations);
    const { metadata, ...rest } = database(UNKNOWN);
    for (const labels of [metadata.labels, UNKNOWN as unknown as Record<string, string>]) {
      const news = north({ document: { ...rest, metadata: { ...metadata, labels } } });
      assert.deepEqual((await check({} as RegistrationState, news)).failures, []);
    }
  });
});

describe("a role in Teleport of a replica cluster", () => {
  const role = (inputs: RegistrationInputs): RegistrationInputs => ({
    ...inputs,
    document: { ...inputs.document, kind: "role", version: "v6", spec: { allow: {} } },
  });

  it("is not written, changed or removed while it is suspended, and Teleport is not asked", async () => {
    const unreachable = async () => {
      throw new Error("Teleport was asked");
    };
    const { create, read, update, remove, collision, diff } = registrations(unreachable, TIMING);
    const suspended = role(north({ suspended: true }));
    assert.equal(await collision(suspended), undefined);
    const state = await create(suspended);
    assert.deepEqual(await read(state), state);
    assert.deepEqual(diff(state, suspended), { changes: false, replaces: [] });
    assert.deepEqual(diff(state, role(north())), { changes: true, replaces: [] });
    assert.deepEqual(await update(state, suspended), state);
    await remove(state);
  });

  it("is taken over at the promotion, and stays when the former primary cluster is demoted and deleted", async () => {
    const teleport = new FakeTeleport(LAG);
    const { create, update, remove } = registrations(teleport.reach, TIMING);
    const ownerNow = () => ownership(teleport.get("orders-prod", "role")!)?.owner;
    const former = await create(role(south()));
    const waiting = await create(role(north({ suspended: true })));
    const demoted = await update(former, role(south({ suspended: true })));
    assert.equal(ownerNow(), SOUTH);
    const promoted = await update(waiting, role(north()));
    assert.equal(ownerNow(), NORTH);
    await remove(demoted);
    assert.equal(ownerNow(), NORTH);
    await remove(promoted);
    assert.equal(teleport.get("orders-prod", "role"), undefined);
  });
});

describe("the time of a promotion", () => {
  it("can be compared as text, and is a valid label of Kubernetes objects", () => {
    assert.equal(promotionTime(new Date("2026-11-30T12:36:15.999Z")), LATER);
    assert.match(LATER, /^[A-Za-z0-9]+$/);
  });

  it("is later than the one in Teleport, even if this machine's clock is behind", () => {
    const now = new Date("2026-11-30T12:00:00Z");
    assert.equal(promotionAfter(undefined, now), "20261130T120000Z");
    assert.equal(promotionAfter(database(""), now), "20261130T120000Z");
    assert.equal(promotionAfter(database("20261130T115959Z"), now), "20261130T120000Z");
    assert.equal(promotionAfter(database("20261130T123615Z"), now), "20261130T123616Z");
  });
});
