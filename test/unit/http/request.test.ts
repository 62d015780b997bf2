import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { memoized } from "../../../components/memoized";
import {
  RequestError,
  sendWithRetries,
  Request,
  retryAfter,
  readCaFile,
  trustedCas,
} from "../../../components/http/request";
import { Certificate, OpenSsl } from "../certificates/openssl";
import { FakeAnswer, FakeServer } from "./fake-server";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";

describe("a request over HTTP", () => {
  const openssl = new OpenSsl();
  const servers: FakeServer[] = [];
  let ca: Certificate, identity: Certificate;
  before(() => {
    ca = openssl.ca("CA");
    identity = openssl.leaf("localhost", ca, { dnsNames: ["localhost"] });
  });
  after(() => openssl.remove());
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });
  const serve = async (answer: (count: number) => FakeAnswer, certificate?: Certificate) => {
    const server = await FakeServer.start((_asked, count) => answer(count), certificate);
    servers.push(server);
    return server;
  };
  const ask = (server: FakeServer, request: Partial<Request> = {}) =>
    sendWithRetries({ url: server.url, cas: [ca.pem], ...request }, [1, 1]);
  const failure = async (promise: Promise<unknown>) => {
    const error = await promise.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof RequestError, String(error));
    return error;
  };

  it("is repeated while the server is overloaded or broken, and resolves to its answer", async () => {
    for (const status of [429, 500, 503]) {
      const server = await serve((count) => (count < 3 ? { status } : { text: "here" }));
      assert.deepEqual([(await ask(server)).text, server.asked.length], ["here", 3]);
    }
  });

  it("is repeated a bounded number of times, and then resolves to the last answer", async () => {
    const server = await serve((count) => ({ status: 429, text: `no ${count}` }));
    const { status, text } = await ask(server);
    assert.deepEqual([status, text, server.asked.length], [429, "no 3", 3]);
  });

  it("is not repeated if the answer would stay the same", async () => {
    for (const status of [400, 403, 404, 501]) {
      const server = await serve(() => ({ status }));
      assert.deepEqual([(await ask(server)).status, server.asked.length], [status, 1]);
    }
  });

  it("waits as long as the server requests", async () => {
    const server = await serve((count) => (count === 1 ? { status: 429, headers: { "retry-after": "1" } } : {}));
    const start = Date.now();
    await ask(server);
    assert.ok(Date.now() - start >= 990, `${Date.now() - start} ms`);
  });

  it("waits at most half a minute, and ignores an invalid Retry-After", () => {
    assert.equal(retryAfter("5"), 5_000);
    assert.equal(retryAfter("86400"), 30_000);
    const now = new Date("2026-01-01T00:00:00Z");
    assert.equal(retryAfter("Thu, 01 Jan 2026 00:00:07 GMT", now), 7_000);
    assert.equal(retryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now), 0);
    assert.deepEqual([retryAfter("soon"), retryAfter(undefined)], [0, 0]);
  });

  it("does not follow redirects, which would take a token to another host", async () => {
    const other = await serve(() => ({ text: "other" }));
    const server = await serve(() => ({ status: 307, headers: { location: other.url } }));
    assert.equal((await ask(server, { headers: { "x-vault-token": "t" } })).status, 307);
    assert.equal(other.asked.length, 0);
  });

  it("sends a body as JSON", async () => {
    const server = await serve(() => ({}));
    await ask(server, { method: "POST", body: { a: 1 } });
    const [asked] = server.asked;
    assert.deepEqual(
      [asked?.method, asked?.body, asked?.headers["content-type"]],
      ["POST", '{"a":1}', "application/json"],
    );
  });

  it("fails after its limit if the server does not answer", async () => {
    const server = await serve(() => ({ silent: true }));
    const { failure: kind, message } = await failure(ask(server, { limit: 50 }));
    assert.equal(kind, "unreachable");
    assert.match(message, /no answer within 0.05 s/);
    assert.equal(server.asked.length, 3);
  });

  it("reports a server that does not exist", async () => {
    const server = await serve(() => ({}));
    const { url } = server;
    await server.close();
    assert.equal((await failure(sendWithRetries({ url, cas: [] }, []))).failure, "unreachable");
  });

  it("refuses an answer without an end", async () => {
    const server = await serve(() => ({ text: "x".repeat(1024 * 1024 + 1) }));
    assert.equal((await failure(ask(server))).failure, "too-large");
    assert.equal(server.asked.length, 1);
  });

  it("accepts a server whose CA is given, and refuses any other without repetition", async () => {
    const server = await serve(() => ({ text: "here" }), identity);
    assert.equal((await ask(server)).text, "here");
    assert.equal((await failure(ask(server, { cas: [openssl.ca("other").pem] }))).failure, "untrusted");
    assert.equal(server.asked.length, 1);
  });

  it("refuses the certificate of another host", async () => {
    const server = await serve(() => ({}), openssl.leaf("elsewhere", ca, { dnsNames: ["elsewhere.example.com"] }));
    assert.equal((await failure(ask(server))).failure, "untrusted");
  });
});

