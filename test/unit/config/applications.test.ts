/** Applications in the configuration, and users that Teleport and Vault create. */
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

describe("an application of the configuration", () => {
  it("connects to the primary by default, with the database's names in Teleport and PostgreSQL", () => {
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

  it("connects to the standby with `standby: true`", () => {
    const wanted = { main: { ...shop.databases.main, standby: true, databaseName: "other" } };
    const { plan } = parse(withDatabase({}, { ...shop, databases: wanted }));
    const { main } = plan.applications.shop!.settings.databases;
    assert.deepEqual(
      [main?.service, main?.labels.sql_type, main?.labels.primary, main?.database],
      ["orders-dev-ro", "standby", "orders-dev", "other"],
    );
  });

  it("needs `name` if the default name is not valid in Teleport", () => {
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
      "users that Teleport would have to create on a standby",
      withDatabase(
        { autoUsers: { roles: ["teleport_user_read"] } },
        { ...shop, databases: { main: { database: "orders", standby: true, roles: ["teleport_user_read"] } } },
      ),
      ["applications.shop.databases.main.roles"],
    ],
    [
      "an empty list of AWS accounts",
      withDatabase({}, { ...shop, join: { method: "iam", allow: [] } }),
      ["applications.shop.join.allow"],
    ],
    [
      "a GitHub rule that allows every workflow",
      withDatabase({}, { ...shop, join: { method: "github", allow: [{ repository: "acme/shop" }, {}] } }),
      ["applications.shop.join.allow[1]"],
    ],
    [
      "a Google Cloud rule without projects",
      withDatabase({}, { ...shop, join: { method: "gcp", allow: [{ projects: [], locations: ["us-west1"] }] } }),
      ["applications.shop.join.allow[0]"],
    ],
    [
      "an unknown database",
      withDatabase({}, { ...shop, databases: { main: { database: "sales", user: "a" } } }),
      ["applications.shop.databases.main.database"],
    ],
    [
      "a database that is not in Teleport",
      withDatabase({ teleport: undefined }),
      ["applications.shop.databases.main.database"],
    ],
    [
      "credentials of a Teleport cluster that the database is not in",
      withDatabase({}, { ...shop, credentials: "emea" }),
      ["applications.shop.databases.main.database"],
    ],
    [
      "a user who is not declared",
      withDatabase({}, { ...shop, databases: { main: { database: "orders", user: "postgres" } } }),
      ["applications.shop.databases.main.user"],
    ],
    [
      "the standby of a database with one instance",
      withDatabase({ instances: 1 }, { ...shop, databases: { main: { ...shop.databases.main, standby: true } } }),
      ["applications.shop.databases.main.standby"],
    ],
    [
      "roles that Teleport may not grant",
      withDatabase(
        { autoUsers: { roles: ["teleport_user_read"] } },
        { ...shop, databases: { main: { database: "orders", roles: ["teleport_user_write"] } } },
      ),
      ["applications.shop.databases.main.roles"],
    ],
    [
      "the default service account, which every pod has",
      withDatabase({}, { ...shop, join: { ...shop.join, serviceAccount: "default" } }),
      ["applications.shop.join.serviceAccount"],
    ],
    [
      "an unknown join method",
      withDatabase({}, { ...shop, join: { method: "ec2" } }),
      ["applications.shop.join.method"],
    ],
  ] as const) {
    it(`is refused with ${what}`, () => assert.deepEqual(problems(raw), expected));
  }

  it("is not reported if only its database has mistakes", () => {
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

  it("with an unknown database gets the known databases in the message", () => {
    const fixes = (databases: object, database: string) => {
      try {
        parse({ databases, applications: { shop: { ...shop, databases: { main: { database, user: "u" } } } } });
        return [];
      } catch (error) {
        return (error as SettingsError).problems.map(({ fix }) => fix);
      }
    };
    assert.deepEqual(fixes({}, "orders"), ["Declare it in databases, which is empty."]);
    assert.deepEqual(fixes({ orders, sales: orders }, "billing"), ["Use orders or sales."]);
    assert.deepEqual(fixes({ orders, sales: orders }, "oders"), ["Did you mean orders?"]);
    assert.deepEqual(fixes({ orders }, "constructor"), ["Use orders."]);
  });

  it("with an unknown join method gets every join method of the schema in the message", () => {
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

  it("may use roles of users that Teleport creates", () => {
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

  it("are unique", () => {
    const found = collisions(
      two({}, { shop, other: { ...shop, name: "shop-dev", databases: { x: shop.databases.main } } }),
    );
    assert.deepEqual(found, [
      `applications.other uses the bot shop-dev ${at}, which applications.shop also uses`,
      `applications.other uses the Teleport role bot-shop-dev ${at}, which applications.shop also uses`,
    ]);
    assert.deepEqual(collisions(two({}, { shop, other: shop })), []);
  });

  it("are refused if a name and an alias lead to the same role as another pair", () => {
    const { main } = shop.databases;
    const raw = two(
      {},
      {
        a: { ...shop, name: "a", databases: { "b-c": main } },
        "a-b": { ...shop, name: "a-b", databases: { c: main } },
      },
    );
    assert.deepEqual(collisions(raw), [
      `applications.a-b uses the Teleport role a-b-c ${at}, which applications.a also uses`,
    ]);
  });

  it("must not lead to an access role for people", () => {
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
        `applications.shop uses the Teleport role orders-dev-${alias} ${at}, which databases.orders also uses`,
      ]);
      assert.deepEqual(collisions(raw(false, alias)), []);
    }
  });

  it("can be the same in different Teleport clusters", () => {
    const emea = { proxy: "emea.example.com:443", credentials: "emea" };
    const raw = two(
      { teleport: [orders.teleport, emea] },
      { shop, other: { ...shop, name: "shop-dev", credentials: "emea" } },
    );
    assert.deepEqual(collisions(raw), []);
  });
});

describe("users that Teleport and Vault create", () => {
  const vaultDatabase = { roles: { app: {} } };
  const check = (settings: object) =>
    problems({ vault: { auth: { method: "token" } }, databases: { orders: { ...orders, ...settings } } });

  it("require the settings of Vault with vaultDatabase", () => {
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
    ["an invalid port", { vaultDatabase: { ...vaultDatabase, port: 0 } }, "vaultDatabase.port"],
    ["vaultDatabase without a role", { vaultDatabase: { roles: {} } }, "vaultDatabase.roles"],
    ["autoUsers without a role", { autoUsers: { roles: [] } }, "autoUsers.roles"],
    ["an admin user that is the owner", { autoUsers: { roles: ["r"], adminUser: "shop" } }, "autoUsers.adminUser"],
    ["autoUsers without Teleport", { teleport: undefined, autoUsers: { roles: ["r"] } }, "autoUsers"],
    [
      "two admin users",
      { teleport: { ...orders.teleport, adminUser: { name: "theirs" } }, autoUsers: { roles: ["r"] } },
      "teleport.adminUser",
    ],
  ] as const) {
    it(`are refused with ${what}`, () => assert.deepEqual(check(settings), [`databases.orders.${expected}`]));
  }

  it("can have a host that is in the certificate", () => {
    const host = "db.example.com";
    assert.deepEqual(check({ serverAltNames: [host], vaultDatabase: { ...vaultDatabase, host } }), []);
  });
});
