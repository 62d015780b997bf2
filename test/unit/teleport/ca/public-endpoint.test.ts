import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { operations } from "../../../../components/operations";
import { TeleportError } from "../../../../components/teleport/client/errors";
import { readPublicDatabaseClientCa } from "../../../../components/teleport/ca/public-endpoint";
import { Certificate, OpenSsl } from "../../certificates/openssl";
import { FakeAnswer, FakeServer } from "../../http/fake-server";

describe("the CA at a Teleport proxy's public endpoint", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "proxy-"));
  const caFile = join(folder, "ca.pem");
  const servers: FakeServer[] = [];
  let webCa: Certificate, web: Certificate, db: Certificate, dbClient: Certificate;
  before(() => {
    webCa = openssl.ca("web CA");
    web = openssl.leaf("localhost", webCa, { dnsNames: ["localhost"] });
    db = openssl.ca("lab");
    dbClient = openssl.ca("lab");
    writeFileSync(caFile, webCa.pem);
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  /** A proxy whose answer depends on the requested CA type. */
  const proxy = async (answer: (type: string, count: number, format: string | null) => FakeAnswer) => {
    const server = await FakeServer.start(({ path }, count) => {
      const url = new URL(path, "https://localhost");
      return url.pathname === "/webapi/auth/export"
        ? answer(url.searchParams.get("type") ?? "", count, url.searchParams.get("format"))
        : { status: 404 };
    }, web);
    servers.push(server);
    return server;
  };
  const read = (server: FakeServer, environment: NodeJS.ProcessEnv = { SSL_CERT_FILE: caFile }) =>
    readPublicDatabaseClientCa({ proxy: server.host }, environment, [1]);
  const error = async (promise: Promise<unknown>) => {
    const caught = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(caught instanceof TeleportError, String(caught));
    return caught;
  };

  it("is that of db-client, read once", async () => {
    const server = await proxy(() => ({ text: dbClient.pem }));
    const [first, second] = await Promise.all([read(server), read(server)]);
    assert.deepEqual(first, { cluster: "lab", certificates: [dbClient.pem.trim()] });
    assert.equal(second, first);
    assert.deepEqual(
      server.asked.map(({ path }) => path),
      ["/webapi/auth/export?type=db-client&format=json"],
    );
  });

  /** As Go prints a list of `struct { Data []byte }`. */
  const json = (...pems: string[]): FakeAnswer => ({
    headers: { "content-type": "application/json" },
    text: JSON.stringify(pems.map((pem) => ({ data: Buffer.from(pem).toString("base64") }))),
  });
  /**
   * The answer of releases since 2025 to a request without a format, if there are several CAs. http.Error appends the
   * line end.
   */
  const several: FakeAnswer = {
    status: 400,
    text: "found 2 authorities to export, use format=zip or format=json to export all\n",
  };

  it("has both certificates of a rotation, by one request, if the proxy knows the JSON format", async () => {
    const server = await proxy((_type, _count, format) => (format === "json" ? json(dbClient.pem, db.pem) : several));
    assert.deepEqual(await read(server), { cluster: "lab", certificates: [dbClient.pem.trim(), db.pem.trim()] });
    assert.equal(server.asked.length, 1);
  });

  it("may be a single certificate in JSON", async () => {
    const server = await proxy(() => json(dbClient.pem));
    assert.deepEqual((await read(server)).certificates, [dbClient.pem.trim()]);
    const twice = await proxy(() => json(dbClient.pem, dbClient.pem));
    assert.deepEqual((await read(twice)).certificates, [dbClient.pem.trim()]);
  });

  it("is requested without a format if the proxy does not know JSON", async () => {
    const unsupported = { status: 400, text: 'unsupported format "json"\n' };
    const server = await proxy((_type, _count, format) => (format === null ? { text: dbClient.pem } : unsupported));
    assert.deepEqual((await read(server)).certificates, [dbClient.pem.trim()]);
    assert.equal(server.asked.length, 2);
  });

  it("is refused if the JSON contains anything else, and the content is not shown", async () => {
    const key = { text: JSON.stringify([{ data: Buffer.from(dbClient.key).toString("base64") }]) };
    for (const answer of [
      key,
      { text: "[]" },
      { text: "[1]" },
      { text: '{"data":"eA=="}' },
      { text: "[{" },
      { text: "null" },
    ]) {
      const { failure, message } = await error(read(await proxy(() => answer)));
      assert.equal(failure, "failed");
      assert.match(message, /something other than certificates \((in JSON|"null")\)/);
    }
  });

  // Teleport 13 and 14
  it("is db's where the proxy does not know db-client", async () => {
    const unknown = (type: string): FakeAnswer => ({
      status: 400,
      text: `"${type}" authority type is not supported\n`,
    });
    const server = await proxy((type) => (type === "db" ? { text: db.pem } : unknown(type)));
    assert.deepEqual((await read(server)).certificates, [db.pem.trim()]);
  });

  it("is requested again if the proxy limits the rate of requests", async () => {
    const server = await proxy((_type, count) => (count === 1 ? { status: 429 } : { text: dbClient.pem }));
    assert.deepEqual((await read(server)).certificates, [dbClient.pem.trim()]);
  });

  it("is unavailable, and not read from another type, while the proxy limits requests or does not answer", async () => {
    const limiting = await proxy((type) => (type === "db" ? { text: db.pem } : { status: 429, text: "slow down" }));
    const limited = await error(read(limiting));
    assert.equal(limited.failure, "unavailable");
    assert.match(limited.message, /429 \("slow down"\): it limits the rate/);
    const away = await proxy(() => ({}));
    await away.close();
    assert.equal((await error(read(away))).failure, "unavailable");
  });

  it("may have any number of certificates, and nothing else", async () => {
    const both = await proxy(() => ({ text: dbClient.pem + db.pem }));
    assert.equal((await read(both)).certificates.length, 2);
    for (const text of ["<html>Sign in</html>", `${dbClient.pem}${dbClient.key}`, ""]) {
      const { failure, message } = await error(read(await proxy(() => ({ text }))));
      assert.equal(failure, "failed");
      assert.match(message, /something other than certificates/);
    }
    const junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    assert.match((await error(read(await proxy(() => ({ text: junk }))))).message, /cannot be read/);
  });

  for (const [what, answer] of Object.entries<(format: string | null) => string>({
    // `exportTLSAuthority` of lib/client/ca_export.go, 13 to the first releases of 17: an HSM gives each auth server its CA.
    "does not show": () => "expected one TLS key pair, got 2\n",
    // `authExportPublicError` of lib/web, for some weeks of 2025
    "offers only as an archive": (format) =>
      format === null
        ? "found 2 authorities to export, use format=zip to export all\n"
        : `unsupported format "${format}"\n`,
  }))
    it(`says where to read several CAs that the proxy ${what}`, async () => {
      const server = await proxy((_type, _count, format) => ({ status: 400, text: answer(format) }));
      assert.match((await error(read(server))).message, /Upgrade Teleport, or .*from: teleport/);
    });

  it("is refused from a proxy whose certificate is not trusted, and the message says how to trust it", async () => {
    const server = await proxy(() => ({ text: dbClient.pem }));
    const { failure, message } = await error(read(server, {}));
    assert.equal(failure, "failed");
    assert.match(message, /set SSL_CERT_FILE, or caFile of this source/);
    assert.equal((await readPublicDatabaseClientCa({ proxy: server.host, caFile }, {}, [])).cluster, "lab");
    const other = join(folder, "other.pem");
    writeFileSync(other, openssl.ca("other").pem);
    const narrowed = readPublicDatabaseClientCa({ proxy: server.host, caFile: other }, { SSL_CERT_FILE: caFile }, []);
    assert.equal((await error(narrowed)).failure, "failed", "caFile names all that are trusted");
  });

  describe("in Pulumi's provider", () => {
    const inputs = (server: FakeServer) => ({ proxy: server.host, source: "proxy", caFile }) as const;

    it("needs no identity, and is an input, so that a preview shows a change", async () => {
      const server = await proxy(() => ({ text: dbClient.pem }));
      const { inputs: checked } = await operations.certAuthority.check({} as never, inputs(server));
      assert.deepEqual(checked, { ...inputs(server), cluster: "lab", certificates: [dbClient.pem.trim()] });
      const state = { ...checked!, certificates: [db.pem] };
      assert.equal((await operations.certAuthority.diff("lab", state, checked!)).changes, true);
      assert.equal((await operations.certAuthority.diff("lab", checked!, checked!)).changes, false);
      const { props } = await operations.certAuthority.read("lab", { ...state, rotationPhase: "init" });
      assert.deepEqual(props, checked);
    });
  });
});
