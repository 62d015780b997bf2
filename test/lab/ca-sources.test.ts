/** The sources of the client-CA bundle and of Teleport's identity, all with real systems. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CaSource } from "../../components/certificates/ca-source";
import { Stack } from "../../lab/drive/stack";
import { attempt, run } from "../../lab/host/command";
import { readTrimmed } from "../../lab/host/private-file";
import { VAULT } from "../../lab/layout";
import { Certificate, OpenSsl } from "../unit/certificates/openssl";
import { eventually, identities, kubectl, PROXY, teleport } from "./lab";

const NAMESPACE = "ca-sources";
const READER = "ca-sources-reader";
const [VERSION_1, VERSION_2] = ["ca-kv1", "secret"];

/** `vault` as the lab's root. */
const asRoot = () => ({ env: { VAULT_TOKEN: readTrimmed(VAULT.rootToken) } });
const vault = (args: string[], input?: string) => run("vault", args, { ...asRoot(), input });
const kv = (path: string, values: Record<string, string>) => vault(["kv", "put", path, "-"], JSON.stringify(values));

const subjects = (bundle: string) =>
  [...bundle.matchAll(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g)].map(
    ([pem]) => new X509Certificate(pem),
  );

describe("the sources of the client-CA bundle", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "ca-sources-"));
  const made: Record<string, Certificate> = {};
  let own: Certificate, leaf: Certificate, teleportCa: string, reader: string, stack: Stack;

  const configure = (sources?: CaSource[]) =>
    stack.configure({ own: own.pem, proxy: PROXY, namespace: NAMESPACE, ...(sources ? { sources } : {}) });
  const environment = () => ({ VAULT_TOKEN: reader });
  const up = async (sources?: CaSource[], env: NodeJS.ProcessEnv = {}) => {
    configure(sources);
    const output = await stack.up({ env: { ...environment(), ...env } });
    const { bundle } = await stack.outputs<{ bundle: string }>();
    return { output, bundle };
  };
  /** The output of a preview that must fail. */
  const refused = async (sources: CaSource[], env: NodeJS.ProcessEnv = {}) => {
    configure(sources);
    const { code, output } = await stack.pulumi(["preview"], { env: { ...environment(), ...env } });
    assert.notEqual(code, 0, output);
    return output;
  };
  const apply = (kind: "Secret" | "ConfigMap", name: string, data: Record<string, string>) => {
    const values = kind === "Secret" ? { stringData: data } : { data };
    // Like a user: `apply` repeats the data in an annotation.
    const object = { apiVersion: "v1", kind, metadata: { name, namespace: NAMESPACE }, ...values };
    return run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(object) });
  };

  before(async () => {
    own = openssl.ca("own");
    leaf = openssl.leaf("leaf", own);
    for (const name of ["vault-1", "vault-2", "secret", "config-map", "inline"]) made[name] = openssl.ca(name);
    teleportCa = await teleport.tctl(["auth", "export", "--type=db"]);
    await kubectl("create", "namespace", NAMESPACE);
    await apply("Secret", "ca-good", { "ca.crt": made["secret"]!.pem, password: "correct-horse" });
    await apply("ConfigMap", "ca-good", { "bundle.pem": made["config-map"]!.pem });
    await vault(["secrets", "enable", `-path=${VERSION_1}`, "-version=1", "kv"]);
    await kv(`${VERSION_1}/ca-good`, { pem: made["vault-1"]!.pem });
    await kv(`${VERSION_2}/ca-good`, { "ca.crt": made["vault-2"]!.pem });
    const paths = [`${VERSION_1}/*`, `${VERSION_2}/data/ca-*`];
    const policy = paths.map((path) => `path "${path}" { capabilities = ["read"] }`).join("\n");
    await vault(["policy", "write", READER, "-"], policy);
    reader = (await vault(["token", "create", `-policy=${READER}`, "-ttl=1h", "-field=token"])).trim();
    stack = new Stack("ca-sources", { project: join(__dirname, "ca-sources-program") });
    await stack.init();
  });
  after(async () => {
    await stack.destroy({ env: environment() });
    await stack.remove();
    await attempt("vault", ["token", "revoke", "-self"], { env: environment() });
    await vault(["policy", "delete", READER]);
    await vault(["secrets", "disable", VERSION_1]);
    for (const name of ["good", "leaf", "key"]) await vault(["kv", "metadata", "delete", `${VERSION_2}/ca-${name}`]);
    await kubectl("delete", "namespace", NAMESPACE);
    openssl.remove();
    rmSync(folder, { recursive: true });
  });

  it("are Teleport, its proxy, Vault, Secrets, ConfigMaps and the settings, and are checked and merged", async () => {
    const { bundle } = await up([
      { from: "teleport" },
      { from: "proxy" },
      { from: "vault", path: `${VERSION_1}/ca-good`, key: "pem" },
      { from: "vault", path: `${VERSION_2}/ca-good` },
      { from: "secret", name: "ca-good" },
      { from: "configMap", name: "ca-good", namespace: NAMESPACE, key: "bundle.pem" },
      { from: "pem", pem: made["inline"]!.pem },
    ]);
    const found = subjects(bundle).map(({ fingerprint256 }) => fingerprint256);
    const expected = [own.pem, teleportCa, ...Object.values(made).map(({ pem }) => pem)];
    const fingerprints = expected.map((pem) => new X509Certificate(pem).fingerprint256);
    assert.equal(found[0], fingerprints[0], "its own comes first");
    assert.deepEqual(found.sort(), fingerprints.sort(), "Teleport's is the same from both, and there once");
  });

  it("leave nothing secret in the state, and change nothing when nothing changed", async () => {
    const state = await stack.state();
    for (const secret of ["correct-horse", Buffer.from("correct-horse").toString("base64"), reader])
      assert.ok(!state.includes(secret), "a secret lies in the state");
    const { stdout } = await stack.pulumi(["preview", "--json"], { env: environment() });
    const { same, read, ...others } = (JSON.parse(stdout) as { changeSummary: Record<string, number> }).changeSummary;
    assert.equal(read, 2, "Secret and ConfigMap");
    assert.ok((same ?? 0) > 0);
    assert.deepEqual(others, {});
  });

  it("include the proxy without an identity, if SSL_CERT_FILE names its CA", async () => {
    const nobody = { TELEPORT_IDENTITY_FILE: undefined, NODE_EXTRA_CA_CERTS: undefined, SSL_CERT_DIR: undefined };
    const { bundle } = await up([{ from: "proxy" }], nobody);
    assert.deepEqual(
      subjects(bundle).map(({ subject }) => /CN=(.*)/.exec(subject)?.[1]),
      ["own", "lab"],
    );
    // The CA is already in the state. A new resource makes the program read it again.
    const untrusted = await refused([{ from: "proxy", proxy: PROXY }], { ...nobody, SSL_CERT_FILE: undefined });
    assert.match(untrusted, /did not return its CA: .*set SSL_CERT_FILE, or caFile of this source/);
  });

  it("are refused if one is a leaf, and the message names all sources that have it", async () => {
    await Promise.all([
      apply("Secret", "ca-leaf", { "ca.crt": leaf.pem }),
      apply("ConfigMap", "ca-leaf", { "ca.crt": leaf.pem }),
      kv(`${VERSION_2}/ca-leaf`, { "ca.crt": leaf.pem }),
    ]);
    const told = await refused([
      { from: "vault", path: `${VERSION_2}/ca-leaf` },
      { from: "secret", name: "ca-leaf" },
      { from: "configMap", name: "ca-leaf" },
      { from: "pem", pem: leaf.pem },
    ]);
    for (const source of [
      `in Vault at ${VERSION_2}/ca-leaf, key ca.crt`,
      `in Secret ${NAMESPACE}/ca-leaf, key ca.crt`,
      `in ConfigMap ${NAMESPACE}/ca-leaf, key ca.crt`,
      "the inline PEM of the client CAs",
    ])
      assert.ok(told.includes(`${source}, certificate "CN=leaf": is not a CA certificate`), `${source}\n${told}`);
  });

  it("are refused if one is a private key or missing, and the message names the source and shows no content", async () => {
    await Promise.all([
      apply("Secret", "ca-key", { "ca.crt": own.pem + own.key, password: "correct-horse" }),
      apply("ConfigMap", "ca-key", { "ca.crt": own.pem + own.key }),
      kv(`${VERSION_2}/ca-key`, { "ca.crt": own.pem + own.key }),
    ]);
    const holdsKey = "contains a private key";
    for (const [source, told] of [
      [{ from: "vault", path: `${VERSION_2}/ca-key` }, `in Vault at ${VERSION_2}/ca-key, key ca.crt: ${holdsKey}`],
      [{ from: "secret", name: "ca-key" }, `in Secret ${NAMESPACE}/ca-key, key ca.crt: ${holdsKey}`],
      [{ from: "configMap", name: "ca-key" }, `in ConfigMap ${NAMESPACE}/ca-key, key ca.crt: ${holdsKey}`],
      [{ from: "pem", pem: own.pem + own.key }, `the inline PEM of the client CAs: ${holdsKey}`],
      [{ from: "secret", name: "ca-key", key: "password" }, "key password: contains no certificate"],
      [{ from: "secret", name: "ca-good", key: "none" }, `in Secret ${NAMESPACE}/ca-good: has no key none`],
      [{ from: "secret", name: "ca-none" }, `resource '${NAMESPACE}/ca-none' does not exist`],
      [{ from: "configMap", name: "ca-none" }, `resource '${NAMESPACE}/ca-none' does not exist`],
      [{ from: "vault", path: `${VERSION_2}/ca-none` }, `in Vault at ${VERSION_2}/ca-none: could not be read`],
      [{ from: "vault", path: `${VERSION_2}/forbidden` }, `in Vault at ${VERSION_2}/forbidden: could not be read`],
    ] as const) {
      const output = await refused([source]);
      assert.ok(output.includes(told), `${told}\n${output}`);
      assert.ok(!/PRIVATE KEY-----|correct-horse/.test(output), output);
    }
  });

  it("include both CAs of a rotation, with a warning in preview and `up` that says what to do", async () => {
    // The lab's Teleport is not rotated for this test, because other tests log in through it. A stand-in `tctl`
    // reports a rotation.
    const [active, former] = [openssl.ca("active"), openssl.ca("former")];
    const keys = (pem: string) => ({ tls: [{ cert: Buffer.from(pem).toString("base64") }] });
    const tellsOf = (phase: string, former_keys: object) => {
      const rotation = { state: phase === "standby" ? phase : "in_progress", phase };
      const spec = { type: "db", active_keys: keys(active.pem), additional_trusted_keys: former_keys, rotation };
      const document = { kind: "cert_authority", sub_kind: "db", version: "v2", metadata: { name: "lab" }, spec };
      writeFileSync(join(folder, "tctl"), `#!/bin/sh\ncat <<'EOF'\n${JSON.stringify([document])}\nEOF\n`);
      chmodSync(join(folder, "tctl"), 0o755);
    };
    const env = { ...environment(), PATH: `${folder}:${process.env.PATH}` };
    const warning = /warning: The database CA of the Teleport cluster lab is being rotated, phase update_clients\./;

    tellsOf("update_clients", keys(former.pem));
    configure();
    const preview = await stack.must(["preview"], { env });
    assert.match(preview, warning);
    const { output, bundle } = await up(undefined, env);
    assert.match(output, warning);
    assert.deepEqual(
      subjects(bundle)
        .map(({ subject }) => subject)
        .sort(),
      ["CN=active", "CN=former", "CN=own"],
    );

    tellsOf("standby", {});
    const over = await up(undefined, env);
    assert.doesNotMatch(over.output, /rotated/);
    assert.equal(subjects(over.bundle).length, 2);
  });
});

