/** The deciding parts of the examples. */
import { strict as assert } from "node:assert";
import { POOLER_LOGINS } from "../../../components/cnpg/pooler";
import { appOf } from "../../../examples/app/app";
import { checked, clients, policy } from "../../../examples/bootstrap/settings";

const orders = {
  namespace: "shop",
  cluster: "orders",
  hostReadWrite: "orders-rw.shop.svc",
  hostReadOnly: "orders-ro.shop.svc",
  hostRead: "orders-r.shop.svc",
  port: 5432,
  database: "orders",
  owner: "orders",
  ownerSecret: "orders-app",
  serverCaSecret: "orders-server-ca",
  serverCa: "PEM",
  clientCaBundleSecret: "orders-client-ca-bundle",
  teleportDatabases: [],
  connectCommands: [],
};
const settings = { platform: "acme/cnpg-teleport/prod", database: "orders" };

describe("the example of an application", () => {
  const outputs = (database: object = orders, applications?: object) => ({
    databases: { orders: database },
    applications,
  });

  it("takes everything from the platform's outputs", () => {
    const { query, ...app } = appOf(settings, outputs());
    assert.match(query, /pg_stat_ssl/);
    assert.deepEqual(app, {
      namespace: "shop",
      image: "postgres:17",
      interval: 10,
      access: {
        by: "secret",
        host: "orders-rw.shop.svc",
        port: 5432,
        database: "orders",
        secret: "orders-app",
        serverCa: "PEM",
      },
    });
  });

  it("tells which databases there are, and all mistakes at once", () => {
    assert.throws(
      () => appOf({ ...settings, database: "order", interval: 0.5, query: " " }, outputs()),
      (error: Error) =>
        /database = order: is not in acme\/cnpg-teleport\/prod\. Databases there: orders\./.test(error.message) &&
        /interval = 0\.5/.test(error.message) &&
        /query: must not be empty/.test(error.message),
    );
    assert.throws(() => appOf({ ...settings, database: "toString" }, outputs()), /database = toString: is not in/);
    const nothing = { databases: undefined };
    assert.throws(() => appOf(settings, nothing), /platform = acme\/cnpg-teleport\/prod: has no output "databases"/);
    assert.throws(
      () => appOf({ ...settings, access: "ldap" }, outputs()),
      /access = ldap: is not supported\. .*tbot, vault/,
    );
  });

  it("runs in another namespace only with a Secret that is there", () => {
    assert.throws(() => appOf({ ...settings, namespace: "web" }, outputs()), /orders-app is in shop/);
    const { namespace, access } = appOf({ ...settings, namespace: "web", credentialsSecret: "copy" }, outputs());
    assert.deepEqual([namespace, access.by === "secret" && access.secret], ["web", "copy"]);
  });

  it("goes by Vault where the platform lets it: in its namespace, to the host that pods know", () => {
    const login = { mount: "kubernetes", role: "r", namespace: "web", serviceAccount: "web" };
    const role = { path: "m/creds/app", policy: "p", defaultTtl: 60, maxTtl: 60 };
    const roles = { app: { ...role, login }, report: role };
    const vaultDatabase = {
      connection: "orders",
      host: "localhost",
      port: 6432,
      database: "orders",
      serverCa: "PEM",
      roles,
    };
    const known = outputs({ ...orders, vaultDatabase });
    const way = { ...settings, access: "vault", vaultAddress: "https://vault.example.com" };
    const { namespace, access } = appOf(way, known);
    assert.equal(namespace, "web");
    assert.ok(access.by === "vault");
    assert.deepEqual([access.role, access.database.host, access.database.port], ["app", "orders-rw.shop.svc", 5432]);
    assert.deepEqual(access.sidecar, { image: "hashicorp/vault:1.21", trustedCa: undefined });
    assert.throws(() => appOf({ ...way, namespace: "shop" }, known), /gives access only to pods in web\./);
    assert.throws(
      () => appOf({ ...way, vaultRole: "report" }, known),
      /vaultRole = report: .* Use one of these: app\./,
    );
    assert.throws(() => appOf({ ...way, vaultAddress: undefined }, known), /vaultAddress: is missing/);
    assert.throws(() => appOf(way, outputs()), /has no users from Vault/);
  });

  it("goes by tbot where the platform names the application", () => {
    const database = { service: "orders-prod", database: "orders", user: "writer", role: "web-orders", port: 5432 };
    const workload = {
      bot: "web",
      proxy: "teleport.example.com:443",
      join: { method: "kubernetes", token: "web", namespace: "web", serviceAccount: "web" },
      databases: { orders: database },
      certificateTtl: "1h",
      renewalInterval: "1200s",
    };
    const known = outputs(orders, { web: workload });
    const way = { ...settings, access: "tbot", application: "web", sidecarImage: "tbot:17" };
    const { namespace, access } = appOf(way, known);
    assert.equal(namespace, "web");
    assert.ok(access.by === "tbot");
    assert.deepEqual([access.workload.bot, access.database, access.generation], ["web", "orders", "17"]);
    const wrong = { ...way, application: "shop", sidecarImage: undefined };
    assert.throws(
      () => appOf(wrong, known),
      (error: Error) =>
        /application = shop: is not in .* Applications there: web\./.test(error.message) &&
        /sidecarImage: is missing/.test(error.message),
    );
    assert.throws(
      () => appOf({ ...way, database: "stock" }, known),
      /database = stock: is not a database of web.*: orders\./,
    );
    assert.throws(() => appOf(way, outputs()), /has no output "applications"/);
    const join = { method: "token", token: "/x/token", secret: "web-join" };
    const byToken = outputs(orders, { web: { ...workload, join } });
    assert.throws(
      () => appOf(way, byToken),
      /namespace: is missing\. Name the namespace that has the Secret web-join: /,
    );
    assert.equal(appOf({ ...way, namespace: "web" }, byToken).namespace, "web");
    const byPlatform = outputs(orders, { web: { ...workload, join: { method: "iam", token: "web" } } });
    assert.throws(
      () => appOf(way, byPlatform),
      /namespace: is missing\. Name the namespace in which the application runs: .* iam /,
    );
  });
});

