import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityVariables, resolveIdentity } from "../../../../components/teleport/client/identity";
import type { TeleportError } from "../../../../components/teleport/client/errors";
import { OpenSsl } from "../../certificates/openssl";
import { FakeAnswer, FakeServer } from "../../http/fake-server";

describe("identity", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "identity-"));
  let content: string;
  before(() => {
    const cluster = openssl.ca("lab");
    const user = openssl.leaf("registrar", cluster, { use: "clientAuth" });
    content = `${user.key}${user.pem}${cluster.pem}`;
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });
  const fileWith = (text: string) => {
    const file = join(folder, "identity");
    writeFileSync(file, text);
    return file;
  };

  const resolve = (environment: NodeJS.ProcessEnv, credentials?: string, now?: Date) =>
    resolveIdentity(credentials, environment, now, []);

  it("is the file that TELEPORT_IDENTITY_FILE names, and shows the cluster that signed it", async () => {
    const file = fileWith(content);
    const identity = await resolve({ TELEPORT_IDENTITY_FILE: file, TELEPORT_IDENTITY: "ignored" });
    assert.deepEqual([identity.file, identity.cluster], [file, "lab"]);
    identity.release();
    assert.ok(existsSync(file), "a file of the user's is never removed");
  });

  it("is the file `identity` in a folder that tbot writes to", async () => {
    const file = fileWith(content);
    const identity = await resolve({ TELEPORT_IDENTITY_FILE: folder });
    assert.deepEqual([identity.file, identity.cluster], [file, "lab"]);
    identity.release();
    rmSync(file);
    await assert.rejects(
      resolve({ TELEPORT_IDENTITY_FILE: folder }),
      /ENOENT.*identity.*TELEPORT_IDENTITY_FILE.*folder of a tbot output of type identity/,
    );
  });

  it("is the content of TELEPORT_IDENTITY, in an unlinked temporary file that only this user can read", async () => {
    const temporary = mkdtempSync(join(folder, "temporary-"));
    const before = process.env.TMPDIR;
    process.env.TMPDIR = temporary;
    const identity = await resolve({ TELEPORT_IDENTITY: content, TELEPORT_IDENTITY_VAULT: "ignored" });
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    assert.ok(identity.file);
    assert.equal(statSync(identity.file).mode & 0o777, 0o600);
    for (const time of ["first", "second"])
      assert.equal(
        execFileSync("cat", [identity.file], { encoding: "utf8" }).trim(),
        content.trim(),
        `${time} reading`,
      );
    assert.deepEqual(readdirSync(temporary), [], "what is killed now leaves nothing");
    identity.release();
    assert.ok(!existsSync(identity.file));
  });

  it("is of the named credentials where there are several", async () => {
    assert.deepEqual(identityVariables("emea-1"), {
      file: "TELEPORT_EMEA_1_IDENTITY_FILE",
      content: "TELEPORT_EMEA_1_IDENTITY",
      vault: "TELEPORT_EMEA_1_IDENTITY_VAULT",
    });
    const file = fileWith(content);
    assert.equal((await resolve({ TELEPORT_EMEA_IDENTITY_FILE: file }, "emea")).file, file);
    await assert.rejects(
      resolve({ TELEPORT_IDENTITY_FILE: file }, "emea"),
      /TELEPORT_EMEA_IDENTITY_FILE, TELEPORT_EMEA_IDENTITY and TELEPORT_EMEA_IDENTITY_VAULT/,
    );
  });

  it("is tctl's own profile if no variable is set", async () => assert.equal((await resolve({})).file, undefined));

  it("says when it expired and how to get a new one", async () => {
    const later = new Date(Date.now() + 40 * 86_400_000);
    const expired = resolve({ TELEPORT_IDENTITY_FILE: fileWith(content) }, undefined, later);
    await assert.rejects(expired, /expired at \d{4}-\d\d-\d\dT.*tctl auth sign/);
  });

  it("is refused if it is not a valid identity", async () => {
    await assert.rejects(resolve({ TELEPORT_IDENTITY_FILE: fileWith("junk") }), /is not a valid Teleport identity/);
    await assert.rejects(resolve({ TELEPORT_IDENTITY: "junk" }), /TELEPORT_IDENTITY is not a valid Teleport identity/);
    await assert.rejects(resolve({ TELEPORT_IDENTITY_FILE: "/nowhere" }), /cannot be read.*\/nowhere/);
  });

  describe("in Vault", () => {
    let vault: FakeServer;
    let kept: Record<string, unknown>;
    let answer: FakeAnswer | undefined;
    beforeEach(async () => {
      [kept, answer] = [{ identity: content, other: content }, undefined];
      vault = await FakeServer.start(({ path }) => {
        if (answer) return answer;
        const data = path.includes("/mounts/") ? { path: "secret/", options: { version: "2" } } : { data: kept };
        return { text: JSON.stringify({ data }) };
      });
    });
    afterEach(() => vault.close());
    const from = (path: string) => ({ TELEPORT_IDENTITY_VAULT: path, VAULT_ADDR: vault.url, VAULT_TOKEN: "t" });

    it("is the value of a key, in a temporary file", async () => {
      for (const path of ["secret/registrar", "secret/registrar#other"]) {
        const identity = await resolve(from(path));
        assert.equal(identity.cluster, "lab");
        assert.equal(readFileSync(identity.file ?? "", "utf8").trim(), content.trim());
        identity.release();
        assert.ok(!existsSync(identity.file ?? ""));
      }
    });

    it("is read once for all resources of a run, and written to a separate file for each", async () => {
      const [one, other] = await Promise.all([resolve(from("secret/registrar")), resolve(from("secret/registrar"))]);
      assert.equal(vault.asked.length, 2, "mount and value");
      one.release();
      assert.ok(existsSync(other.file ?? ""));
      other.release();
    });

    it("is of the named credentials where there are several", async () => {
      const { TELEPORT_IDENTITY_VAULT, ...environment } = from("secret/emea");
      const identity = await resolve({ ...environment, TELEPORT_EMEA_IDENTITY_VAULT: TELEPORT_IDENTITY_VAULT }, "emea");
      assert.equal(identity.cluster, "lab");
      identity.release();
    });

    it("is refused if it is not valid or has expired, and the message names the variable", async () => {
      await assert.rejects(
        resolve(from("registrar")),
        /TELEPORT_IDENTITY_VAULT=registrar is not a valid path of a secret/,
      );
      await assert.rejects(resolve(from("secret/x#missing")), /TELEPORT_IDENTITY_VAULT=.*has no key missing/);
      kept = { identity: "hunter2" };
      const junk = resolve(from("secret/junk"));
      await assert.rejects(junk, (error: Error) => /is not a valid Teleport identity/.test(error.message));
      await assert.rejects(junk, (error: Error) => !error.message.includes("hunter2"));
      kept = { identity: content };
      const later = new Date(Date.now() + 40 * 86_400_000);
      await assert.rejects(resolve(from("secret/old"), undefined, later), /IDENTITY_VAULT=secret\/old expired at/);
    });

    it("is unavailable while Vault is unavailable, but not if Vault refuses it", async () => {
      const failure = (error: TeleportError) => error.failure;
      const caught = () => resolve(from("secret/registrar")).then(() => undefined, failure);
      answer = { status: 503, text: '{"errors":["Vault is sealed"]}' };
      assert.equal(await caught(), "unavailable");
      answer = { status: 502 };
      assert.equal(await caught(), "unavailable");
      answer = { status: 403, text: '{"errors":["permission denied"]}' };
      assert.equal(await caught(), "identity");
    });
  });
});
