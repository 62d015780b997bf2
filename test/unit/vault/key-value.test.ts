import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vaultRequest } from "../../../components/vault/client";
import { withVaultEngine } from "../../../components/vault-database/vault-engine";
import { VaultError, VaultFailure } from "../../../components/vault/errors";
import { parseKeyValuePath, readKeyValue } from "../../../components/vault/key-value";
import { Certificate, OpenSsl } from "../certificates/openssl";
import { Asked, FakeAnswer, FakeServer } from "../http/fake-server";

const json = (value: unknown, status = 200): FakeAnswer => ({ status, text: JSON.stringify(value) });
const errors = (status: number, ...told: string[]) => json({ errors: told }, status);

describe("the path of a value in Vault", () => {
  it("is a path, and a key after #", () => {
    assert.deepEqual(parseKeyValuePath("secret/teleport/ci", "identity"), {
      path: "secret/teleport/ci",
      key: "identity",
    });
    assert.deepEqual(parseKeyValuePath(" /kv/ci/#pem ", "identity"), { path: "kv/ci", key: "pem" });
  });
  it("is refused if it is not valid", () => {
    for (const text of ["", "secret", "secret/", "#key", "secret/x#", "secret/x#a#b"])
      assert.equal(parseKeyValuePath(text, "identity"), undefined, text);
  });
});

describe("a list in Vault", () => {
  it("is asked for like the vault command does, and needs the right list", async () => {
    const asked: string[] = [];
    const server = await FakeServer.start(({ path }) => {
      asked.push(path);
      return path.startsWith("/v1/pg/config") ? json({ data: { keys: ["orders"] } }) : errors(403, "permission denied");
    });
    try {
      const list = (path: string) =>
        vaultRequest({ address: server.url, cas: [], delays: [] }, { path, list: true, token: "t" });
      assert.deepEqual(await list("pg/config"), { data: { keys: ["orders"] } });
      await assert.rejects(list("pg/roles"), /path "pg\/roles\/" \{ capabilities = \["list"\] \}/);
      assert.deepEqual(asked, ["/v1/pg/config?list=true", "/v1/pg/roles?list=true"]);
    } finally {
      await server.close();
    }
  });
});

describe("the ID of a mount in Vault", () => {
  it("is undefined if nothing is mounted there, which Vault says with 400", async () => {
    const server = await FakeServer.start(({ path }) =>
      path === "/v1/sys/mounts/pg"
        ? json({ data: { accessor: "database_1" } })
        : path === "/v1/sys/mounts/auth/gone"
          ? errors(400, "No secret engine mount at auth/gone/")
          : errors(400, "something else"),
    );
    const { VAULT_TOKEN: former } = process.env;
    process.env.VAULT_TOKEN = "t";
    try {
      const accessor = (mount: string) => withVaultEngine({ address: server.url }, (engine) => engine.accessor(mount));
      assert.equal(await accessor("pg"), "database_1");
      assert.equal(await accessor("auth/gone"), undefined);
      await assert.rejects(accessor("odd"), /something else/);
    } finally {
      if (former === undefined) delete process.env.VAULT_TOKEN;
      else process.env.VAULT_TOKEN = former;
      await server.close();
    }
  });
});

