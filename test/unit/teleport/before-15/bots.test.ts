import { strict as assert } from "node:assert";
import { botAccounts, botOf } from "../../../../components/teleport/before-15/bots";
import { botClient, withBots } from "../../../../components/teleport/resources/bot-client";
import { ownership } from "../../../../components/teleport/resources/document";
import { OWNER_LABEL } from "../../../../components/owner-label";
import { botDocument } from "../../../../components/teleport/resources/bot";
import { TeleportError } from "../../../../components/teleport/client/errors";
import { registrations } from "../../../../components/teleport/resources/lifecycle";
import type { TeleportClient, TeleportDocument } from "../../../../components/teleport/client/tctl";
import { FakeTeleport } from "../fake-teleport";

const bot = botDocument({ name: "shop", labels: { team: "shop" }, roles: ["shop-orders"] });
const TIMING = { poll: 2, visibleWithin: 400, goneFor: 20, settle: 10, differsFor: 60 };

/** What tctl of 13.3.8 says of the kind, word for word. */
const UNSUPPORTED = `tctl get at t:443 failed: unsupported resource: "bot" - resources should be expressed as 'type/name', for example 'connector/github'.`;

/** A Teleport that has no documents for bots, and keeps a role that a user has. */
function withoutBots(teleport: FakeTeleport): TeleportClient {
  const refuse = (isBot: boolean) => {
    if (isBot) throw new TeleportError("failed", UNSUPPORTED);
  };
  return {
    async get(reference) {
      refuse(reference.startsWith("bot/"));
      return teleport.client.get(reference);
    },
    async create(document) {
      refuse(document.kind === "bot");
      await teleport.client.create(document);
    },
    async overwrite(document) {
      refuse(document.kind === "bot");
      await teleport.client.overwrite(document);
    },
    async remove(reference) {
      refuse(reference.startsWith("bot/"));
      const holder = teleport.get(reference.slice(5), "user")?.spec.roles as string[] | undefined;
      if (reference.startsWith("role/") && holder?.includes(reference.slice(5))) {
        throw new TeleportError("in-use", "still in use");
      }
      await teleport.client.remove(reference);
    },
  };
}

describe("bot", () => {
  it("stands for what `tctl bots add` makes: a user that has one role, which may take on what is named", () => {
    const { user, role } = botAccounts(bot);
    assert.deepEqual(user.spec, { roles: ["bot-shop"] });
    assert.deepEqual(user.metadata.labels, {
      team: "shop",
      "teleport.internal/bot": "shop",
      "teleport.internal/bot-generation": "0",
    });
    assert.deepEqual(role.metadata, {
      name: "bot-shop",
      description: "Of the bot shop",
      labels: { team: "shop", "teleport.internal/bot": "shop" },
    });
    assert.deepEqual(role.spec.allow, {
      rules: [{ resources: ["cert_authority"], verbs: ["readnosecrets"] }],
      impersonate: { roles: ["shop-orders"] },
    });
  });

  it("is the same read back", () => assert.deepEqual(botOf("shop", botAccounts(bot)), bot));

  it("keeps Teleport's count of certificates, without which it would be locked", () => {
    const { user } = botAccounts(bot);
    user.metadata.labels!["teleport.internal/bot-generation"] = "7";
    assert.equal(botAccounts(bot, user).user.metadata.labels?.["teleport.internal/bot-generation"], "7");
    assert.deepEqual(botOf("shop", { ...botAccounts(bot), user }), bot, "it is nothing of ours");
  });

  const CHANGES: [string, (accounts: ReturnType<typeof botAccounts>) => unknown][] = [
    [
      "a rule",
      ({ role }) => ((role.spec.allow as Record<string, unknown>).rules = [{ resources: ["*"], verbs: ["*"] }]),
    ],
    ["a login", ({ role }) => ((role.spec.allow as Record<string, unknown>).logins = ["root"])],
    ["a role of the user", ({ user }) => (user.spec.roles = ["bot-shop", "editor"])],
    ["the label by which Teleport knows it", ({ user }) => (user.metadata.labels = {})],
    ["the role's label", ({ role }) => (role.metadata.labels = {})],
  ];
  for (const [what, change] of CHANGES) {
    it(`shows a change by hand: ${what}`, () => {
      const accounts = botAccounts(bot);
      change(accounts);
      assert.ok(botOf("shop", accounts)?.spec.changed);
    });
  }

  it("shows that one of the two is missing, and nothing if both are", () => {
    const { user, role } = botAccounts(bot);
    assert.ok(botOf("shop", { user })?.spec.changed);
    assert.ok(botOf("shop", { role })?.spec.changed);
    assert.equal(botOf("shop", {}), undefined);
  });

  it("is its owner's where a create was cut off between the two and made again, and nobody's where they differ", () => {
    const label = (owner: string) => ({ [OWNER_LABEL]: owner });
    const of = (owner: string) => botAccounts({ ...bot, metadata: { ...bot.metadata, labels: label(owner) } });
    const mixed = botOf("shop", { user: of("o/p/s/shop#1").user, role: of("o/p/s/shop#2").role });
    assert.deepEqual(mixed && ownership(mixed), { owner: "o/p/s/shop", registration: "1" });
    const theirs = botOf("shop", { user: of("o/p/s/shop#1").user, role: of("o/p/other/shop#2").role });
    assert.equal(theirs && ownership(theirs), undefined);
  });
});

