import { strict as assert } from "node:assert";
import { RequestError, sendWithRetries, Request } from "../../../components/http/request";
import { proxyFor, describeProxy } from "../../../components/http/proxy";
import { Certificate, OpenSsl } from "../certificates/openssl";
import { ConnectProxy } from "./connect-proxy";
import { FakeServer } from "./fake-server";

describe("the proxy for a URL", () => {
  const PROXY = "http://proxy.test:3128";
  const of = (url: string, environment: NodeJS.ProcessEnv) => proxyFor(url, environment)?.url.href;
  const without = (NO_PROXY: string, url: string) => of(url, { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY });

  it("comes from the variable of its scheme, in upper or lower case", () => {
    assert.equal(of("https://a.test", { HTTPS_PROXY: PROXY }), `${PROXY}/`);
    assert.equal(of("https://a.test", { https_proxy: PROXY }), `${PROXY}/`);
    assert.equal(of("https://a.test", { HTTPS_PROXY: "", https_proxy: PROXY }), `${PROXY}/`);
    assert.equal(of("https://a.test", { HTTPS_PROXY: PROXY, https_proxy: "http://b.test" }), `${PROXY}/`);
    assert.equal(of("https://a.test", { HTTP_PROXY: PROXY, ALL_PROXY: PROXY }), undefined);
    assert.equal(of("http://a.test", { http_proxy: PROXY }), `${PROXY}/`);
    assert.equal(of("http://a.test", { HTTPS_PROXY: PROXY }), undefined);
    assert.equal(of("http://a.test", { HTTP_PROXY: PROXY, REQUEST_METHOD: "GET" }), undefined);
  });

  it("may have no scheme", () => {
    assert.equal(of("https://a.test", { HTTPS_PROXY: "proxy.test:3128" }), `${PROXY}/`);
    assert.equal(of("https://a.test", { HTTPS_PROXY: "10.1.2.3:80" }), "http://10.1.2.3/");
    assert.equal(of("https://a.test", { HTTPS_PROXY: "socks5://proxy.test:1080" }), "socks5://proxy.test:1080");
  });

  it("is never used for this machine", () => {
    for (const host of ["localhost", "localhost:8200", "127.0.0.1", "127.1.2.3:6443", "[::1]:6443"]) {
      assert.equal(without("", `https://${host}/x`), undefined, host);
    }
    assert.equal(without("", "https://local.host"), `${PROXY}/`);
  });

  // Cases from the documentation and tests of golang.org/x/net/http/httpproxy.
  for (const [list, excluded, included] of [
    ["example.com", ["example.com", "a.example.com", "EXAMPLE.com"], ["badexample.com", "example.com.org"]],
    [".example.com", ["a.example.com", "b.a.example.com:8443"], ["example.com"]],
    ["*.example.com", ["a.example.com"], ["example.com"]],
    ["example.com:8443", ["example.com:8443", "a.example.com:8443"], ["example.com", "example.com:80"]],
    ["example.com:443", ["example.com"], ["example.com:8443"]],
    ["10.0.0.0/8", ["10.1.2.3", "10.255.0.1:6443"], ["11.0.0.1", "a10.test"]],
    ["10.1.2.3", ["10.1.2.3", "10.1.2.3:6443"], ["10.1.2.4"]],
    ["10.1.2.3:6443", ["10.1.2.3:6443"], ["10.1.2.3"]],
    ["2001:db8::/32", ["[2001:db8::1]:6443"], ["[2001:db9::1]"]],
    ["[2001:db8::1]:6443", ["[2001:db8::1]:6443"], ["[2001:db8::1]"]],
    ["2001:db8::1", ["[2001:db8::1]"], ["[2001:db8::2]"]],
    ["*", ["example.com", "10.1.2.3"], []],
    [" a.test , ,b.test,10.0.0.0/33", ["a.test", "b.test"], ["c.test", "10.0.0.1"]],
    ["3.4", [], ["1.2.3.4"]],
  ] as const) {
    it(`is not used for what NO_PROXY=${list} excludes`, () => {
      for (const host of excluded) assert.equal(without(list, `https://${host}/`), undefined, host);
      for (const host of included) assert.equal(without(list, `https://${host}/`), `${PROXY}/`, host);
    });
  }

  it("is shown without its password", () => {
    const proxy = proxyFor("https://a.test", { https_proxy: "http://me:secret@proxy.test:3128" });
    assert.equal(proxy && describeProxy(proxy), "https_proxy=http://proxy.test:3128");
  });
});

