/** The example for Vault's administrator, examples/bootstrap: it creates everything that the library needs in Vault. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { mergeCaBundle } from "../../components/certificates/ca-bundle";
import { checkCertificate } from "../../components/certificates/certificate-check";
import { DEFAULT_READY_MINUTES } from "../../components/postgres-cluster/args";
import { Stack } from "../../lab/drive/stack";
import { readTrimmed } from "../../lab/host/private-file";
import { PROJECT, VAULT } from "../../lab/layout";
import { vaultRequest } from "../../lab/vault/api";
import { kubectl, oneDatabase } from "./lab";

const NAME = "app-boot";
const SERVER_NAME = `${NAME}-rw`;
const settings = {
  rootMount: "app-pki-root",
  serverMount: "app-pki",
  clientMount: "app-pki-clients",
  approleMount: "app-approle",
  name: "app-cnpg-teleport",
  protect: false,
};

interface Outputs {
  roleId: string;
  secretIdCommand: string;
  vaultSettings: Record<string, unknown>;
  issuer: Record<string, unknown>;
}
interface Signed {
  data: { certificate: string; ca_chain: string[] };
}

describe("the bootstrap of Vault by an administrator", () => {
  const root = readTrimmed(VAULT.rootToken);
  const asRoot = <Answer = Record<string, unknown>>(method: "GET" | "POST", path: string, body?: unknown) =>
    vaultRequest<Answer>(method, path, body, root);
  const bootstrap = new Stack("app-bootstrap", {
    project: join(PROJECT, "examples", "bootstrap"),
    env: { VAULT_TOKEN: root },
  });
  let outputs: Outputs;
  let secretId = "";
  let token = "";

  before(async () => {
    bootstrap.configure(settings);
    await bootstrap.init();
    await bootstrap.up();
    outputs = await bootstrap.outputs<Outputs>();
    const path = /^vault write -f -field=secret_id (\S+)$/.exec(outputs.secretIdCommand)?.[1] ?? "";
    secretId = (await asRoot<{ data: { secret_id: string } }>("POST", path, {}))?.data.secret_id ?? "";
    const login = { role_id: outputs.roleId, secret_id: secretId };
    const answer = await vaultRequest<{ auth: { client_token: string } }>("POST", "auth/app-approle/login", login);
    token = answer?.auth.client_token ?? "";
    assert.ok(token);
  });
  after(async () => {
    await bootstrap.destroy();
    await bootstrap.remove();
  });

  const sign = (path: string, commonName: string, altNames: string[] = []) =>
    vaultRequest<Signed>(
      "POST",
      path,
      {
        csr: request(commonName, altNames),
        common_name: commonName,
        alt_names: altNames.join(","),
        exclude_cn_from_sans: true,
      },
      token,
    );

  it("has nothing to do the second time, also after a refresh", async () => {
    assert.deepEqual(Object.keys(await bootstrap.plannedChanges()), ["same"]);
    await bootstrap.must(["refresh", "--yes", "--skip-preview"]);
    assert.deepEqual(Object.keys(await bootstrap.plannedChanges()), ["same"]);
  });

  it("corrects a manual change of a role", async () => {
    const role = await asRoot<{ data: Record<string, unknown> }>("GET", "app-pki-clients/roles/client");
    await asRoot("POST", "app-pki-clients/roles/client", { ...role?.data, allow_any_name: true, server_flag: true });
    assert.ok(await sign("app-pki-clients/sign/client", "postgres"));
    await bootstrap.must(["refresh", "--yes", "--skip-preview"]);
    await bootstrap.up();
    await assert.rejects(sign("app-pki-clients/sign/client", "postgres"), /not allowed by this role/);
  });

  it("signs what the library requests, up to a root", async () => {
    const dnsNames = [SERVER_NAME, `${SERVER_NAME}.${NAME}.svc`];
    const wanted = [
      { path: "app-pki/sign/server", use: "server", commonName: SERVER_NAME, dnsNames },
      { path: "app-pki-clients/sign/client", use: "client", commonName: "streaming_replica", dnsNames: [] },
      { path: "app-pki-clients/sign/client", use: "client", commonName: "cnpg_pooler_pgbouncer", dnsNames: [] },
    ] as const;
    for (const { path, use, commonName, dnsNames } of wanted) {
      const signed = await sign(path, commonName, [...dnsNames]);
      assert.ok(signed, commonName);
      const chain = signed.data.ca_chain.join("\n");
      // Vault's default validity of 32 days, since none was requested.
      checkCertificate(signed.data.certificate, chain, { setting: path, use, commonName, dnsNames, validity: 32 * 24 });
      mergeCaBundle({ name: path, pem: chain }, []);
    }
  });

  it("signs for no other client, and for no client with the server's role", async () => {
    for (const name of ["postgres", "teleport_user_read", "a.streaming_replica"]) {
      await assert.rejects(sign("app-pki-clients/sign/client", name), /not allowed by this role/, name);
    }
    const server = await sign("app-pki/sign/server", "streaming_replica");
    assert.ok(server);
    const expected = { setting: "client", use: "client", commonName: "streaming_replica", dnsNames: [], validity: 1 };
    assert.throws(
      () => checkCertificate(server.data.certificate, server.data.ca_chain.join("\n"), { ...expected, use: "client" }),
      /not for clients/,
    );
  });

  it("lets the program read its mounts, as a refresh by current plugins does, and the settings of its roles", async () => {
    for (const [mount, role] of [
      ["app-pki", "server"],
      ["app-pki-clients", "client"],
    ]) {
      const found = await vaultRequest<{ data: { type: string } }>("GET", `sys/mounts/${mount}`, undefined, token);
      assert.equal(found?.data.type, "pki");
      const set = await vaultRequest<{ data: object }>("GET", `${mount}/roles/${role}`, undefined, token);
      assert.ok(set && "key_type" in set.data);
    }
  });

  it("gives the program a token that outlives an `up` in which a Cluster and its poolers need the maximum time", async () => {
    const path = "auth/token/lookup-self";
    const answer = await vaultRequest<{ data: { creation_ttl: number } }>("GET", path, undefined, token);
    assert.ok((answer?.data.creation_ttl ?? 0) > 2 * DEFAULT_READY_MINUTES * 60, JSON.stringify(answer));
  });

  it("lets the program do nothing else", async () => {
    const csr = request("streaming_replica");
    const denied: [method: "GET" | "POST", path: string, body?: unknown][] = [
      ["GET", "sys/mounts"],
      ["GET", "app-pki/roles/other"],
      ["GET", "sys/mounts/app-pki-root"],
      ["GET", "sys/mounts/app-pki/tune"],
      ["POST", "sys/mounts/app-pki/tune", { description: "mine" }],
      ["GET", "app-pki/config/urls"],
      ["POST", "app-pki/issue/server", { common_name: SERVER_NAME }],
      ["POST", "app-pki-clients/sign-verbatim", { csr }],
      ["POST", "app-pki-clients/roles/client", { allow_any_name: true }],
      ["POST", "app-pki-clients/sign/other", { csr }],
      ["POST", "app-pki-root/root/sign-intermediate", { csr, common_name: "mine" }],
      ["POST", "pki_int/sign/postgres-client", { csr, common_name: "streaming_replica" }],
      ["POST", "auth/app-approle/role/app-cnpg-teleport/secret-id", {}],
      ["GET", "secret/data/app"],
    ];
    for (const [method, path, body] of denied) {
      const refused = /permission denied/;
      // Some paths are public, e.g. a CA's certificate: none of them is here.
      await assert.rejects(vaultRequest(method, path, body, token), refused, `${method} ${path}`);
    }
  });

  it("is enough for a Cluster: its outputs are the settings", async () => {
    const { vaultSettings, issuer, roleId } = outputs;
    const platform = new Stack(NAME, { env: { VAULT_ROLE_ID: roleId, VAULT_SECRET_ID: secretId } });
    const { databases } = oneDatabase(NAME, { issuer, teleport: undefined });
    platform.configure({ vault: vaultSettings, databases });
    try {
      await platform.init();
      await platform.up();
      const phase = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.readyInstances}");
      assert.equal(phase, "1");
    } finally {
      await platform.destroy();
      await platform.remove();
    }
  });

  it("uses an existing root and AppRole login, and does not delete them", async () => {
    const second = new Stack("app-bootstrap-second", {
      project: join(PROJECT, "examples", "bootstrap"),
      env: { VAULT_TOKEN: root },
    });
    const own = { serverMount: "app-second", clientMount: "app-second-clients", name: "app-second" };
    second.configure({ ...settings, ...own, rootExists: true, approleExists: true });
    try {
      await second.init();
      await second.up();
      assert.deepEqual(Object.keys(await second.plannedChanges()), ["same"]);
      const csr = request(SERVER_NAME, [SERVER_NAME]);
      const signed = await asRoot<Signed>("POST", "app-second/sign/server", { csr, common_name: SERVER_NAME });
      assert.ok(signed);
      const chain = signed.data.ca_chain.join("\n");
      assert.equal(new X509Certificate(signed.data.ca_chain.at(-1) ?? "").subject, "CN=PostgreSQL servers root");
      mergeCaBundle({ name: "app-second", pem: chain }, []);
    } finally {
      await second.destroy();
      await second.remove();
    }
    assert.ok(await sign("app-pki/sign/server", SERVER_NAME));
  });

  it("reports all wrong settings", async () => {
    bootstrap.configure({ ...settings, serverMount: "app-pki-root", name: "a b", approleMount: "/approle/" });
    const result = await bootstrap.pulumi(["preview"]);
    bootstrap.configure(settings);
    assert.notEqual(result.code, 0);
    assert.match(result.output, /approleMount = \/approle\/: is not a valid path/);
    assert.match(result.output, /name = a b: use letters/);
    assert.match(result.output, /each CA needs its own mount/);
  });

  it("is not destroyed by mistake", async () => {
    const { protect: _, ...unsaid } = settings;
    bootstrap.configure(unsaid);
    await bootstrap.up();
    const result = await bootstrap.pulumi(["destroy", "--yes", "--skip-preview"]);
    bootstrap.configure(settings);
    await bootstrap.up();
    assert.notEqual(result.code, 0);
    assert.match(result.output, /protect/);
    // Nothing was created again.
    assert.equal((await bootstrap.outputs<Outputs>()).roleId, outputs.roleId);
    assert.ok(await sign("app-pki/sign/server", SERVER_NAME));
  });

  it("leaves nothing behind when it is destroyed", async () => {
    await bootstrap.destroy();
    const paths = async (what: string) =>
      Object.keys((await asRoot<{ data: Record<string, unknown> }>("GET", what))?.data ?? {});
    const left = [...(await paths("sys/mounts")), ...(await paths("sys/auth"))];
    assert.ok(left.includes("pki_int/"));
    assert.deepEqual(
      left.filter((path) => path.startsWith("app-")),
      [],
    );
    assert.equal(await asRoot("GET", "sys/policies/acl/app-cnpg-teleport"), undefined);
  });
});

/** A certificate request with a temporary key. */
function request(commonName: string, dnsNames: string[] = []): string {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"];
  const names = dnsNames.map((name) => `DNS:${name}`).join(",");
  const subject = ["-subj", `/CN=${commonName}`, ...(names ? ["-addext", `subjectAltName=${names}`] : [])];
  return execFileSync("openssl", ["req", "-new", ...key, ...subject], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}
