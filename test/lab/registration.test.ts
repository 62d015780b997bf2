/** The lifecycle of a registration in Teleport, with the real engine, `tctl` and cluster. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../lab/drive/stack";
import { CACHE_LAG, eventually, identities, PROXY, teleport } from "./lab";

const PROGRAM = { project: join(__dirname, "registration-program") };

describe("a registration in Teleport", () => {
  const stacks: Stack[] = [];
  const stackOf = async (name: string, settings: Record<string, unknown> = {}) => {
    const stack = new Stack(name, PROGRAM);
    stacks.push(stack);
    configure(stack, settings);
    await stack.init();
    return stack;
  };
  const configure = (stack: Stack, settings: Record<string, unknown> = {}) =>
    stack.configure({ proxy: PROXY, name: stack.name, ...settings });
  const mine = async (name: string) =>
    (await teleport.databases()).filter(({ metadata }) => metadata.name.startsWith(name));

  after(async () => {
    for (const stack of stacks) await stack.remove();
  });

  it("refuses a name that belongs to someone else, and changes nothing", async () => {
    const theirs = {
      kind: "db",
      version: "v3",
      metadata: { name: "theirs", labels: { team: "other" } },
      spec: { protocol: "postgres", uri: "theirs.invalid:5432" },
    };
    await teleport.put(theirs);
    await eventually("Teleport shows their database", async () => (await teleport.database("theirs")) !== undefined);
    const stack = await stackOf("theirs");
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(result.code, 0);
    await sleep(CACHE_LAG);
    assert.equal((await teleport.database("theirs"))?.spec.uri, "theirs.invalid:5432");
    await stack.destroy();
    await sleep(CACHE_LAG);
    assert.ok(await teleport.database("theirs"), "destroy left it alone");
    await teleport.remove("theirs");
  });

  it("names the owner of a taken name and how to continue; `adopt` takes it over", async () => {
    const first = await stackOf("first", { name: "contested" });
    await first.up();
    const second = await stackOf("second", { name: "contested" });
    const refused = await second.pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(
      refused.output,
      /db\/contested exists .* belongs to .*registration\/first\/database.*teleport\.adopt/s,
    );

    configure(second, { name: "contested", adopt: true, description: "adopted" });
    await second.up();
    assert.equal((await teleport.database("contested"))?.metadata.description, "adopted");
    await first.destroy();
    await sleep(CACHE_LAG);
    assert.ok(await teleport.database("contested"), "the former owner's destroy left it alone");
    await second.destroy();
    assert.deepEqual(await mine("contested"), []);
  });

  it("updates in place, and replaces it when the name changes", async () => {
    const stack = await stackOf("renaming");
    await stack.up();
    configure(stack, { description: "now described" });
    assert.match(await stack.up(), /1 updated/);
    assert.equal((await teleport.database("renaming"))?.metadata.description, "now described");
    configure(stack, { name: "renaming-new" });
    assert.match(await stack.up(), /1 replaced/);
    assert.deepEqual(
      (await mine("renaming")).map(({ metadata }) => metadata.name),
      ["renaming-new"],
    );
    await stack.destroy();
  });

  it("survives a forced replacement under the same name", async () => {
    const stack = await stackOf("forced");
    await stack.up();
    const urn =
      /urn:pulumi:forced::registration::[^"]*teleport:Database::database/.exec(await stack.state())?.[0] ?? "";
    await stack.must(["up", "--yes", "--skip-preview", "--replace", urn]);
    await sleep(CACHE_LAG);
    assert.equal((await mine("forced")).length, 1, "deleting the replaced one took its successor along");
    await stack.destroy();
    assert.deepEqual(await mine("forced"), []);
  });

  it("is destroyed without an error if the database is already gone", async () => {
    const stack = await stackOf("gone");
    await stack.up();
    await teleport.remove("gone");
    await stack.destroy();
    assert.deepEqual(await mine("gone"), []);
  });

  it("is created and deregistered whatever its name is, even a word from error messages", async () => {
    const name = "expired-orders";
    const stack = await stackOf(name);
    await stack.up();
    assert.equal((await mine(name)).length, 1);
    await stack.destroy();
    assert.deepEqual(await mine(name), []);
  });

  it("of any kind is not mistaken for an error because of its name", async () => {
    const { withTeleport } = await import("../../components/teleport/client/tctl");
    const before = process.env.TELEPORT_IDENTITY_FILE;
    process.env.TELEPORT_IDENTITY_FILE = identities.admin;
    const allow = [{ service_account: "rt-words:agent" }];
    const spec = {
      db: { protocol: "postgres", uri: "x.invalid:5432" },
      role: { allow: { db_labels: { team: "rt-words" } } },
      token: { roles: ["Db"], join_method: "kubernetes", kubernetes: { allow } },
      user: { roles: ["access"] },
    };
    const version = { db: "v3", role: "v6", token: "v2", user: "v2" };
    try {
      await withTeleport({ proxy: PROXY }, async (client) => {
        for (const kind of ["db", "role", "token", "user"] as const)
          for (const word of [
            "expired",
            "certificate-unknown-authority",
            "timeout-429-eof",
            "mfa-is-required",
            "denied",
          ]) {
            const name = `rt-${word}`;
            const reference = `${kind}/${name}`;
            assert.deepEqual(await client.get(reference), [], `${reference} before`);
            await client.create({ kind, version: version[kind], metadata: { name }, spec: spec[kind] });
            await eventually(`${reference} is seen`, async () => (await client.get(reference)).length === 1);
            if (kind !== "token")
              await assert.rejects(
                client.create({ kind, version: version[kind], metadata: { name }, spec: spec[kind] }),
                { failure: "already-exists" },
                reference,
              );
            await client.remove(reference);
            await eventually(`${reference} is gone`, async () => (await client.get(reference)).length === 0);
            await client.remove(reference);
          }
      });
    } finally {
      process.env.TELEPORT_IDENTITY_FILE = before;
    }
  });

  it("is destroyed in a fresh process with a new identity after the old one expired", async () => {
    const folder = mkdtempSync(join(tmpdir(), "identity-"));
    const [old, renewed] = [join(folder, "old"), join(folder, "renewed")];
    try {
      await teleport.sign("registrar", old, "1m");
      const stack = await stackOf("expiring");
      await stack.up({ env: { TELEPORT_IDENTITY_FILE: old } });

      await sleep(65_000);
      const refused = await stack.pulumi(["destroy", "--yes", "--skip-preview"], {
        env: { TELEPORT_IDENTITY_FILE: old },
      });
      assert.notEqual(refused.code, 0);
      assert.match(refused.output, /identity .* expired at 20\d\d-.*Get a new identity/);
      assert.equal((await mine("expiring")).length, 1);

      await teleport.sign("registrar", renewed, "10m");
      await stack.destroy({ env: { TELEPORT_IDENTITY_FILE: renewed } });
      assert.deepEqual(await mine("expiring"), []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("cannot be created with a label that the program's role does not cover", async () => {
    const foreign = {
      kind: "db",
      version: "v3",
      metadata: { name: "unlabelled" },
      spec: { protocol: "postgres", uri: "x.invalid:5432" },
    };
    const { withTeleport } = await import("../../components/teleport/client/tctl");
    await assert.rejects(
      withTeleport({ proxy: PROXY }, (client) => client.create(foreign)),
      /denied.*registrarRole/,
    );
  });
});
