/** Applications and workloads' users in the configuration. */
import { strict as assert } from "node:assert";
import { SettingsError } from "../../../components";
import { parseConfig, usesVault } from "../../../config/config";

const orders = {
  storage: { size: "1Gi" },
  issuer: { type: "tls" },
  teleport: { proxy: "teleport.example.com:443" },
  initdb: { database: "shop" },
};
const shop = {
  join: { method: "kubernetes", namespace: "shop", serviceAccount: "web" },
  databases: { main: { database: "orders", user: "teleport_user_write" } },
};
const vaultEnvironment = { VAULT_ADDR: "https://vault", VAULT_TOKEN: "t" };
const parse = (raw: Record<string, unknown>) => parseConfig(raw, "dev", vaultEnvironment);
const problems = (raw: Record<string, unknown>): string[] => {
  try {
    parse(raw);
    return [];
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error));
    return error.problems.map(({ setting }) => setting);
  }
};
const withDatabase = (settings: object, application: object = shop) => ({
  databases: { orders: { ...orders, ...settings } },
  applications: { shop: application },
});

describe("applications of the configuration", () => {
  it("open the primary of that one database, by its name in Teleport, and PostgreSQL's database", () => {
    const { plan } = parse(withDatabase({}));
    const { teleport, settings } = plan.applications.shop!;
    assert.deepEqual(teleport, { proxy: "teleport.example.com:443", credentials: undefined });
    assert.equal(settings.name, "shop-dev");
    assert.deepEqual(settings.databases, {
      main: {
        service: "orders-dev",
        labels: { provisioned_by: "cloudnative-pg", primary: "orders-dev", sql_type: "primary" },
        database: "shop",
        user: "teleport_user_write",
      },
    });
  });

  it("open the standby where that is asked for", () => {
    const wanted = { main: { ...shop.databases.main, standby: true, databaseName: "other" } };
    const { plan } = parse(withDatabase({}, { ...shop, databases: wanted }));
    const { main } = plan.applications.shop!.settings.databases;
    assert.deepEqual(
      [main?.service, main?.labels.sql_type, main?.labels.primary, main?.database],
      ["orders-dev-ro", "standby", "orders-dev", "other"],
    );
  });

  it("are called in Teleport as they say, where the default would be no name there", () => {
    const { plan } = parse(withDatabase({}, { ...shop, name: "web" }));
    assert.equal(plan.applications.shop!.settings.name, "web");
    const inStack = (stack: string, name?: string) => () =>
      parseConfig(withDatabase({ environment: "prod" }, { ...shop, name }), stack, {});
    const long = "a-stack-with-a-name-that-is-longer-than-bots-may-have";
    for (const [stack, told] of [
      [
        "Prod_eu",
        /^SettingsError: 1 setting is wrong:\n {2}- the stack's name = "Prod_eu": .*Set applications\.shop\.name/,
      ],
      [long, /^SettingsError: 1 setting is wrong:\n {2}- applications\.shop: would be called shop-a-stack/],
    ] as const) {
      assert.throws(inStack(stack), told, stack);
      assert.doesNotThrow(inStack(stack, "shop-prod"));
    }
    const inCapitals = { databases: { orders }, applications: { Shop: shop } };
    assert.deepEqual(problems(inCapitals), ["applications.Shop"]);
  });

  for (const [what, raw, expected] of [
    [
      "users that Teleport would have to make in a standby",
      withDatabase(
        { autoUsers: { roles: ["teleport_user_read"] } },
        { ...shop, databases: { main: { database: "orders", standby: true, roles: ["teleport_user_read"] } } },
      ),
      ["applications.shop.databases.main.roles"],
    ],
    [
      "AWS accounts of nobody",
      withDatabase({}, { ...shop, join: { method: "iam", allow: [] } }),
      ["applications.shop.join.allow"],
    ],
    [
      "every workflow of GitHub",
      withDatabase({}, { ...shop, join: { method: "github", allow: [{ repository: "acme/shop" }, {}] } }),
      ["applications.shop.join.allow[1]"],
    ],
    [
      "projects of Google Cloud that are not said",
      withDatabase({}, { ...shop, join: { method: "gcp", allow: [{ projects: [], locations: ["us-west1"] }] } }),
      ["applications.shop.join.allow[0]"],
    ],
    [
      "a database that is none",
      withDatabase({}, { ...shop, databases: { main: { database: "sales", user: "a" } } }),
      ["applications.shop.databases.main.database"],
    ],
    [
      "a database that is not in Teleport",
      withDatabase({ teleport: undefined }),
      ["applications.shop.databases.main.database"],
    ],
    [
      "credentials of a Teleport cluster that it is not in",
      withDatabase({}, { ...shop, credentials: "emea" }),
      ["applications.shop.databases.main.database"],
    ],
    [
      "a user who is not declared",
      withDatabase({}, { ...shop, databases: { main: { database: "orders", user: "postgres" } } }),
      ["applications.shop.databases.main.user"],
    ],
    [
      "the standby of one instance",
      withDatabase({ instances: 1 }, { ...shop, databases: { main: { ...shop.databases.main, standby: true } } }),
      ["applications.shop.databases.main.standby"],
    ],
    [
      "roles that Teleport may not give",
      withDatabase(
        { autoUsers: { roles: ["teleport_user_read"] } },
        { ...shop, databases: { main: { database: "orders", roles: ["teleport_user_write"] } } },
      ),
      ["applications.shop.databases.main.roles"],
    ],
    [
      "the service account that every pod has",
      withDatabase({}, { ...shop, join: { ...shop.join, serviceAccount: "default" } }),
      ["applications.shop.join.serviceAccount"],
    ],
    [
      "a way to join that is none",
      withDatabase({}, { ...shop, join: { method: "ec2" } }),
      ["applications.shop.join.method"],
    ],
  ] as const) {
    it(`refuses ${what}`, () => assert.deepEqual(problems(raw), expected));
  }

  it("are not blamed for a database that has mistakes of its own", () => {
    const user = { main: { database: "orders", user: "reader" } };
    for (const [settings, expected] of [
      [{ storage: { size: "x" } }, "databases.orders.storage.size"],
      [{ storage: {} }, "databases.orders.storage.size"],
      [{ users: "reader" }, "databases.orders.users"],
      [{ teleport: 5 }, "databases.orders.teleport"],
      [{ instances: "two" }, "databases.orders.instances"],
      [{ clusterName: ["x"] }, "databases.orders.clusterName"],
    ] as const) {
      const users = [{ name: "reader", access: "read" }];
      const raw = withDatabase({ users, ...settings }, { ...shop, databases: user });
      assert.deepEqual(problems(raw), [expected], JSON.stringify(settings));
    }
    const wrongToo = { ...shop, certificateTtl: "soon" };
    assert.deepEqual(problems(withDatabase({ instnces: 2 }, wrongToo)), [
      "databases.orders.instnces",
      "applications.shop.certificateTtl",
    ]);
  });

  it("that name no database are told which there are, if any", () => {
    const fixes = (databases: object, database: string) => {
      try {
        parse({ databases, applications: { shop: { ...shop, databases: { main: { database, user: "u" } } } } });
        return [];
      } catch (error) {
        return (error as SettingsError).problems.map(({ fix }) => fix);
      }
    };
    assert.deepEqual(fixes({}, "orders"), ["Declare it: databases is empty."]);
    assert.deepEqual(fixes({ orders, sales: orders }, "billing"), ["Use orders or sales."]);
    assert.deepEqual(fixes({ orders, sales: orders }, "oders"), ["Did you mean orders?"]);
    assert.deepEqual(fixes({ orders }, "constructor"), ["Use orders."]);
  });

  it("are told every way to join that the schema knows", () => {
    try {
      parse(withDatabase({}, { ...shop, join: { method: "ec2" } }));
      assert.fail("it is accepted");
    } catch (error) {
      const [problem] = (error as SettingsError).problems;
      assert.equal(problem?.value, "ec2");
      for (const method of ["kubernetes", "token", "iam", "gcp", "azure", "github", "gitlab"]) {
        assert.ok(problem.fix.includes(method), `${method}: ${problem.fix}`);
      }
    }
  });

  it("may have users that Teleport makes", () => {
    const raw = withDatabase(
      { autoUsers: { roles: ["teleport_user_read"] } },
      { ...shop, databases: { main: { database: "orders", roles: ["teleport_user_read"] } } },
    );
    assert.deepEqual(problems(raw), []);
  });
});