describe("the example for Vault's administrator", () => {
  const bootstrap = {
    rootMount: "root",
    rootExists: false,
    serverMount: "pki/servers",
    clientMount: "clients",
    approleMount: "approle",
    approleExists: false,
    name: "cnpg-teleport",
    explicitPoolers: false,
    backupPlugin: false,
    protect: true,
  };

  it("lets the program have its requests signed and see who signs and how, and nothing else", () => {
    const paths = [...policy(checked(bootstrap)).matchAll(/path "(.*)" \{ capabilities = \["(.*)"\] \}/g)];
    assert.deepEqual(
      paths.map(([, path, capabilities]) => [path, capabilities]),
      [
        ["pki/servers/sign/server", "update"],
        ["pki/servers/roles/server", "read"],
        ["sys/mounts/pki/servers", "read"],
        ["clients/sign/client", "update"],
        ["clients/roles/client", "read"],
        ["sys/mounts/clients", "read"],
      ],
    );
  });

  it("lets it have them signed by the CAs that are being replaced, too", () => {
    const replacing = { ...bootstrap, formerServerMount: "pki/2025", formerClientMount: "clients-2025" };
    assert.equal(
      policy(checked(replacing)),
      `${policy(bootstrap)}path "pki/2025/sign/server" { capabilities = ["update"] }
path "pki/2025/roles/server" { capabilities = ["read"] }
path "sys/mounts/pki/2025" { capabilities = ["read"] }
path "clients-2025/sign/client" { capabilities = ["update"] }
path "clients-2025/roles/client" { capabilities = ["read"] }
path "sys/mounts/clients-2025" { capabilities = ["read"] }
`,
    );
    assert.throws(
      () => checked({ ...bootstrap, formerClientMount: "a/*" }),
      /formerClientMount = a\/\*: is not a valid path/,
    );
  });

  it("signs for PostgreSQL's own clients, and for the role that reads password hashes only if asked to", () => {
    assert.deepEqual(clients(bootstrap), ["streaming_replica", "cnpg_pooler_pgbouncer"]);
    assert.equal(clients({ ...bootstrap, explicitPoolers: true }).at(-1), POOLER_LOGINS.explicit.role);
  });

  it("signs for the operator alone with CAs of the backup plugin, which obeys everybody whom they sign for", () => {
    assert.deepEqual(clients({ ...bootstrap, explicitPoolers: true, backupPlugin: true }), ["barman-cloud-client"]);
  });

  it("refuses paths that would change the policy's meaning, and one mount for two CAs", () => {
    for (const serverMount of ["/pki", "pki/", "*", 'pki" {', "", "pki/../sys"]) {
      assert.throws(
        () => checked({ ...bootstrap, serverMount }),
        /serverMount = .*: is not a valid path of a mount/,
        serverMount,
      );
    }
    assert.throws(() => checked({ ...bootstrap, name: "a/b" }), /name = a\/b/);
    assert.throws(() => checked({ ...bootstrap, clientMount: "root" }), /needs its own mount/);
  });
});