describe("bots through tctl", () => {
  const inputs = { proxy: "t:443", owner: "o/p/s/shop", document: bot };

  it("live as a user and a role where Teleport has no documents for them", async () => {
    const teleport = new FakeTeleport(5);
    const { create, read, update, remove } = registrations(
      withBots((_connection, use) => use(withoutBots(teleport))),
      TIMING,
    );
    const state = await create(inputs);
    assert.ok(teleport.get("bot-shop", "user") && teleport.get("bot-shop", "role"));
    assert.deepEqual((await read(state))?.document.spec, { roles: ["shop-orders"] });

    teleport.drop("bot-shop", "user");
    await new Promise((resolve) => setTimeout(resolve, 10));
    const found = await read(state);
    assert.ok(found?.document.spec.changed);
    await update(found, inputs);
    assert.ok(teleport.get("bot-shop", "user"));

    await remove(state);
    assert.equal(teleport.get("bot-shop", "user"), undefined);
    assert.equal(teleport.get("bot-shop", "role"), undefined);
  });

  it("leave alone a person whose name is in the way", async () => {
    const teleport = new FakeTeleport(0);
    const person: TeleportDocument = {
      kind: "user",
      version: "v2",
      metadata: { name: "bot-shop" },
      spec: { roles: ["access"] },
    };
    teleport.put(person);
    const { create } = registrations(
      withBots((_connection, use) => use(withoutBots(teleport))),
      TIMING,
    );
    await assert.rejects(create(inputs), /exists in Teleport .* was not registered by this project/);
    assert.deepEqual(teleport.get("bot-shop", "user"), person);
  });

  it("leave no role behind where the user that is in the way was not seen", async () => {
    const teleport = new FakeTeleport(0);
    const taken = { kind: "user", version: "v2", metadata: { name: "bot-shop" }, spec: { roles: ["access"] } };
    teleport.put(taken);
    const client = botClient(withoutBots(teleport));
    await assert.rejects(client.create(bot), /exists/);
    assert.equal(teleport.get("bot-shop", "role"), undefined);
    assert.deepEqual(teleport.get("bot-shop", "user"), taken);
  });

  it("take no role of somebody else's for the bot's", async () => {
    const teleport = new FakeTeleport(0);
    const { create, read, update } = registrations(
      withBots((_connection, use) => use(withoutBots(teleport))),
      TIMING,
    );
    const state = await create(inputs);
    const foreign: TeleportDocument = {
      kind: "role",
      version: "v6",
      metadata: { name: "bot-shop" },
      spec: { allow: {} },
    };
    teleport.put(foreign);
    assert.equal(await read(state), undefined);
    await assert.rejects(update(state, inputs), /was not registered by this project/);
    assert.deepEqual(teleport.get("bot-shop", "role"), foreign);
    await update(state, { ...inputs, adopt: true });
    assert.deepEqual((await read(state))?.document.spec, { roles: ["shop-orders"] });
  });

  it("are given another role without a write of the user, in which a running bot's renewals count", async () => {
    const teleport = new FakeTeleport(0);
    const written: string[] = [];
    const { overwrite, ...client } = withoutBots(teleport);
    const watched: TeleportClient = {
      ...client,
      overwrite: (document) => {
        written.push(document.kind);
        return overwrite(document);
      },
    };
    const { create, update } = registrations(
      withBots((_connection, use) => use(watched)),
      TIMING,
    );
    const state = await create(inputs);
    const user = teleport.get("bot-shop", "user")!;
    user.metadata.labels!["teleport.internal/bot-generation"] = "7";
    teleport.put(user);
    await update(state, { ...inputs, document: { ...bot, spec: { roles: ["shop-orders", "shop-stock"] } } });
    assert.deepEqual(
      written.filter((kind) => kind !== "bot"),
      ["role"],
    );
    assert.equal(teleport.get("bot-shop", "user")?.metadata.labels?.["teleport.internal/bot-generation"], "7");
  });

  it("pass on any other answer, and other kinds", async () => {
    const denied = { get: async () => Promise.reject(new TeleportError("access-denied", "access to bot denied")) };
    const client = botClient({ ...new FakeTeleport(0).client, ...denied });
    await assert.rejects(client.get("bot/shop"), /access to bot denied/);
    const teleport = new FakeTeleport(0);
    await botClient(teleport.client).create({ kind: "db", version: "v3", metadata: { name: "d" }, spec: {} });
    assert.ok(teleport.get("d"));
  });
});