describe("names of applications in Teleport", () => {
  const two = (settings: object, applications: object) => ({
    databases: { orders: { ...orders, ...settings } },
    applications,
  });
  const collisions = (raw: Record<string, unknown>): string[] => {
    try {
      parse(raw);
      return [];
    } catch (error) {
      assert.ok(error instanceof SettingsError, String(error));
      return error.problems.map(({ setting, problem }) => `${setting} ${problem}`);
    }
  };
  const at = "at teleport.example.com:443";

  it("are each for one", () => {
    const found = collisions(
      two({}, { shop, other: { ...shop, name: "shop-dev", databases: { x: shop.databases.main } } }),
    );
    assert.deepEqual(found, [
      `applications.other would take the bot shop-dev ${at}, as applications.shop does`,
      `applications.other would take the Teleport role bot-shop-dev ${at}, as applications.shop does`,
    ]);
    assert.deepEqual(collisions(two({}, { shop, other: shop })), []);
  });

  it("begin roles that two names and aliases can make alike", () => {
    const { main } = shop.databases;
    const raw = two(
      {},
      {
        a: { ...shop, name: "a", databases: { "b-c": main } },
        "a-b": { ...shop, name: "a-b", databases: { c: main } },
      },
    );
    assert.deepEqual(collisions(raw), [
      `applications.a-b would take the Teleport role a-b-c ${at}, as applications.a does`,
    ]);
  });

  it("begin no role that opens a database to people", () => {
    const raw = (accessRoles: boolean, alias: string) =>
      two(
        {
          users: [{ name: "reader", access: "read" }],
          autoUsers: { roles: ["reports"] },
          teleport: { ...orders.teleport, accessRoles },
        },
        { shop: { ...shop, name: "orders-dev", databases: { [alias]: { database: "orders", user: "reader" } } } },
      );
    for (const alias of ["reader", "auto-reports"]) {
      assert.deepEqual(collisions(raw(true, alias)), [
        `applications.shop would take the Teleport role orders-dev-${alias} ${at}, as databases.orders does`,
      ]);
      assert.deepEqual(collisions(raw(false, alias)), []);
    }
  });

  it("are free in another Teleport cluster", () => {
    const emea = { proxy: "emea.example.com:443", credentials: "emea" };
    const raw = two(
      { teleport: [orders.teleport, emea] },
      { shop, other: { ...shop, name: "shop-dev", credentials: "emea" } },
    );
    assert.deepEqual(collisions(raw), []);
  });
});