describe("a request through a proxy", () => {
  const openssl = new OpenSsl();
  let ca: Certificate, server: FakeServer, plain: FakeServer, proxy: ConnectProxy;
  before(async () => {
    ca = openssl.ca("CA");
    const identity = openssl.leaf("vault.test", ca, { dnsNames: ["vault.test"] });
    server = await FakeServer.start(() => ({ text: "over TLS" }), identity);
    plain = await FakeServer.start(() => ({ text: "plain" }));
  });
  beforeEach(async () => (proxy = await ConnectProxy.start()));
  afterEach(() => proxy.close());
  after(async () => {
    await server.close();
    await plain.close();
    openssl.remove();
  });
  const port = ({ host }: FakeServer) => host.split(":")[1];
  const ask = (url: string, environment: NodeJS.ProcessEnv, request: Partial<Request> = {}) =>
    sendWithRetries({ url, cas: [ca.pem], environment, ...request }, []);
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => assert.fail("it is answered"),
      (error: RequestError) => [error.failure, error.message],
    );

  it("reaches a server over TLS by CONNECT, and verifies the server's certificate", async () => {
    const url = `https://vault.test:${port(server)}/v1/x`;
    const { text } = await ask(url, { HTTPS_PROXY: proxy.url });
    assert.equal(text, "over TLS");
    assert.deepEqual(proxy.asked, [`vault.test:${port(server)}`]);
    assert.equal(server.asked.at(-1)?.path, "/v1/x");
    const other = failure(ask(`https://other.test:${port(server)}`, { HTTPS_PROXY: proxy.url }));
    assert.equal((await other)[0], "untrusted");
    assert.equal((await failure(ask(url, { HTTPS_PROXY: proxy.url }, { cas: [] })))[0], "untrusted");
  });

  it("is not used if NO_PROXY excludes the server, or for this machine", async () => {
    await ask(`https://localhost:${port(server)}`, { HTTPS_PROXY: proxy.url }).catch(() => undefined);
    await failure(ask(`https://vault.test:${port(server)}`, { HTTPS_PROXY: proxy.url, NO_PROXY: ".test" }));
    assert.deepEqual(proxy.asked, []);
  });

  it("sends user and password to the proxy", async () => {
    const withUser = proxy.url.replace("//", "//me:s%40crit@");
    await ask(`https://vault.test:${port(server)}`, { HTTPS_PROXY: withUser });
    assert.deepEqual(proxy.authorizations, [`Basic ${Buffer.from("me:s@crit").toString("base64")}`]);
  });

  it("is sent to the proxy completely if it has no TLS", async () => {
    const url = `http://vault.test:${port(plain)}/v1/y`;
    assert.equal((await ask(url, { HTTP_PROXY: proxy.url })).text, "plain");
    assert.deepEqual(proxy.asked, [url]);
    assert.equal(plain.asked.at(-1)?.headers.host, `vault.test:${port(plain)}`);
  });

  it("names the variable and no password if it fails", async () => {
    const url = `https://vault.test:${port(server)}`;
    const withUser = proxy.url.replace("//", "//me:secret@");
    proxy.refuses = 407;
    const [kind, message] = await failure(ask(url, { HTTPS_PROXY: withUser }));
    assert.equal(kind, "unreachable");
    assert.match(
      message ?? "",
      /^the proxy of HTTPS_PROXY=http:\/\/127\.0\.0\.1:\d+ does not connect to .*: it answers 407/,
    );
    proxy.refuses = 0;
    const silent = await failure(ask(url, { HTTPS_PROXY: withUser }, { limit: 200 }));
    assert.match(silent[1] ?? "", /^no answer within 0\.2 s through the proxy of HTTPS_PROXY=/);
    const gone = await failure(ask(url, { https_proxy: "http://127.0.0.1:1" }));
    assert.match(gone[1] ?? "", /^the proxy of https_proxy=http:\/\/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
    const odd = await failure(ask(url, { HTTPS_PROXY: "ftp://proxy.test" }));
    assert.deepEqual(odd[0], "configuration");
  });
});
