import { strict as assert } from "node:assert";
import { providerOf } from "../../../components/dynamic/converge";
import { PrimaryName, replicaRole, ReplicaRoleInputs } from "../../../components/replica/role-operations";
import { replicaStatus, ReplicaStatusInputs } from "../../../components/replica/status-operations";
import { TeleportError } from "../../../components/teleport/client/errors";
import { PROMOTED_LABEL, TOPOLOGY_LABEL } from "../../../components/teleport/names";
import { withOwner } from "../../../components/teleport/resources/document";
import { FakeKubernetes } from "../postgres/fake-kubernetes";
import { FakeTeleport } from "../teleport/fake-teleport";

const NAME: PrimaryName = {
  proxy: "teleport:443",
  name: "orders-prod",
  owner: "acme/shop/north/orders-primary",
  adopt: false,
};
const inputs = (primary: string, more: Partial<PrimaryName> = {}): ReplicaRoleInputs => ({
  self: "north",
  primary,
  names: [{ ...NAME, ...more }],
});
const NOW = new Date("2026-11-30T12:36:15Z");

describe("the role of a Cluster in its topology", () => {
  const teleport = new FakeTeleport(0);
  const provider = providerOf(replicaRole(teleport.reach, () => NOW));
  /** As Pulumi does: the checked inputs are stored, and the next check gets them. */
  const stored = async (olds: ReplicaRoleInputs | undefined, news: ReplicaRoleInputs, by = provider) => {
    const { inputs: checked, failures = [] } = await by.check(olds as ReplicaRoleInputs, news);
    assert.deepEqual(failures, []);
    return checked as ReplicaRoleInputs;
  };
  const create = (news: ReplicaRoleInputs) => stored(undefined, news);
  const refusals = async (olds: ReplicaRoleInputs | undefined, news: ReplicaRoleInputs) =>
    ((await provider.check(olds as ReplicaRoleInputs, news)).failures ?? []).map(({ reason }) => reason);
  /** The name is registered. `promoted` is undefined if its Cluster belongs to no topology. */
  const registered = (owner: string, promoted?: string) => {
    const labels: Record<string, string> =
      promoted === undefined ? {} : { [TOPOLOGY_LABEL]: "74", [PROMOTED_LABEL]: promoted };
    const document = { kind: "db", version: "v3", metadata: { name: "orders-prod", labels }, spec: {} };
    teleport.put(withOwner(document, { owner, registration: "1" }));
  };
  const SOUTH = "acme/shop/south/orders-primary";

  beforeEach(() => teleport.drop("orders-prod"));

  it("has no time of promotion for the first primary cluster, and for a replica cluster", async () => {
    for (const primary of ["north", "south"]) {
      const state = await create(inputs(primary));
      assert.deepEqual(state, { ...inputs(primary), promotedAt: "" });
      assert.deepEqual(await provider.diff("id", state, await stored(state, inputs(primary))), { changes: false });
    }
  });

  it("has the time at which a replica cluster was promoted, until it is demoted", async () => {
    const replica = await create(inputs("south"));
    const promoted = await stored(replica, inputs("north"));
    assert.equal(promoted.promotedAt, "20261130T123615Z");
    assert.deepEqual(await provider.diff("id", replica, promoted), { changes: true });
    assert.deepEqual((await provider.update("id", replica, promoted)).outs, promoted);
    assert.equal((await stored(promoted, inputs("north", { owner: "other" }))).promotedAt, promoted.promotedAt);
    assert.equal((await stored(promoted, inputs("south"))).promotedAt, "");
  });

  it("has a later time than the Cluster that has the name", async () => {
    registered(SOUTH, "20261231T000000Z");
    const promoted = await stored(await create(inputs("south")), inputs("north"));
    assert.equal(promoted.promotedAt, "20261231T000001Z");
  });

  it("is refused for a primary cluster whose name another Cluster of the topology took over", async () => {
    const always = { ...inputs("north"), promotedAt: "" };
    const promoted = { ...always, promotedAt: "20261129T000000Z" };
    registered(SOUTH, "20261130T000000Z");
    for (const olds of [always, promoted]) {
      const [reason = ""] = await refusals(olds, inputs("north"));
      assert.match(reason, /belongs to acme\/shop\/south.*promoted .* at 20261130T000000Z.*set replica\.primary/);
      assert.match((await refusals(olds, inputs("north", { adopt: true })))[0] ?? "", /does not take the name back/);
      assert.deepEqual(await refusals(olds, inputs("south")), []);
    }
  });

  it("is refused for a new Cluster that would be the second primary cluster", async () => {
    registered(SOUTH, "");
    assert.match((await refusals(undefined, inputs("north")))[0] ?? "", /the primary cluster of this topology/);
    assert.deepEqual(await refusals(undefined, inputs("north", { adopt: true })), []);
    assert.deepEqual(await refusals(undefined, inputs("south")), []);
  });

  it("is not refused for a promotion, for its own name, and for a name outside of the topology", async () => {
    const replica = await create(inputs("south"));
    registered(SOUTH, "20261130T000000Z");
    assert.deepEqual(await refusals(replica, inputs("north")), []);
    const always = { ...inputs("north"), promotedAt: "" };
    registered(NAME.owner, "20261130T000000Z");
    assert.deepEqual(await refusals(always, inputs("north")), []);
    registered(SOUTH);
    assert.deepEqual(await refusals(undefined, inputs("north")), []);
  });

  it("does not depend on Teleport: a promotion goes on without it", async () => {
    const unreachable = providerOf(
      replicaRole(
        async () => {
          throw new TeleportError("unavailable", "no answer");
        },
        () => NOW,
      ),
    );
    const [said, print] = [[] as string[], console.error];
    console.error = (line: string) => void said.push(line);
    try {
      const promoted = await stored(await create(inputs("south")), inputs("north"), unreachable);
      assert.equal(promoted.promotedAt, "20261130T123615Z");
      assert.deepEqual(await stored(promoted, inputs("north"), unreachable), promoted);
    } finally {
      console.error = print;
    }
    assert.match(said.join("\n"), /Could not check in Teleport which Cluster has the name orders-prod: no answer/);
  });
});

describe("the status of a Cluster in its topology", () => {
  const reference: ReplicaStatusInputs = { namespace: "db", cluster: "orders", uid: "uid-1" };
  const kubernetes = new FakeKubernetes();
  const provider = providerOf(replicaStatus(async () => kubernetes));
  const status = (found: object) => {
    kubernetes.cluster = { metadata: { name: "orders", uid: "uid-1" }, status: { ...found } };
  };

  it("has the system identifier, and the token of a demoted Cluster", async () => {
    status({ systemID: "74" });
    const { outs } = await provider.create(reference);
    assert.deepEqual(outs, { ...reference, systemId: "74", demotionToken: "" });
    status({ systemID: "74", demotionToken: "token" });
    const demoted = { ...reference, follows: "south" };
    const before = { ...reference, systemId: "74", demotionToken: "" };
    assert.deepEqual(await provider.diff("id", before, demoted), { changes: true });
    assert.deepEqual((await provider.update("id", before, demoted)).outs, {
      ...demoted,
      systemId: "74",
      demotionToken: "token",
    });
  });

  it("must have the system identifier, because the name in Teleport depends on it", async () => {
    status({});
    await assert.rejects(provider.create(reference), /The status of the Cluster db\/orders has no systemID/);
  });
});
