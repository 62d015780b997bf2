/** A Vault that is sealed, down, or refuses, and misconfigured roles and chains: reported, and nothing is half done. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { checkCertificate } from "../../components/certificates/certificate-check";
import { Stack } from "../../lab/drive/stack";
import { kubectl } from "../lab/lab";
import { makeChain, makeLogin, setAtEnd } from "./ca-chain";
import { OwnVault } from "./own-vault";
import { TcpProxy } from "./tcp-proxy";

const NAME = "sys-vault";
const SERVER = { mount: "pki", role: "server" };
const CLIENT = { mount: "pki", role: "client" };
const issuer = (settings: object = {}) => ({
  type: "vault",
  server: SERVER,
  client: CLIENT,
  validity: "720h",
  renewBefore: "240h",
  ...settings,
});

describe("certificates from a misconfigured or unavailable Vault", () => {
  let vault: OwnVault;
  let proxy: TcpProxy;
  let stack: Stack;
  let root = "";
  let credentials: NodeJS.ProcessEnv = {};
  let login: Awaited<ReturnType<typeof makeLogin>>;

  before(async () => {
    vault = await OwnVault.start();
    proxy = await TcpProxy.open(vault.host);
    root = await makeChain(vault);
    login = await makeLogin(vault);
    credentials = { VAULT_ROLE_ID: login.VAULT_ROLE_ID, VAULT_SECRET_ID: await login.secretId() };
    await kubectl("create", "namespace", NAME);
    const env = {
      VAULT_ADDR: `http://${proxy.address}`,
      VAULT_CACERT: undefined,
    };
    stack = new Stack(NAME, { project: join(__dirname, "certificates-program"), env });
    await stack.init();
  });
  after(async () => {
    proxy.line = "pass";
    await vault.unseal().catch(() => {});
    await stack.pulumi(["destroy", "--yes", "--skip-preview"], { env: credentials });
    await stack.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
    await proxy.close();
    await vault.end();
  });

  const run = (command: "up" | "destroy", env = credentials) =>
    stack.pulumi([command, "--yes", "--skip-preview"], { env });
  const configure = (settings: object = {}) => stack.configure({ cluster: NAME, issuer: issuer(settings) });

  async function refused(told: RegExp, env = credentials): Promise<void> {
    const { code, output } = await run("up", env);
    assert.notEqual(code, 0, output);
    assert.match(output, told);
    assert.ok(!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(output), "no key is shown");
  }

  async function servedCertificate(): Promise<X509Certificate> {
    const pem = await kubectl("-n", NAME, "get", "secret", `${NAME}-server-tls`, "-o", "jsonpath={.data.tls\\.crt}");
    return new X509Certificate(Buffer.from(pem, "base64"));
  }

  /**
   * Certificates of an earlier successful run may be there, but never a certificate that its own CA, up to a root,
   * did not sign.
   */
  async function nothingWrongIsServed(): Promise<void> {
    const read = async (secret: string, key: string) => {
      const found = await kubectl(
        "-n",
        NAME,
        "get",
        "secret",
        secret,
        "--ignore-not-found",
        "-o",
        `jsonpath={.data.${key}}`,
      );
      return Buffer.from(found, "base64").toString();
    };
    const certificate = await read(`${NAME}-server-tls`, "tls\\.crt");
    if (certificate === "") return;
    const dnsNames = [`${NAME}-rw`];
    const expected = {
      setting: "issuer.server",
      use: "server" as const,
      commonName: `${NAME}-rw`,
      dnsNames,
      validity: 720,
    };
    checkCertificate(certificate, await read(`${NAME}-server-ca`, "ca\\.crt"), expected);
  }

  const WRONG: [string, object, RegExp][] = [
    ["a role that does not exist", { server: { mount: "pki", role: "none" } }, /pki\/sign\/none[^]*unknown role: none/],
    [
      "a mount that does not exist",
      { server: { mount: "nowhere", role: "server" } },
      /nowhere\/sign\/server[^]*(no handler|404)/,
    ],
    [
      "a role that the policy forbids",
      { server: { mount: "pki", role: "forbidden" } },
      /pki\/sign\/forbidden[^]*403[^]*permission denied/,
    ],
    [
      "names that the role does not allow",
      { server: { mount: "pki", role: "one-domain" } },
      new RegExp(`${NAME}-rw[^]*not allowed by this role`),
    ],
    [
      "users that the role does not allow",
      { client: { mount: "pki", role: "other-clients" } },
      /(streaming_replica|cnpg_pooler_pgbouncer) not allowed by this role/,
    ],
    [
      "a validity that the role shortens without an error from Vault",
      { server: { mount: "pki", role: "short" } },
      /issuer\.server: signed for 24 h instead of the 720 h asked for[^]*max_ttl/,
    ],
    [
      "a use that the role does not allow",
      { server: { mount: "pki", role: "for-clients" } },
      /issuer\.server: signed a certificate that is not for servers\. Set server_flag/,
    ],
    [
      "a CA that expires before the certificate would",
      { server: { mount: "ending", role: "server" } },
      /ending\/sign\/server[^]*beyond the expiration of the CA/,
    ],
    [
      "a key type that the role does not accept, with the setting for another type",
      { server: { mount: "pki", role: "rsa" } },
      /issuer\.server: the role rsa of pki in Vault signs only keys of the type rsa[^]*issuer\.key: \{ algorithm: RSA, size: 3072 \}/,
    ],
    ["a chain without its root", { server: { mount: "cut", role: "server" } }, /is not in the bundle[^]*trustAnchors/],
  ];
  for (const [what, settings, told] of WRONG) {
    it(`says what is wrong, and does not change what the database serves: ${what}`, async () => {
      configure(settings);
      await refused(told);
      await nothingWrongIsServed();
    });
  }

  it("advises to replace a CA that shortens certificates, and not to increase max_ttl", async () => {
    await setAtEnd(vault, "truncate");
    configure({ server: { mount: "ending", role: "server" } });
    const { code, output } = await run("up");
    assert.notEqual(code, 0, output);
    assert.match(output, /issuer\.server: signed for \d+ h instead of the 720 h .*Its CA ends at .*: replace the CA/);
    assert.doesNotMatch(output, /max_ttl/);
    await setAtEnd(vault, "err");
    await nothingWrongIsServed();
  });

  it("says which setting requests addresses that the role does not allow", async () => {
    stack.configure({
      cluster: NAME,
      issuer: issuer({ server: { mount: "pki", role: "no-addresses" } }),
      serverAltNames: ["10.20.30.40"],
    });
    await refused(
      /issuer\.server: the role no-addresses of pki[^]*serverAltNames has 10\.20\.30\.40[^]*allow_ip_sans=true/,
    );
    const preview = await stack.pulumi(["preview"], { env: credentials });
    assert.match(preview.output, /allow_ip_sans=true/, "the preview says it before anything is made");
    await nothingWrongIsServed();
  });

  it("says that Vault is down, silent or sealed, or that the secret ID was revoked, and where", async () => {
    configure();
    proxy.line = "refuse";
    await refused(new RegExp(`${proxy.address}[^]*(connection re|EOF)`));
    proxy.line = "silent";
    // Vault's own client times out after a minute, for each attempt.
    await refused(/context deadline exceeded|Client\.Timeout/, { ...credentials, VAULT_CLIENT_TIMEOUT: "3" });
    proxy.line = "pass";
    await vault.seal();
    await refused(/Vault is sealed/);
    await vault.unseal();
    const revoked = { ...credentials, VAULT_SECRET_ID: await login.secretId() };
    await vault.request("POST", "auth/approle/role/program/secret-id/destroy", { secret_id: revoked.VAULT_SECRET_ID });
    await refused(/auth\/approle\/login[^]*invalid (role or )?secret[ _-]?id/i, revoked);
    const { auth } = await vault.request("POST", "auth/token/create", { policies: ["program"], ttl: "1s" });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const expired = { VAULT_ROLE_ID: undefined, VAULT_SECRET_ID: undefined, VAULT_TOKEN: auth?.client_token };
    await refused(/403[^]*(permission denied|invalid token)/, expired);
  });

  it("has them signed when everything is right, by an intermediate CA below another below a root, with the whole chain", async () => {
    configure();
    const { code, output } = await run("up");
    assert.equal(code, 0, output);
    const { serverCa } = await stack.outputs<{ serverCa: string }>();
    const chain =
      serverCa.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g)?.map((pem) => new X509Certificate(pem)) ?? [];
    assert.deepEqual(
      chain.map(({ subject }) => subject),
      ["CN=pki", "CN=between", "CN=root"],
    );
    assert.ok((await servedCertificate()).verify(chain[0]!.publicKey));
    const sent = await kubectl("-n", NAME, "get", "secret", `${NAME}-server-tls`, "-o", "jsonpath={.data.tls\\.crt}");
    const blocks =
      Buffer.from(sent, "base64")
        .toString()
        .match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? [];
    assert.deepEqual(
      blocks.slice(1).map((pem) => new X509Certificate(pem).subject),
      ["CN=pki", "CN=between"],
    );
  });

  it("has RSA keys of the role's size signed, and addresses", async () => {
    stack.configure({
      cluster: NAME,
      issuer: issuer({ server: { mount: "pki", role: "rsa" }, key: { algorithm: "RSA", size: 3072 } }),
      serverAltNames: ["10.20.30.40", "2001:db8::1"],
    });
    const { code, output } = await run("up");
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /in Vault signs/);
    const certificate = await servedCertificate();
    assert.equal(certificate.publicKey.asymmetricKeyType, "rsa");
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 3072);
    for (const address of ["10.20.30.40", "2001:db8::1"]) assert.equal(certificate.checkIP(address), address);
    configure();
    const back = await run("up");
    assert.equal(back.code, 0, back.output);
    assert.equal((await servedCertificate()).publicKey.asymmetricKeyType, "ec");
  });

  it("accepts a chain without its root once trustAnchors names the root", async () => {
    configure({ server: { mount: "cut", role: "server" }, trustAnchors: root });
    const { code, output } = await run("up");
    assert.equal(code, 0, output);
    assert.equal((await servedCertificate()).issuer, "CN=cut");
  });

  it("keeps the current certificates while a renewal cannot be signed, and renews them by the next `up`", async () => {
    const before = (await servedCertificate()).fingerprint256;
    await vault.seal();
    configure({ validity: "700h" });
    await refused(/Vault is sealed/);
    assert.equal((await servedCertificate()).fingerprint256, before);
    await vault.unseal();
    configure({ validity: "700h", server: { mount: "pki", role: "for-clients" } });
    await refused(/is not for servers/);
    assert.equal((await servedCertificate()).fingerprint256, before);
    configure({ validity: "700h" });
    const { code, output } = await run("up");
    assert.equal(code, 0, output);
    assert.notEqual((await servedCertificate()).fingerprint256, before);
  });

  it("destroys certificates without Vault, which has no record of them", async () => {
    proxy.line = "refuse";
    const { code, output } = await run("destroy");
    assert.equal(code, 0, output);
    assert.doesNotMatch(await kubectl("-n", NAME, "get", "secrets", "-o", "name"), new RegExp(NAME));
  });
});
