/** The deciding parts of the examples. */
import { strict as assert } from "node:assert";
import { POOLER_LOGINS } from "../../../components/cnpg/pooler";
import { appOf } from "../../../examples/app/settings";
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
  it("takes everything from the platform's outputs", () => {
    const { query, ...app } = appOf(settings, { orders });
    assert.match(query, /pg_stat_ssl/);
    assert.deepEqual(app, {
      namespace: "shop",
      image: "postgres:17",
      interval: 10,
      host: "orders-rw.shop.svc",
      port: 5432,
      database: "orders",
      credentialsSecret: "orders-app",
      serverCa: "PEM",
    });
  });

  it("tells which databases there are, and all mistakes at once", () => {
    assert.throws(
      () => appOf({ ...settings, database: "order", interval: 0.5, query: " " }, { orders }),
      (error: Error) =>
        /database = order: is not in acme\/cnpg-teleport\/prod\. Databases there: orders\./.test(error.message) &&
        /interval = 0\.5/.test(error.message) &&
        /query: is empty/.test(error.message),
    );
    assert.throws(() => appOf({ ...settings, database: "toString" }, { orders }), /database = toString: is not in/);
    assert.throws(() => appOf(settings, undefined), /platform = acme\/cnpg-teleport\/prod: has no output "databases"/);
  });

  it("runs in another namespace only with a Secret that is there", () => {
    assert.throws(() => appOf({ ...settings, namespace: "web" }, { orders }), /orders-app is in shop/);
    const app = appOf({ ...settings, namespace: "web", credentialsSecret: "copy" }, { orders });
    assert.deepEqual([app.namespace, app.credentialsSecret], ["web", "copy"]);
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
    protect: true,
  };

  it("lets the program have its requests signed, and nothing else", () => {
    const paths = [...policy(checked(bootstrap)).matchAll(/path "(.*)" \{ capabilities = \["(.*)"\] \}/g)];
    assert.deepEqual(
      paths.map(([, path, capabilities]) => [path, capabilities]),
      [
        ["pki/servers/sign/server", "update"],
        ["clients/sign/client", "update"],
      ],
    );
  });

  it("signs for PostgreSQL's own clients, and for the role that reads password hashes only if asked to", () => {
    assert.deepEqual(clients(bootstrap), ["streaming_replica", "cnpg_pooler_pgbouncer"]);
    assert.equal(clients({ ...bootstrap, explicitPoolers: true }).at(-1), POOLER_LOGINS.explicit.role);
  });

  it("refuses paths that would change the policy's meaning, and one mount for two CAs", () => {
    for (const serverMount of ["/pki", "pki/", "*", 'pki" {', "", "pki/../sys"]) {
      assert.throws(
        () => checked({ ...bootstrap, serverMount }),
        /serverMount = .*: is no path of a mount/,
        serverMount,
      );
    }
    assert.throws(() => checked({ ...bootstrap, name: "a/b" }), /name = a\/b/);
    assert.throws(() => checked({ ...bootstrap, clientMount: "root" }), /a mount of its own/);
  });
});
