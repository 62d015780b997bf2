import { strict as assert } from "node:assert";
import { withBots } from "../../../../components/teleport/resources/bot-client";
import { botDocument, checkBotSpec } from "../../../../components/teleport/resources/bot";
import { workloadRegistrarRole } from "../../../../components/teleport/program-roles";
import { registrations } from "../../../../components/teleport/resources/lifecycle";
import { FakeTeleport } from "../fake-teleport";

const bot = botDocument({ name: "shop", labels: { team: "shop" }, roles: ["shop-orders"] });
const TIMING = { poll: 2, visibleWithin: 400, goneFor: 20, settle: 10, differsFor: 60 };

describe("bot", () => {
  it("names each role: nothing that could stand for any", () => {
    assert.deepEqual(checkBotSpec("spec", { roles: ["a", "b-c"] }), []);
    for (const roles of [[], ["*"], ["{{internal.roles}}"], [""], undefined]) {
      assert.equal(checkBotSpec("spec", { roles }).length, 1, JSON.stringify(roles));
    }
  });

  it("needs the right to write bots, and users for Teleport before 15", () => {
    const { rules } = workloadRegistrarRole().spec.allow as { rules: { resources: string[] }[] };
    assert.deepEqual(rules.flatMap(({ resources }) => resources).sort(), [
      "bot",
      "cert_authority",
      "cert_authority_override",
      "db",
      "role",
      "token",
      "user", // Teleport 13 and 14
    ]);
  });
});

describe("bots through tctl", () => {
  const inputs = { proxy: "t:443", owner: "o/p/s/shop", document: bot };

  it("live as documents where Teleport has them, and what the server adds is no change", async () => {
    const teleport = new FakeTeleport(0, (document) => ({
      ...document,
      spec: { ...document.spec, traits: [], max_session_ttl: "43200s" },
      status: { user_name: "bot-shop", role_name: "bot-shop" },
    }));
    const { create, read, diff } = registrations(
      withBots((_connection, use) => use(teleport.client)),
      TIMING,
    );
    const state = await create(inputs);
    assert.ok(teleport.get("shop", "bot"));
    assert.equal(teleport.get("bot-shop", "user"), undefined);
    const found = await read(state);
    assert.ok(found);
    assert.equal(diff(found, inputs).changes, false);
  });
});