describe("a memoized request", () => {
  it("runs once, even if the first call has not finished", async () => {
    let count = 0;
    const once = memoized<number>();
    const ask = () => once("question", async () => ++count);
    assert.deepEqual(await Promise.all([ask(), ask()]), [1, 1]);
    assert.equal(await ask(), 1);
    assert.equal(await once("another", async () => ++count), 2);
  });

  it("runs again after a while, and after a failure", async () => {
    let count = 0;
    const once = memoized<number>(10);
    const ask = () =>
      once("question", async () => {
        if (++count === 1) throw new Error("no");
        return count;
      });
    await assert.rejects(ask());
    assert.equal(await ask(), 2);
    await sleep(50);
    assert.equal(await ask(), 3);
  });
});

describe("the trusted CAs", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "trusted-"));
  const file = (name: string) => join(folder, name);
  let one: Certificate, two: Certificate, three: Certificate;
  before(() => {
    [one, two, three] = ["one", "two", "three"].map((name) => openssl.ca(name)) as [
      Certificate,
      Certificate,
      Certificate,
    ];
    writeFileSync(file("file.pem"), one.pem);
    mkdirSync(file("folder"));
    writeFileSync(file("folder/two.pem"), `# two\n${two.pem}`);
    writeFileSync(file("folder/README"), "no certificate");
    writeFileSync(file("extra.pem"), three.pem);
  });
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });
  const has = (cas: readonly string[], { pem }: Certificate) => cas.includes(pem.trim());

  it("are Node's, and those of SSL_CERT_FILE, SSL_CERT_DIR and NODE_EXTRA_CA_CERTS", () => {
    const cas = trustedCas({
      SSL_CERT_FILE: file("file.pem"),
      SSL_CERT_DIR: `${file("nowhere")}:${file("folder")}`,
      NODE_EXTRA_CA_CERTS: file("extra.pem"),
    });
    assert.ok([one, two, three].every((ca) => has(cas, ca)));
    assert.ok(rootCertificates.every((root) => cas.includes(root)));
    assert.equal(new Set(cas).size, cas.length);
  });

  it("do not include CAs that no variable names, and ignore missing files", () => {
    assert.ok(!has(trustedCas({}), one));
    assert.ok(!has(trustedCas({ SSL_CERT_FILE: file("missing"), SSL_CERT_DIR: file("missing") }), one));
  });

  it("must exist in a file that a setting names", () => {
    assert.deepEqual(readCaFile("caFile", file("file.pem")), [one.pem.trim()]);
    assert.throws(() => readCaFile("caFile", file("missing")), /caFile cannot be read: .*missing/);
    assert.throws(() => readCaFile("caFile", file("folder/README")), /caFile=.*README contains no certificate in PEM/);
  });
});