describe("a value in Vault's key-value engine", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "vault-"));
  const servers: FakeServer[] = [];
  let ca: Certificate, identity: Certificate;
  before(() => {
    ca = openssl.ca("CA");
    identity = openssl.leaf("localhost", ca, { dnsNames: ["localhost"] });
    writeFileSync(join(folder, "ca.pem"), ca.pem);
    writeFileSync(join(folder, ".vault-token"), "of-file\n");
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  const MOUNTS = "/v1/sys/internal/ui/mounts/secret/ci";
  const version = (told: "1" | "2") => json({ data: { path: "secret/", options: { version: told } } });
  const ofVersion2: Record<string, FakeAnswer> = {
    [MOUNTS]: version("2"),
    "/v1/secret/data/ci": json({ data: { data: { key: "value", empty: "", number: 1 }, metadata: {} } }),
    "/v1/auth/approle/login": json({ auth: { client_token: "of-approle" } }),
    "/v1/auth/token/revoke-self": { status: 204 },
  };
  const vault = async (answers: Record<string, FakeAnswer>, certificate?: Certificate) => {
    const server = await FakeServer.start(({ path }) => answers[path] ?? errors(404), certificate);
    servers.push(server);
    return server;
  };
  const read = (server: FakeServer, environment: NodeJS.ProcessEnv = { VAULT_TOKEN: "of-variable" }, key = "key") =>
    readKeyValue({ path: "secret/ci", key }, { VAULT_ADDR: server.url, HOME: folder, ...environment }, []);
  const tokens = (asked: readonly Asked[]) => asked.map(({ headers }) => headers["x-vault-token"]);
  const refusal = async (promise: Promise<unknown>, failure: VaultFailure, told: RegExp) => {
    const caught = await promise.then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(caught instanceof VaultError, String(caught));
    assert.deepEqual([caught.failure, told.test(caught.message) || caught.message], [failure, true]);
  };

  it("is read from version 2", async () => assert.equal(await read(await vault(ofVersion2)), "value"));

  it("is read from version 1", async () => {
    const server = await vault({ [MOUNTS]: version("1"), "/v1/secret/ci": json({ data: { key: "value" } }) });
    assert.equal(await read(server), "value");
  });

  it("is read from a namespace", async () => {
    const server = await vault(ofVersion2);
    await read(server, { VAULT_TOKEN: "t", VAULT_NAMESPACE: "team" });
    assert.ok(server.asked.every(({ headers }) => headers["x-vault-namespace"] === "team"));
  });

  it("is read over TLS only if VAULT_CACERT has the CA", async () => {
    const server = await vault(ofVersion2, identity);
    assert.equal(await read(server, { VAULT_TOKEN: "t", VAULT_CACERT: join(folder, "ca.pem") }), "value");
    await refusal(read(server), "configuration", /set VAULT_CACERT/);
    const missing = read(server, { VAULT_TOKEN: "t", VAULT_CACERT: "/nowhere" });
    await refusal(missing, "configuration", /VAULT_CACERT cannot be read: .*\/nowhere/);
  });

  describe("is read with a token", () => {
    it("from VAULT_TOKEN first, which is not revoked", async () => {
      const server = await vault(ofVersion2);
      await read(server, { VAULT_TOKEN: "of-variable", VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" });
      assert.deepEqual(tokens(server.asked), ["of-variable", "of-variable"]);
    });

    it("from a login by AppRole, which is revoked", async () => {
      const server = await vault(ofVersion2);
      await read(server, { VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" });
      assert.deepEqual(
        server.asked.map(({ path }) => path),
        ["/v1/auth/approle/login", MOUNTS, "/v1/secret/data/ci", "/v1/auth/token/revoke-self"],
      );
      assert.deepEqual(JSON.parse(server.asked[0]?.body ?? ""), { role_id: "r", secret_id: "s" });
      assert.deepEqual(tokens(server.asked), [undefined, "of-approle", "of-approle", "of-approle"]);
    });

    it("that is revoked even if reading failed, and whose revocation may fail", async () => {
      const { "/v1/auth/token/revoke-self": _, "/v1/secret/data/ci": __, ...answers } = ofVersion2;
      const server = await vault({ ...answers, "/v1/auth/token/revoke-self": errors(403, "permission denied") });
      await refusal(read(server, { VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" }), "not-found", /no secret at secret\/ci/);
      assert.equal(server.asked.at(-1)?.path, "/v1/auth/token/revoke-self");
    });

    it("from an AppRole at another mount", async () => {
      const server = await vault({ ...ofVersion2, "/v1/auth/ci/login": json({ auth: { client_token: "t" } }) });
      await read(server, { VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s", VAULT_APPROLE_MOUNT: "ci" });
      assert.equal(server.asked[0]?.path, "/v1/auth/ci/login");
    });

    it("from the file that vault login writes", async () => {
      const server = await vault(ofVersion2);
      await read(server, { VAULT_ROLE_ID: "only half of an AppRole" });
      assert.deepEqual(tokens(server.asked), ["of-file", "of-file"]);
    });
  });

  describe("is refused with a message that says what to do,", () => {
    const answering = (answer: FakeAnswer, at = "/v1/secret/data/ci") => vault({ ...ofVersion2, [at]: answer });

    it("if Vault is sealed", async () =>
      refusal(read(await answering(errors(503, "Vault is sealed"))), "sealed", /Unseal it/));

    it("if Vault is overloaded or unavailable", async () => {
      await refusal(read(await answering(errors(429, "quota"))), "unavailable", /429 quota/);
      await refusal(read(await answering({ status: 502, text: "<html>" })), "unavailable", /: 502\. Run/);
      const server = await vault(ofVersion2);
      await server.close();
      await refusal(read(server), "unavailable", /Check VAULT_ADDR/);
    });

    it("if the token has no right, naming the path that its policy needs", async () => {
      const denied = errors(403, "1 error occurred:\n\t* permission denied\n\n");
      await refusal(
        read(await answering(denied)),
        "access-denied",
        /path "secret\/data\/ci" \{ capabilities = \["read"\]/,
      );
      const preflight = errors(403, "preflight capability check returned 403, please ensure …");
      await refusal(read(await answering(preflight, MOUNTS)), "access-denied", /path "secret\/data\/ci"/);
    });

    it("if the token or the AppRole is not valid", async () => {
      const invalid = errors(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
      await refusal(read(await answering(invalid, MOUNTS)), "login", /Get a new token/);
      const login = { VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "hush" };
      const unaccepted = read(
        await answering(errors(400, "invalid role or secret ID"), "/v1/auth/approle/login"),
        login,
      );
      await refusal(unaccepted, "login", /refused the login at auth\/approle\/login\. Check VAULT_ROLE_ID/);
      await assert.rejects(unaccepted, (error: Error) => !error.message.includes("hush"));
      const { "/v1/auth/approle/login": _, ...noAppRole } = ofVersion2;
      await refusal(read(await vault(noAppRole), login), "login", /returned no token at auth\/approle\/login/);
    });

    it("if there is no secret, no such key, or no string in it", async () => {
      await refusal(read(await answering(errors(404))), "not-found", /no secret at secret\/ci.*secret\/data\/ci/);
      const deleted = json({ data: { data: null, metadata: { deletion_time: "2026-01-01" } } }, 404);
      await refusal(read(await answering(deleted)), "not-found", /newest version was deleted/);
      const server = await vault(ofVersion2);
      const keys = /has no key other\. Its keys: key, empty, number/;
      await refusal(read(server, { VAULT_TOKEN: "t" }, "other"), "not-found", keys);
      for (const key of ["empty", "number"])
        await refusal(read(server, { VAULT_TOKEN: "t" }, key), "not-found", /no non-empty string in the key/);
    });

    it("if the path contains the data/ of version 2", async () => {
      const at = "/v1/sys/internal/ui/mounts/secret/data/ci";
      const server = await vault({ ...ofVersion2, [at]: version("2") });
      const environment = { VAULT_ADDR: server.url, VAULT_TOKEN: "t" };
      const promise = readKeyValue({ path: "secret/data/ci", key: "key" }, environment, []);
      await refusal(promise, "not-found", /without data\/: secret\/ci/);
    });

    it("if the environment names no Vault, no credentials, or another server", async () => {
      const nowhere = (environment: NodeJS.ProcessEnv) => readKeyValue({ path: "a/b", key: "k" }, environment, []);
      await refusal(nowhere({}), "configuration", /VAULT_ADDR is not set/);
      await refusal(nowhere({ VAULT_ADDR: "vault" }), "configuration", /VAULT_ADDR=vault must begin with https/);
      await refusal(nowhere({ VAULT_ADDR: "localhost:8200" }), "configuration", /VAULT_ADDR=localhost:8200 must begin/);
      const server = await vault(ofVersion2);
      await refusal(read(server, { HOME: join(folder, "none") }), "configuration", /Set VAULT_TOKEN, or VAULT_ROLE_ID/);
      await refusal(read(await answering({ text: "<html>" }, MOUNTS)), "configuration", /is not Vault/);
      const moved = { status: 307, headers: { location: "https://active.example.com" } };
      await refusal(read(await answering(moved, MOUNTS)), "configuration", /Set VAULT_ADDR to .*active\.example\.com/);
    });
  });
});