describe("users that others make", () => {
  const vaultDatabase = { roles: { app: {} } };
  const check = (settings: object) =>
    problems({ vault: { auth: { method: "token" } }, databases: { orders: { ...orders, ...settings } } });

  it("need Vault where it makes them", () => {
    const { databases } = parse({
      vault: { auth: { method: "token" } },
      databases: { orders: { ...orders, vaultDatabase } },
    });
    assert.ok(usesVault(databases.orders!));
    assert.deepEqual(problems({ databases: { orders: { ...orders, vaultDatabase } } }), ["vault"]);
  });

  for (const [what, settings, expected] of [
    [
      "a host that is not in the certificate",
      { vaultDatabase: { ...vaultDatabase, host: "db.example.com" } },
      "vaultDatabase.host",
    ],
    ["a port that is none", { vaultDatabase: { ...vaultDatabase, port: 0 } }, "vaultDatabase.port"],
    ["no role", { vaultDatabase: { roles: {} } }, "vaultDatabase.roles"],
    ["no role that Teleport may give", { autoUsers: { roles: [] } }, "autoUsers.roles"],
    ["an admin user who is the owner", { autoUsers: { roles: ["r"], adminUser: "shop" } }, "autoUsers.adminUser"],
    ["auto users without Teleport", { teleport: undefined, autoUsers: { roles: ["r"] } }, "autoUsers"],
    [
      "two admin users",
      { teleport: { ...orders.teleport, adminUser: { name: "theirs" } }, autoUsers: { roles: ["r"] } },
      "teleport.adminUser",
    ],
  ] as const) {
    it(`refuse ${what}`, () => assert.deepEqual(check(settings), [`databases.orders.${expected}`]));
  }

  it("accept a host that the certificate has", () => {
    const host = "db.example.com";
    assert.deepEqual(check({ serverAltNames: [host], vaultDatabase: { ...vaultDatabase, host } }), []);
  });
});