describe("the Teleport identity", () => {
  const NAME = "ca-identity";
  const PATH = `${VERSION_2}/${NAME}`;
  const folder = mkdtempSync(join(tmpdir(), "tbot-"));
  const stack = new Stack(NAME, { project: join(__dirname, "registration-program") });
  const appRole: NodeJS.ProcessEnv = {};

  before(async () => {
    copyFileSync(identities.registrar, join(folder, "identity"));
    await kv(PATH, { identity: readFileSync(identities.registrar, "utf8") });
    await vault(["policy", "write", NAME, "-"], `path "${VERSION_2}/data/${NAME}" { capabilities = ["read"] }`);
    await vault(["write", `auth/approle/role/${NAME}`, `token_policies=${NAME}`, "token_ttl=1h"]);
    appRole.VAULT_ROLE_ID = (await vault(["read", "-field=role_id", `auth/approle/role/${NAME}/role-id`])).trim();
    const secretId = ["write", "-force", "-field=secret_id", `auth/approle/role/${NAME}/secret-id`];
    appRole.VAULT_SECRET_ID = (await vault(secretId)).trim();
    stack.configure({ proxy: PROXY, name: NAME });
    await stack.init();
  });
  after(async () => {
    await stack.remove();
    await teleport.remove(NAME);
    await vault(["delete", `auth/approle/role/${NAME}`]);
    await vault(["policy", "delete", NAME]);
    await vault(["kv", "metadata", "delete", PATH]);
    rmSync(folder, { recursive: true });
  });
  /** Tokens of the AppRole that are still valid. */
  const tokensLeft = async () => {
    const accessors = JSON.parse(await vault(["list", "-format=json", "auth/token/accessors"])) as string[];
    const looked = await Promise.all(
      accessors.map((accessor) =>
        attempt("vault", ["token", "lookup", "-format=json", "-accessor", accessor], asRoot()),
      ),
    );
    return looked.filter(({ stdout }) => stdout.includes(`"${NAME}"`)).length;
  };

  it("can be in Vault: it registers, stays out of the state, and the login for it is revoked", async () => {
    const env = { ...appRole, TELEPORT_IDENTITY_FILE: undefined, TELEPORT_IDENTITY_VAULT: PATH };
    await stack.up({ env });
    await eventually("Teleport shows the database", async () => (await teleport.database(NAME)) !== undefined);
    const state = await stack.state();
    for (const secret of ["PRIVATE KEY", "BEGIN CERTIFICATE", appRole.VAULT_SECRET_ID ?? ""])
      assert.ok(!state.includes(secret), `${secret} lies in the state`);
    assert.equal(await tokensLeft(), 0);
  });

  it("is refused if Vault does not show it, and the message names variable and path", async () => {
    const destroy = async (settings: NodeJS.ProcessEnv) => {
      const env = { ...appRole, TELEPORT_IDENTITY_FILE: undefined, ...settings };
      const { code, output } = await stack.pulumi(["destroy", "--yes", "--skip-preview"], { env });
      assert.notEqual(code, 0);
      return output;
    };
    const elsewhere = await destroy({ TELEPORT_IDENTITY_VAULT: "secret/elsewhere" });
    assert.match(elsewhere, /TELEPORT_IDENTITY_VAULT=secret\/elsewhere cannot be read.*"secret\/data\/elsewhere"/);
    const noKey = await destroy({ TELEPORT_IDENTITY_VAULT: `${PATH}#other` });
    assert.match(noKey, /secret\/ca-identity in Vault has no key other\. Its keys: identity/);
    const invalid = await destroy({ TELEPORT_IDENTITY_VAULT: PATH, VAULT_TOKEN: "invalid" });
    assert.match(invalid, /invalid token.*Get a new token/);
    assert.ok(await teleport.database(NAME), "nothing was deregistered");
  });

  it("can be in a folder that tbot writes to: it deregisters what another one registered", async () => {
    await stack.destroy({ env: { TELEPORT_IDENTITY_FILE: folder } });
    await eventually("the database is gone", async () => (await teleport.database(NAME)) === undefined);
  });
});
