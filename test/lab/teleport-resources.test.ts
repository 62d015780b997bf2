/** Databases, roles and join tokens in Teleport as resources, with the real engine, `tctl` and cluster. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { agentConfiguration } from "../../components/teleport/agent";
import { normalForm } from "../../components/teleport/resources/document";
import { accessRegistrarRole, PROVISIONED_BY, registrarBot } from "../../components/teleport/program-roles";
import { parseDocuments, TeleportDocument } from "../../components/teleport/client/tctl";
import { tool } from "../../lab/build/tools";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { CACHE_LAG, eventually, identities, PROXY, teleport } from "./lab";

const PROJECT = join(__dirname, "teleport-resources-program");
const KINDS = ["db", "role", "token"];
const USER = "tr-access-registrar";

describe("databases, roles and tokens as resources", () => {
  const folder = mkdtempSync(join(tmpdir(), "teleport-resources-"));
  const identity = join(folder, "identity");
  const stacks: Stack[] = [];

  const stackOf = async (name: string, settings: Record<string, unknown> = {}) => {
    const stack = new Stack(name, { project: PROJECT, env: { TELEPORT_IDENTITY_FILE: identity } });
    stacks.push(stack);
    configure(stack, settings);
    await stack.init();
    return stack;
  };
  const configure = (stack: Stack, settings: Record<string, unknown> = {}) =>
    stack.configure({ proxy: PROXY, name: stack.name, ...settings });
  const get = async (reference: string): Promise<TeleportDocument | undefined> => {
    const args = ["get", reference, "--format=json", `--auth-server=${PROXY}`, `--identity=${identities.admin}`];
    const found = await attempt("tctl", args);
    if (found.code !== 0 && /not found|doesn't exist/.test(found.output)) return undefined;
    assert.equal(found.code, 0, found.output);
    return parseDocuments(found.stdout)[0];
  };
  const mine = async (name: string) => Promise.all(KINDS.map((kind) => get(`${kind}/${name}`)));
  const drop = (reference: string) =>
    attempt("tctl", ["rm", reference, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);

  before(async () => {
    const role = accessRegistrarRole(USER);
    await teleport.put(role);
    await teleport.put({ kind: "user", version: "v2", metadata: { name: USER }, spec: { roles: [USER] } });
    await eventually("the user can be signed for", async () => (await get(`user/${USER}`)) !== undefined);
    await teleport.sign(USER, identity, "1h");
  });

  after(async () => {
    for (const stack of stacks) await stack.remove();
    await drop(`user/${USER}`);
    await drop(`role/${USER}`);
    rmSync(folder, { recursive: true, force: true });
  });

  it("are kept as declared from the first `up` to `destroy`, with the role that this project provides for it", async () => {
    const stack = await stackOf("tr-life");
    await stack.up();
    for (const found of await mine("tr-life")) {
      assert.match(found?.metadata.labels?.["pulumi.com/owner"] ?? "", /teleport-resources\/tr-life\//);
    }
    assert.deepEqual(await stack.plannedChanges(), { same: 4 });
    await stack.must(["refresh", "--yes", "--skip-preview"]);
    assert.deepEqual(await stack.plannedChanges(), { same: 4 }, "after a refresh");

    configure(stack, { databaseUsers: ["teleport_user_read", "teleport_user_write"], description: "described" });
    assert.match(await stack.up(), /2 updated/);
    const [, role] = await mine("tr-life");
    assert.deepEqual((role?.spec.allow as { db_users: string[] }).db_users, [
      "teleport_user_read",
      "teleport_user_write",
    ]);

    await stack.destroy();
    await sleep(CACHE_LAG);
    assert.deepEqual(await mine("tr-life"), [undefined, undefined, undefined]);
  });

  it("are repaired after a manual change, and created again after a manual deletion", async () => {
    const stack = await stackOf("tr-drift");
    await stack.up();
    const [database, role] = await mine("tr-drift");
    const declared = [database, role].map((found) => normalForm(found!));
    await teleport.put({ ...database!, spec: { ...database!.spec, uri: "elsewhere.invalid:5432" } });
    // Undeclared values, in a part that the server fills with its own options, and in another part.
    const spec = role!.spec as { options: object; allow: object };
    const opened = { ...spec.allow, logins: ["root"], db_users: ["postgres"] };
    await teleport.put({
      ...role!,
      spec: { ...spec, options: { ...spec.options, create_db_user: true }, allow: opened },
    });
    await drop("token/tr-drift");
    await sleep(CACHE_LAG);

    await stack.must(["refresh", "--yes", "--skip-preview"]);
    assert.deepEqual(await stack.plannedChanges(), { create: 1, same: 1, update: 2 });
    await stack.up();
    const [repairedDatabase, repairedRole, token] = await mine("tr-drift");
    assert.deepEqual(
      [repairedDatabase, repairedRole].map((found) => normalForm(found!)),
      declared,
    );
    assert.ok(token);
    assert.deepEqual(await stack.plannedChanges(), { same: 4 });
    await stack.destroy();
  });

  for (const kind of KINDS) {
    it(`of another are refused in the preview, and again by \`up\`, and left alone: ${kind}`, async () => {
      const name = `tr-theirs-${kind}`;
      const theirs: TeleportDocument = {
        ...THEIRS[kind]!,
        metadata: { name, labels: { team: "other", provisioned_by: "hand" } },
      };
      await teleport.put(theirs);
      await eventually(`Teleport shows their ${kind}`, async () => (await get(`${kind}/${name}`)) !== undefined);
      const before = await get(`${kind}/${name}`);
      const stack = await stackOf(name);
      for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
        const refused = await stack.pulumi(command);
        assert.notEqual(refused.code, 0, command[0]);
        assert.match(
          refused.output,
          new RegExp(`${kind}/${name} exists in Teleport .*was not changed.*adopt: true`, "s"),
        );
      }
      await stack.destroy();
      await sleep(CACHE_LAG);
      assert.deepEqual(await get(`${kind}/${name}`), before);
      await drop(`${kind}/${name}`);
    });
  }

  it("preview without Teleport and without an identity", async () => {
    const stack = await stackOf("tr-offline");
    const offline = { proxy: "127.0.0.1:1", name: "tr-offline" };
    stack.configure(offline);
    const unreachable = await stack.pulumi(["preview"]);
    assert.equal(unreachable.code, 0, unreachable.output);
    const without = await stack.pulumi(["preview"], { env: { TELEPORT_IDENTITY_FILE: join(folder, "none") } });
    assert.equal(without.code, 0, without.output);
    assert.match(
      without.output,
      /Could not check whether the name is free in Teleport: .*identity file cannot be read/s,
    );
  });

  it("fail and name the setting if this Teleport drops it, and leave nothing behind", async () => {
    const stack = await stackOf("tr-dropped", { trustSystemPool: true });
    const refused = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0);
    assert.match(
      refused.output,
      /db\/tr-dropped.*does not store spec\.tls\.trust_system_cert_pool \(written: true, stored: nothing\)/s,
    );
    assert.equal(await get("db/tr-dropped"), undefined);
    configure(stack);
    await stack.up();
    await stack.destroy();
    assert.deepEqual(await mine("tr-dropped"), [undefined, undefined, undefined]);
  });

  it("refuse in the preview a role that would open reserved users", async () => {
    const stack = await stackOf("tr-reserved", { databaseUsers: ["streaming_replica", "{{external.db_users}}", "*"] });
    const refused = await stack.pulumi(["preview"]);
    assert.notEqual(refused.code, 0);
    for (const user of ["streaming_replica", "{{external.db_users}}", "*"]) {
      assert.ok(refused.output.includes(`role/tr-reserved: spec.allow.db_users = "${user}"`), refused.output);
    }
  });

  it("open what they declare to a person, and deny CloudNativePG's own users even to people who may log in as any user", async () => {
    const stack = await stackOf("tr-person");
    await stack.up();
    const person = "tr-person-user";
    const file = join(folder, person);
    // In addition to this program's role, one that allows every user of every database.
    const user = {
      kind: "user",
      version: "v2",
      metadata: { name: person },
      spec: { roles: ["tr-person", "lab-admin"] },
    };
    await teleport.put(user);
    await eventually("the person can be signed for", async () => (await get(`user/${person}`)) !== undefined);
    await teleport.sign(person, file, "10m");
    const login = { identity: file, proxy: PROXY, teleportDatabase: "tr-person", database: "orders" };
    try {
      for (const reserved of ["streaming_replica", "cnpg_pooler_pgbouncer"]) {
        const refused = await sqlThroughTeleport({ ...login, user: reserved }, "SELECT 1");
        assert.match(refused.output, /access to db denied/, `${reserved}: ${refused.output}`);
      }
      // Nothing listens at the database's address: the agent tries to connect, which happens after access was
      // granted.
      const allowed = await sqlThroughTeleport({ ...login, user: "teleport_user_read" }, "SELECT 1");
      assert.match(allowed.output, /failed to handle client connection/);
      assert.doesNotMatch(allowed.output, /denied/);
    } finally {
      await drop(`user/${person}`);
      await stack.destroy();
    }
  });

  it("an agent accepts the generated configuration, and serves its databases", async () => {
    const [data, tokenFile, configuration] = ["data", "token", "teleport.json"].map((name) => join(folder, name));
    const added = await teleport.tctl(["tokens", "add", "--type=db", "--ttl=2m", "--format=json"]);
    writeFileSync(tokenFile!, (JSON.parse(added) as { token: string }).token, { mode: 0o600 });
    const settings = agentConfiguration({
      proxy: PROXY,
      join: { method: "token", secret: tokenFile! },
      databases: [
        {
          name: "tr-static",
          description: "served by configuration",
          labels: { ...PROVISIONED_BY, stack: "tr-static" },
          dynamicLabels: { load: { command: ["echo", "low"], period: "1m" } },
          uri: "nowhere.invalid:5432",
          tlsMode: "verify-full",
          serverName: "orders.example.com",
          caCertFile: process.env.SSL_CERT_FILE,
          adminUser: { name: "teleport_admin" },
        },
      ],
    });
    const node = { ...(settings.teleport as object), nodename: "tr-agent", data_dir: data };
    writeFileSync(configuration!, JSON.stringify({ ...settings, teleport: node }));
    const checked = await attempt(tool("teleport"), ["configure", "--test", configuration!]);
    assert.equal(checked.code, 0, checked.output);

    await drop("db_server/tr-static"); // an agent's report outlives the agent by minutes
    const agent = spawn(tool("teleport"), ["start", `--config=${configuration}`], { stdio: "ignore" });
    const ended = new Promise((resolve) => agent.once("close", resolve));
    try {
      const served = async () => {
        const listed = await attempt("tsh", [
          `--identity=${identities.admin}`,
          `--proxy=${PROXY}`,
          ...["db", "ls", "--format=json"],
        ]);
        const databases = listed.code === 0 ? (JSON.parse(listed.stdout || "[]") as TeleportDocument[]) : [];
        return databases.find(({ metadata }) => metadata.name === "tr-static");
      };
      assert.equal(await served(), undefined, "before the agent has joined");
      await eventually("the agent serves its database", async () => (await served()) !== undefined, 90_000);
      const database = await served();
      assert.equal(database?.metadata.labels?.["teleport.dev/origin"], "config-file");
      assert.equal(database.spec.uri, "nowhere.invalid:5432");
    } finally {
      agent.kill("SIGTERM");
      await ended;
      await drop("db_server/tr-static");
    }
  });

  it("Teleport 13 does not know the kind of a bot", async () => {
    await assert.rejects(teleport.put(registrarBot("tr-bot")), /type "bot" is not supported/);
  });
});

const THEIRS: Record<string, Pick<TeleportDocument, "kind" | "version" | "spec">> = {
  db: { kind: "db", version: "v3", spec: { protocol: "postgres", uri: "theirs.invalid:5432" } },
  role: { kind: "role", version: "v6", spec: { allow: { db_names: ["theirs"] } } },
  token: {
    kind: "token",
    version: "v2",
    spec: { roles: ["Db"], join_method: "kubernetes", kubernetes: { allow: [{ service_account: "theirs:theirs" }] } },
  },
};
