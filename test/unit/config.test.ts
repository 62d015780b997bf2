import { strict as assert } from "node:assert";
import { namespacesToCreate, parseConfig } from "../../config";
import { SettingsError } from "../../components";

const vaultRoles = { server: { mount: "pki", role: "s" }, client: { mount: "pki", role: "c" } };
const minimal = { storage: { size: "1Gi" }, issuer: { type: "tls" } };
const parse = (raw: Record<string, unknown>, variables: NodeJS.ProcessEnv = {}) => parseConfig(raw, "dev", variables);
const problems = (raw: Record<string, unknown>, variables: NodeJS.ProcessEnv = {}): string[] => {
  try {
    parse(raw, variables);
    return [];
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error));
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.replace("  - ", ""));
  }
};

describe("configuration", () => {
  it("puts defaults below every database, object by object", () => {
    const { databases } = parse({
      defaults: { ...minimal, parameters: { a: "1", b: "1" } },
      databases: { orders: { parameters: { b: "2" } }, sales: { storage: { size: "5Gi" } } },
    });
    assert.deepEqual(databases.orders?.parameters, { a: "1", b: "2" });
    assert.equal(databases.sales?.storage.size, "5Gi");
  });

  it("replaces the default issuer where a database chooses another type", () => {
    const { databases } = parse({
      defaults: { storage: { size: "1Gi" }, issuer: { type: "vault", ...vaultRoles } },
      databases: { orders: { issuer: { type: "tls" } } },
    });
    assert.deepEqual(databases.orders?.issuer, { type: "tls" });
  });

  for (const [what, raw, expected] of [
    ["a key that is none", { databases: {}, databasse: {} }, /^databasse: is no setting\. Use one of/],
    ["missing databases", {}, /^databases: is missing\./],
    [
      "a setting that is none",
      { databases: { a: { ...minimal, instnces: 2 } } },
      /^databases\.a\.instnces: is no setting/,
    ],
    ["a missing setting", { databases: { a: { issuer: { type: "tls" } } } }, /^databases\.a\.storage: is missing/],
    [
      "a number that should be text",
      { databases: { a: { ...minimal, storage: { size: 10 } } } },
      /^databases\.a\.storage\.size = 10: .*quotes/,
    ],
    [
      "an issuer that is none",
      { databases: { a: { ...minimal, issuer: { type: "acme" } } } },
      /^databases\.a\.issuer\.type = .*vault or tls/,
    ],
    [
      "a proxy with a scheme",
      { databases: { a: { ...minimal, teleport: { proxy: "https://t" } } } },
      /^databases\.a\.teleport\.proxy = "https:\/\/t": .*without a scheme/,
    ],
    [
      "a kind of registration that is none",
      { databases: { a: { ...minimal, teleport: { proxy: "t:443", registration: { by: "hand" } } } } },
      /^databases\.a\.teleport\.registration.*Use by: program, agent or operator/,
    ],
    [
      "a source of CAs that is none",
      { databases: { a: { ...minimal, teleport: { proxy: "t:443", clientCas: [{ from: "air" }] } } } },
      /^databases\.a\.teleport\.clientCas\[0\].*Use from: teleport, proxy/,
    ],
    [
      "two Teleport clusters with one identity",
      { databases: { a: { ...minimal, teleport: [{ proxy: "t:443" }, { proxy: "u:443", name: "a" }] } } },
      /^databases\.a\.teleport\[1\]\.credentials: is that of another Teleport cluster/,
    ],
    [
      "a setting of PgBouncer that is CloudNativePG's",
      { databases: { a: { ...minimal, poolers: [{ type: "rw", parameters: { listen_port: "1" } }] } } },
      /^databases\.a\.poolers\[0\]\.parameters\.listen_port: is no setting of PgBouncer/,
    ],
    [
      "a Pooler named as a Service of the Cluster",
      { databases: { a: { ...minimal, poolers: [{ type: "rw", name: "a-rw" }] } } },
      /^databases\.a\.poolers\[0\]\.name = "a-rw": is taken by the Cluster/,
    ],
    ["a database name that is none", { databases: { "A B": minimal } }, /^databases\.A B\.clusterName = "A B"/],
    [
      "an access that is none",
      { databases: { a: { ...minimal, users: [{ name: "x", access: "admin" }] } } },
      /^databases\.a\.users\[0\]\.access = "admin": is none of the values there are\. Use one of read, write, none\./,
    ],
  ] as [string, Record<string, unknown>, RegExp][]) {
    it(`refuses ${what}, naming setting, value and fix`, () => {
      const [first, ...others] = problems(raw);
      assert.match(first ?? "", expected);
      assert.deepEqual(others, []);
    });
  }

  it("tells all mistakes of all databases at once", () => {
    const found = problems({
      databases: { a: { ...minimal, instances: 0, storage: { size: "x" } }, b: { ...minimal, colour: "red" }, c: null },
    });
    assert.equal(found.length, 4, found.join("\n"));
  });

  it("tells a value that is wrong beside a setting that is none", () => {
    const teleport = { proxy: "https://t", colour: "red", labels: "all" };
    const found = problems({ databases: { a: { ...minimal, instances: 0, instnces: 2, teleport } } });
    assert.deepEqual(
      found.map((line) => line.split(/[ :]/)[0]),
      [
        "databases.a.teleport.labels",
        "databases.a.teleport.colour",
        "databases.a.instnces",
        "databases.a.instances",
        "databases.a.teleport.proxy",
      ],
    );
  });

  it("wants Vault's settings and credentials where Vault is the issuer", () => {
    const databases = { a: { ...minimal, issuer: { type: "vault", ...vaultRoles } } };
    assert.match(problems({ databases })[0]!, /^vault: is missing, but databases\.a needs it/);
    const vault = { auth: { method: "approle" } };
    assert.equal(problems({ databases, vault }).length, 3);
    const set = { VAULT_ADDR: "https://vault", VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" };
    assert.deepEqual(problems({ databases, vault }, set), []);
    assert.deepEqual(
      problems({ databases, vault: { auth: { method: "token" } } }, { VAULT_ADDR: "https://vault" }),
      [],
    );
  });

  it("refuses databases that would take the same name", () => {
    const teleport = { proxy: "t:443", name: "shop" };
    const [collision] = problems({
      databases: { a: { ...minimal, teleport }, b: { ...minimal, instances: 1, teleport } },
    });
    assert.match(collision ?? "", /^databases\.b: would take the Teleport name shop at t:443, as databases\.a does/);
    const same = { ...minimal, namespace: "db", clusterName: "x" };
    assert.match(problems({ databases: { a: same, b: same } })[0]!, /the Cluster x in namespace db/);
    const standby = { ...minimal, teleport: { proxy: "t:443", name: "shop-ro" } };
    assert.equal(problems({ databases: { a: { ...minimal, teleport }, b: { ...standby, instances: 1 } } }).length, 1);
  });

  describe("in one Vault", () => {
    const vault = { auth: { method: "token" } };
    const byVault = (vaultDatabase: object) => ({
      ...minimal,
      vaultDatabase: { roles: { app: {} }, ...vaultDatabase },
    });
    const collisions = (one: object, other: object, names = ["a", "b"]) =>
      problems(
        { vault, databases: { [names[0]!]: byVault(one), [names[1]!]: byVault(other) } },
        { VAULT_ADDR: "https://vault" },
      ).map((line) => /would take (.*), as /.exec(line)?.[1]);
    const shared = { path: "database", exists: true };

    it("keeps databases of the default names apart", () => assert.deepEqual(collisions({}, {}), []));

    for (const [what, one, other, expected] of [
      ["a role of a mount", { mount: shared }, { mount: shared }, ["the role app in Vault's mount database"]],
      [
        "a connection of a mount",
        { mount: shared, connection: "x", roles: { one: {} } },
        { mount: shared, connection: "x", roles: { two: {} } },
        ["the connection x in Vault's mount database"],
      ],
      [
        "a mount that is made",
        { mount: { path: "pg" }, roles: { one: {} } },
        { mount: { path: "pg" }, roles: { two: {} } },
        ["the mount pg of Vault"],
      ],
      [
        "a login method that is made",
        { kubernetesAuth: { path: "k8s", make: { host: "https://one" } } },
        { kubernetesAuth: { path: "k8s", make: { host: "https://two" } } },
        ["the login method k8s of Vault"],
      ],
      [
        "a policy, which two connections and roles can make alike",
        { connection: "a-b", roles: { c: {} } },
        { connection: "a", roles: { "b-c": {} } },
        ["the policy database-a-b-c of Vault"],
      ],
    ] as [string, object, object, string[]][]) {
      it(`refuses two that would take ${what}`, () => assert.deepEqual(collisions(one, other), expected));
    }

    it("lets two share a mount and a login method that are there already", () => {
      const there = { mount: shared, kubernetesAuth: { path: "kubernetes" } };
      assert.deepEqual(collisions({ ...there, roles: { one: {} } }, { ...there, roles: { two: {} } }), []);
    });
  });

  it("logs in to Vault in one way, whichever part of it asks", () => {
    const set = { VAULT_ADDR: "https://vault", VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" };
    const vault = { auth: { method: "approle", mount: "ci" } };
    const asking = { a: { ...minimal, vaultDatabase: { roles: { app: {} } } } };
    const [differs, ...others] = problems({ databases: asking, vault }, set);
    assert.match(
      differs ?? "",
      /^vault\.auth\.mount = "ci": .*VAULT_APPROLE_MOUNT.*databases\.a .*VAULT_APPROLE_MOUNT=ci\./,
    );
    assert.deepEqual(others, []);
    assert.deepEqual(problems({ databases: asking, vault }, { ...set, VAULT_APPROLE_MOUNT: "ci" }), []);
    assert.deepEqual(problems({ databases: asking, vault }, { ...set, VAULT_TOKEN: "t" }), [], "it is not logged in");
    const signing = { a: { ...minimal, issuer: { type: "vault", ...vaultRoles } } };
    assert.deepEqual(problems({ databases: signing, vault }, set), [], "the provider alone logs in");
    const usual = { auth: { method: "approle" } };
    assert.equal(problems({ databases: asking, vault: usual }, { ...set, VAULT_APPROLE_MOUNT: "ci" }).length, 1);
    const clientCas = [{ from: "vault", path: "secret/ca", key: "ca" }];
    const reading = { a: { ...minimal, teleport: { proxy: "t:443", clientCas } } };
    assert.match(problems({ databases: reading, vault }, set)[0] ?? "", /^vault\.auth\.mount = "ci"/);
  });

  it("knows the namespace of Vault, which what is read by the environment must be told as well", () => {
    const set = { VAULT_ADDR: "https://vault", VAULT_TOKEN: "t" };
    const vault = { namespace: "team", auth: { method: "token" } };
    const databases = { a: { ...minimal, vaultDatabase: { roles: { app: {} } } } };
    assert.equal(parse({ databases, vault }, set).vault?.namespace, "team");
    const clientCas = [{ from: "vault", path: "secret/ca", key: "ca" }];
    const reading = { a: { ...minimal, teleport: { proxy: "t:443", clientCas } } };
    assert.match(
      problems({ databases: reading, vault }, set)[0] ?? "",
      /^vault\.namespace = "team": .*VAULT_NAMESPACE=team/,
    );
    assert.deepEqual(problems({ databases: reading, vault }, { ...set, VAULT_NAMESPACE: "team" }), []);
  });

  it("makes each namespace once, and only where it is asked to", () => {
    const inNamespace = (namespace: string, createNamespace?: boolean) => ({ ...minimal, namespace, createNamespace });
    const { databases } = parse({
      databases: { a: inNamespace("db", true), b: inNamespace("db", true), c: inNamespace("other"), d: minimal },
    });
    assert.deepEqual(namespacesToCreate({ databases }), [{ context: undefined, namespace: "db" }]);
  });
});
