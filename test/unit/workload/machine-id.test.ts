import { strict as assert } from "node:assert";
import {
  certificateTimes,
  localPorts,
  joinRules,
  machineIdOutputs,
  MachineIdSettings,
  checkMachineId,
} from "../../../components/workload/machine-id";

const orders = { service: "orders-prod", labels: { cluster: "orders" }, database: "app", user: "shop_writer" };
const settings: MachineIdSettings = {
  name: "shop",
  proxy: "teleport.example.com:443",
  join: { method: "kubernetes", namespace: "shop", serviceAccount: "shop" },
  databases: { orders },
};
const KUBERNETES = { method: "kubernetes", namespace: "shop", serviceAccount: "shop" } as const;
const JWKS = '{"keys":[{"use":"sig","kty":"RSA","kid":"1","alg":"RS256","n":"AQAB","e":"AQAB"}]}';
const ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/ABCDEF";
const wrong = (changes: Partial<MachineIdSettings>) =>
  checkMachineId("shop", { ...settings, ...changes }).map(({ setting }) => setting);
const wrongDatabase = (changes: object) => wrong({ databases: { orders: { ...orders, ...changes } } });

describe("an application's identity in Teleport", () => {
  it("gives its pods names and nothing secret", () => {
    assert.deepEqual(machineIdOutputs(settings), {
      bot: "shop",
      proxy: "teleport.example.com:443",
      join: { method: "kubernetes", token: "shop", namespace: "shop", serviceAccount: "shop", staticKeys: false },
      databases: {
        orders: { service: "orders-prod", database: "app", user: "shop_writer", role: "shop-orders", port: 5432 },
      },
      certificateTtl: "1h",
      renewalInterval: "1200s",
    });
  });

  it("passes the check", () => assert.deepEqual(wrong({}), []));

  it("joins only by the declared namespace and service account", () => {
    assert.deepEqual(joinRules(settings.join), { method: "kubernetes", serviceAccounts: ["shop:shop"] });
    const iam = { method: "iam" as const, allow: [{ account: "123456789012" }] };
    assert.deepEqual(joinRules(iam), iam);
    assert.equal(joinRules({ method: "token", secret: "join" }), undefined, "no secret token is made");
  });

  it("uses the Teleport cluster as the audience of the account's token if Teleport checks it itself", () => {
    const audience = (join: object) =>
      machineIdOutputs({ ...settings, join: { ...KUBERNETES, ...join } }).join.audience;
    assert.equal(audience({}), undefined, "Teleport asks the API server, whose audience is the default");
    assert.equal(audience({ jwks: JWKS }), "teleport.example.com");
    assert.equal(audience({ oidcIssuer: ISSUER }), "teleport.example.com");
    assert.equal(audience({ oidcIssuer: ISSUER, teleportCluster: "prod" }), "prod");
    assert.deepEqual(joinRules({ ...KUBERNETES, oidcIssuer: ISSUER }), {
      method: "kubernetes",
      serviceAccounts: ["shop:shop"],
      oidcIssuer: ISSUER,
    });
  });

  it("refuses invalid signing keys and issuers, with the names of the settings", () => {
    const join = (changes: object) => wrong({ join: { ...KUBERNETES, ...changes } });
    assert.deepEqual(join({ jwks: JWKS }), []);
    assert.deepEqual(join({ oidcIssuer: ISSUER, teleportCluster: "prod" }), []);
    assert.deepEqual(join({ jwks: "nonsense" }), ["shop.join.jwks"]);
    assert.deepEqual(join({ oidcIssuer: "http://oidc.example.com" }), ["shop.join.oidcIssuer"]);
    assert.deepEqual(join({ jwks: JWKS, oidcIssuer: ISSUER }), ["shop.join.oidcIssuer"]);
    assert.deepEqual(join({ teleportCluster: "prod" }), ["shop.join.teleportCluster"], "nobody asks for it");
    assert.deepEqual(join({ jwks: JWKS, teleportCluster: "" }), ["shop.join.teleportCluster"]);
  });

  it("refers to a secret token by the name of its Secret", () => {
    const { join } = machineIdOutputs({ ...settings, join: { method: "token", secret: "join" } });
    assert.deepEqual(join, {
      method: "token",
      token: "/var/run/secrets/cnpg-teleport/join/token",
      secret: "join",
      key: "token",
    });
  });

  it("logs in as the user that Teleport creates if roles are declared instead of a user", () => {
    const { user: _user, ...rest } = orders;
    const databases = { orders: { ...rest, roles: ["pg_read_all_data"] } };
    assert.equal(machineIdOutputs({ ...settings, databases }).databases.orders?.user, "bot-shop");
    assert.deepEqual(wrong({ databases }), []);
  });

  it("assigns a free port to each database", () => {
    assert.deepEqual(localPorts({ a: {}, b: { port: 5432 }, c: {}, d: { port: 6000 } }), {
      a: 5433,
      b: 5432,
      c: 5434,
      d: 6000,
    });
  });

  it("assigns ports by the databases' names, in whatever order they are declared", () => {
    assert.deepEqual(localPorts({ stock: {}, orders: {} }), localPorts({ orders: {}, stock: {} }));
  });

  it("renews certificates in time", () => {
    assert.deepEqual(certificateTimes({ certificateTtl: "30m" }), { certificateTtl: "30m", renewalInterval: "600s" });
    assert.deepEqual(wrong({ renewalInterval: "31m" }), ["shop.renewalInterval"]);
    assert.deepEqual(wrong({ certificateTtl: "30s" }), ["shop.certificateTtl"], "Teleport gives none for less");
    assert.deepEqual(wrong({ certificateTtl: "13h" }), ["shop.certificateTtl"], "nor a bot one for more");
    assert.deepEqual(wrong({ certificateTtl: "a while" }), ["shop.certificateTtl"]);
  });

  it("refuses settings that would open more than one database to one user", () => {
    for (const labels of [{}, { "*": "*" }, { cluster: "*" }, { cluster: ["orders", "*"] }]) {
      assert.deepEqual(wrongDatabase({ labels }), ["shop.databases.orders.labels"], JSON.stringify(labels));
    }
    assert.deepEqual(wrongDatabase({ database: "*" }), ["shop.databases.orders.database"]);
    for (const user of ["postgres", "streaming_replica", "*", "{{internal.db_users}}"]) {
      assert.deepEqual(wrongDatabase({ user }), ["shop.databases.orders.user"], user);
    }
    assert.deepEqual(wrongDatabase({ user: undefined, roles: ["pg_execute_server_program"] }), [
      "shop.databases.orders.roles",
    ]);
    assert.deepEqual(wrongDatabase({ user: undefined }), ["shop.databases.orders.user"], "nobody to log in as");
    assert.deepEqual(wrongDatabase({ roles: ["readers"] }), ["shop.databases.orders.user"], "two ways at once");
  });

  it("refuses service accounts that other applications may use", () => {
    const join = (changes: object) =>
      wrong({ join: { method: "kubernetes", namespace: "shop", serviceAccount: "shop", ...changes } });
    assert.deepEqual(join({ serviceAccount: "default" }), ["shop.join.serviceAccount"]);
    assert.deepEqual(join({ serviceAccount: "*" }), ["shop.join.serviceAccount"]);
    assert.deepEqual(join({ namespace: "shop:shop" }), ["shop.join.namespace"]);
  });

  it("refuses rules that match nothing or everything, with the names of the settings", () => {
    for (const [join, expected] of [
      [{ method: "iam", allow: [] }, "shop.join.allow"],
      [{ method: "iam", allow: [{ account: "" }] }, "shop.join.allow[0]"],
      [{ method: "gcp", allow: [{ projects: ["p"] }, { projects: [] }] }, "shop.join.allow[1]"],
      [{ method: "gcp", allow: [{ projects: [""], locations: ["us-west1"] }] }, "shop.join.allow[0]"],
      [{ method: "azure", allow: [{ subscription: "", resourceGroups: ["g"] }] }, "shop.join.allow[0]"],
      [{ method: "github", allow: [{}] }, "shop.join.allow[0]"],
      [{ method: "gitlab", allow: [{ project_path: "" }] }, "shop.join.allow[0]"],
    ] as [MachineIdSettings["join"], string][]) {
      assert.deepEqual(wrong({ join }), [expected], JSON.stringify(join));
    }
    const [problem] = checkMachineId("shop", { ...settings, join: { method: "gcp", allow: [{ projects: [] }] } });
    assert.deepEqual(problem?.value, { projects: [] }, "as it was written");
    for (const join of [
      { method: "iam", allow: [{ account: "123456789012" }] },
      { method: "gcp", allow: [{ projects: ["p"], locations: [] }] },
      { method: "github", allow: [{ repository: "acme/shop" }] },
    ] as MachineIdSettings["join"][]) {
      assert.deepEqual(wrong({ join }), [], JSON.stringify(join));
    }
  });

  it("reports all problems at once", () => {
    const problems = wrong({
      name: "Shop",
      databases: { a: { ...orders, port: 80 }, "B!": { ...orders, port: 5432 }, c: { ...orders, port: 5432 } },
    });
    assert.deepEqual(problems, ["shop.name", "shop.databases.B!", "shop.databases.a.port", "shop.databases.c.port"]);
    assert.deepEqual(wrong({ databases: {} }), ["shop.databases"]);
  });
});
