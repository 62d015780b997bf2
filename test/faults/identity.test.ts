/** Invalid Teleport identities: the user gets the reason, nothing changes, and the next run continues. */
import { strict as assert } from "node:assert";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OWNER_LABEL } from "../../components/owner-label";
import { withTeleport } from "../../components/teleport/client/tctl";
import { Stack } from "../../lab/drive/stack";
import { attempt, run } from "../../lab/host/command";
import { PROJECT } from "../../lab/layout";
import { CACHE_LAG, eventually, identities, PROXY, teleport } from "../lab/lab";
import { OwnTeleport } from "./own-teleport";

const PROGRAM = join(PROJECT, "test", "lab", "registration-program");
/** Users of Teleport for this test run only: a lock of a user outlives the run. */
const RUN = `tf-${process.pid}-${Date.now().toString(36)}`;

describe("a Teleport identity", () => {
  const folder = mkdtempSync(join(tmpdir(), "tf-identity-"));
  const stacks: Stack[] = [];
  const users: string[] = [];

  const stackOf = async (name: string, settings: Record<string, unknown> = {}) => {
    const stack = new Stack(name, { project: PROGRAM });
    stacks.push(stack);
    stack.configure({ proxy: PROXY, name, ...settings });
    await stack.init();
    return stack;
  };
  const asAdministrator = (args: string[]) =>
    attempt("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
  /** Creates a user of this run with these roles, and an identity of the user. */
  const userWith = async (name: string, roles: string[], ttl = "10m"): Promise<{ user: string; file: string }> => {
    const [user, file] = [`${RUN}-${name}`, join(folder, name)];
    users.push(user);
    await teleport.put({ kind: "user", version: "v2", metadata: { name: user }, spec: { roles } });
    await eventually(
      `${user} can be signed for`,
      async () => (await asAdministrator(["get", `user/${user}`])).code === 0,
    );
    await teleport.sign(user, file, ttl);
    return { user, file };
  };
  const registrar = (name: string, ttl?: string) => userWith(name, ["cnpg-teleport-registrar"], ttl);
  const at = (file: string) => ({ env: { TELEPORT_IDENTITY_FILE: file } });
  /** Runs a command that must fail, and returns its output. */
  const refused = async (stack: Stack, command: string, file: string): Promise<string> => {
    const { code, output } = await stack.pulumi([command, "--yes", "--skip-preview"], at(file));
    assert.notEqual(code, 0, `${command} with a bad identity ended with 0:\n${output}`);
    return output;
  };
  /** Calls Teleport with the product's own adapter. */
  const asking = async (file: string) => {
    process.env.TELEPORT_IDENTITY_FILE = file;
    try {
      return await withTeleport({ proxy: PROXY }, (client) => client.get("db"));
    } finally {
      process.env.TELEPORT_IDENTITY_FILE = identities.registrar;
    }
  };
  const registered = async (name: string) => (await teleport.database(name))?.metadata;

  after(async () => {
    for (const stack of stacks) {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"], at(identities.registrar));
      await stack.remove();
    }
    for (const user of users) await asAdministrator(["rm", `user/${user}`]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("that is not valid is reported with cause and next step by each command; nothing changes, and a valid one continues", async () => {
    const whole = readFileSync(identities.registrar, "utf8");
    const written = (name: string, text: string) => {
      const file = join(folder, name);
      writeFileSync(file, text, { mode: 0o600 });
      return file;
    };
    const keyOnly = whole.slice(0, whole.indexOf("-----BEGIN CERTIFICATE"));
    const isFolder = join(folder, "is-folder");
    mkdirSync(isFolder);
    const bad: [string, RegExp][] = [
      [join(folder, "none"), /identity file cannot be read: ENOENT.*Set TELEPORT_IDENTITY_FILE.*Get a new identity/],
      [isFolder, /cannot be read: .*folder of a tbot output of type identity\. Get a new identity/],
      [written("empty", ""), /empty is not a valid Teleport identity.*Get a new identity/],
      [
        written("key-only", keyOnly),
        /key-only is not a valid Teleport identity: it has no private key or no certificate.*Get/,
      ],
      [
        written("torn", whole.replace(/(-----BEGIN CERTIFICATE-----\n)[^]{400}/, "$1")),
        /torn is not a valid Teleport identity: .*damaged.*Get/,
      ],
      [
        written("cut", whole.slice(0, -200)),
        /parse identity file.*Check that the identity file is complete.*Or get a new identity/,
      ],
    ];
    for (const [file, told] of bad) await assert.rejects(asking(file), told, file);

    const stack = await stackOf("tf-bad-identity");
    const [[none, missing], [cut, damaged]] = [bad[0]!, bad.at(-1)!];
    assert.match(await refused(stack, "up", none), missing);
    assert.equal(await registered("tf-bad-identity"), undefined, "nothing was registered");
    await stack.up(at(identities.registrar));
    const before = await registered("tf-bad-identity");
    assert.match(await refused(stack, "refresh", none), missing);
    assert.match(await refused(stack, "destroy", cut), damaged);
    assert.deepEqual(await registered("tf-bad-identity"), before, "nothing changed");
    await stack.destroy(at(identities.registrar));
    assert.equal(await registered("tf-bad-identity"), undefined);
  });

  it("that may not be read is reported with cause and next step", async () => {
    const file = join(folder, "forbidden");
    writeFileSync(file, readFileSync(identities.registrar), { mode: 0o000 });
    // As root, who may read everything unless this capability is removed.
    const reading = `require("ts-node/register/transpile-only");
      require(${JSON.stringify(join(PROJECT, "components/teleport/client/tctl"))})
        .withTeleport({ proxy: "${PROXY}" }, (client) => client.get("db")).then(() => process.exit(3), (e) => console.log(e.failure, e.message));`;
    const withoutRight = ["--bounding-set=-dac_override,-dac_read_search", "node", "-e", reading];
    const { output } = await attempt("setpriv", withoutRight, { ...at(file), cwd: PROJECT });
    assert.match(
      output,
      /identity The Teleport identity file cannot be read: EACCES: permission denied.*Set TELEPORT_IDENTITY_FILE/,
    );
  });

  it("without the rights: the error names the role; with the role the next `up` continues", async () => {
    const { user, file } = await userWith("rightless", ["lab-reader"]);
    const stack = await stackOf("tf-rightless");
    assert.match(
      await refused(stack, "up", file),
      /tctl create at .* failed: .*denied.*Give the identity's user the role that this project provides \(registrarRole/s,
    );
    assert.equal(await registered("tf-rightless"), undefined);
    await teleport.put({
      kind: "user",
      version: "v2",
      metadata: { name: user },
      spec: { roles: ["cnpg-teleport-registrar"] },
    });
    await sleep(CACHE_LAG);
    await teleport.sign(user, file, "10m");
    await stack.up(at(file));
    await stack.destroy(at(file));
  });

  it("of a locked user, and of a deleted one: Teleport answers, so the error names the identity", async () => {
    const [locked, gone] = [await registrar("locked"), await registrar("gone")];
    const stack = await stackOf("tf-revoked");
    await stack.up(at(locked.file));
    const before = await registered("tf-revoked");
    stack.configure({ proxy: PROXY, name: "tf-revoked", description: "changed" });

    await teleport.tctl(["lock", `--user=${locked.user}`, "--ttl=5m", "--message=left the company"]);
    assert.equal((await asAdministrator(["rm", `user/${gone.user}`])).code, 0);
    await sleep(CACHE_LAG);
    for (const { user, file } of [locked, gone]) {
      const told = new RegExp(
        `Teleport answers there, but refuses the identity TELEPORT_IDENTITY_FILE=${file} \\(user ${user}\\): ` +
          `the user is locked or was deleted.*tctl get locks.*tctl get user/${user}.*get a new identity`,
        "s",
      );
      await assert.rejects(asking(file), told);
      assert.match(await refused(stack, user === gone.user ? "destroy" : "up", file), told);
    }
    assert.deepEqual(await registered("tf-revoked"), before, "nothing changed");
    assert.match(await stack.up(at((await registrar("next")).file)), /1 updated/);
  });

  it("that expires during an `up` is reported, and a new one continues", async () => {
    const stack = await stackOf("tf-ending");
    const wrapper = join(folder, "slow-tctl");
    mkdirSync(wrapper);
    const { user, file } = await registrar("ending");
    const [created, go, short] = ["created", "go", "short"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    // Delays the end of the create until its identity has been replaced by an expired one.
    const real = (await run("which", ["tctl"])).trim();
    const holding = `"${real}" "$@"; code=$?; touch "${created}"; while [ ! -e "${go}" ]; do sleep 0.2; done; exit $code`;
    const script = `#!/bin/sh\n[ "$1" = create ] && { ${holding}; }\nexec "${real}" "$@"\n`;
    writeFileSync(join(wrapper, "tctl"), script, { mode: 0o755 });
    const env = { TELEPORT_IDENTITY_FILE: file, PATH: `${wrapper}:${process.env.PATH}` };
    const running = stack.pulumi(["up", "--yes", "--skip-preview"], { env });
    await eventually("Teleport has it", async () => existsSync(created), 180_000);
    await teleport.sign(user, short, "3s");
    renameSync(short, file);
    await sleep(4_000);
    writeFileSync(go, "");
    const { code, output } = await running;
    assert.notEqual(code, 0, output);
    assert.match(output, new RegExp(`the identity TELEPORT_IDENTITY_FILE=${file} expired at 20.*Get a new identity`));
    const begun = (await registered("tf-ending"))?.labels?.[OWNER_LABEL];
    assert.ok(begun, "it was registered before the identity ended");

    assert.match(await stack.state(), /"initErrors"/, "Pulumi remembers it");
    await stack.up(at(identities.registrar));
    assert.equal((await registered("tf-ending"))?.labels?.[OWNER_LABEL], begun, "the same registration");
    await stack.destroy(at(identities.registrar));
    assert.equal(await registered("tf-ending"), undefined);
  });

  it("of another Teleport cluster: the error names both, and nothing changes", async () => {
    const other = await OwnTeleport.start({ name: "tf-elsewhere" });
    try {
      const file = await other.sign("registrar");
      const stack = await stackOf("tf-elsewhere");
      const told =
        /belongs to the Teleport cluster tf-elsewhere, but the cluster there is lab\. Get an identity of lab/;
      assert.match(await refused(stack, "up", file), told);
      await stack.up(at(identities.registrar));
      assert.match(await refused(stack, "destroy", file), told);
      assert.ok(await registered("tf-elsewhere"));
      assert.deepEqual(await other.databases(), []);
      await stack.destroy(at(identities.registrar));
    } finally {
      await other.remove();
    }
  });

  it("may be a different one at destroy, in another folder, with another home and another backend: everything is deregistered", async () => {
    const NAME = "tf-moved";
    const stack = await stackOf(NAME);
    await stack.up(at(identities.registrar));
    const exported = join(folder, "exported.json");
    writeFileSync(exported, await stack.state(), { mode: 0o600 });

    const [project, home, backend] = ["project", "home", "backend"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const made of [home, backend, join(project, "node_modules")]) mkdirSync(made, { recursive: true });
    cpSync(join(PROGRAM, "Pulumi.yaml"), join(project, "Pulumi.yaml"));
    writeFileSync(join(project, "index.ts"), ""); // a destroy does not need the program
    const { file } = await registrar("machine");
    // As `npm install` leaves them.
    symlinkSync(PROJECT, join(project, "node_modules", "cnpg-teleport"));
    symlinkSync(join(PROJECT, "node_modules", "@pulumi"), join(project, "node_modules", "@pulumi"));

    const env = { HOME: home, PULUMI_BACKEND_URL: `file://${backend}`, TELEPORT_IDENTITY_FILE: file };
    const there = new Stack(NAME, { project, env });
    stacks.push(there);
    there.configure({});
    await there.init();
    await there.must(["stack", "import", `--file=${exported}`]);
    assert.match(await there.destroy(), /1 deleted|2 deleted/);
    await sleep(CACHE_LAG);
    assert.equal(await registered(NAME), undefined);
  });
});
