import { strict as assert } from "node:assert";
import { checkClusterSettings, ClusterSettings } from "../../../components/cnpg/cluster";
import { appliedProblems, databaseManifests } from "../../../components/cnpg/databases";
import { databaseObjectName } from "../../../components/cnpg/names";
import { USERS } from "./settings-table";

describe("Database objects", () => {
  const manifests = (settings: Partial<ClusterSettings>) =>
    databaseManifests("orders", { initdb: { database: "shop_db", owner: "shop" }, ...settings });

  it("do not exist without settings", () => assert.deepEqual(manifests({}), []));
  it("declare schemas and extensions of the application's database, and never drop it", () => {
    assert.deepEqual(manifests({ schemas: ["sales", { name: "audit", owner: "auditor" }], extensions: ["pgcrypto"] }), [
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Database",
        metadata: { name: databaseObjectName("orders", "shop_db") },
        spec: {
          cluster: { name: "orders" },
          name: "shop_db",
          owner: "shop",
          schemas: [
            { name: "sales", owner: "shop" },
            { name: "audit", owner: "auditor" },
          ],
          extensions: [{ name: "pgcrypto" }],
          databaseReclaimPolicy: "retain",
        },
      },
    ]);
  });
  it("belong to the application's owner, like their schemas, unless another owner is set", () => {
    const [plain, owned] = manifests({ databases: [{ name: "a" }, { name: "b", owner: "reports", schemas: ["s"] }] });
    assert.equal(plain?.spec.owner, "shop");
    assert.equal(owned?.spec.owner, "reports");
    assert.deepEqual(owned?.spec.schemas, [{ name: "s", owner: "reports" }]);
  });
  it("copy template0 if another template would refuse their locale", () => {
    const made = manifests({
      databases: [
        { name: "a" },
        { name: "b", locale: "de_DE.UTF-8" },
        { name: "c", encoding: "LATIN1", template: "mine" },
      ],
    });
    assert.deepEqual(
      made.map(({ spec }) => spec.template),
      [undefined, "template0", "mine"],
    );
  });
  it("are dropped only with reclaimPolicy: delete", () => {
    const made = manifests({ databases: [{ name: "a" }, { name: "b", reclaimPolicy: "delete" }] });
    assert.deepEqual(
      made.map(({ spec }) => spec.databaseReclaimPolicy),
      ["retain", "delete"],
    );
  });
  it("do not make Pulumi wait while no primary can apply them", () => {
    for (const paused of [{ hibernation: true }, { fencedInstances: ["*"] }]) {
      assert.ok(!("annotations" in manifests({ databases: [{ name: "a" }], ...paused })[0]!.metadata));
    }
  });
});

describe("the state of a Database object", () => {
  const database = (generation: number, status?: Record<string, unknown>) => ({
    metadata: { name: "orders.a", generation },
    status,
  });
  it("has no problem if the primary applied what was written", () => {
    assert.deepEqual(appliedProblems("Database", "a", database(2, { applied: true, observedGeneration: 2 })), []);
  });
  it("has a problem if the primary applied an older version", () => {
    const [problem] = appliedProblems("Database", "a", database(3, { applied: true, observedGeneration: 2 }));
    assert.match(problem ?? "", /not seen/);
  });
  it("has the operator's words as its problem", () => {
    const extensions = [{ name: "nosuch", applied: false, message: "not available" }];
    const status = { applied: false, message: "failed", observedGeneration: 1, extensions };
    assert.deepEqual(appliedProblems("Database", "a", database(2, status)), [
      "Database a: failed; nosuch: not available",
    ]);
    assert.match(appliedProblems("Database", "a", undefined)[0] ?? "", /does not exist/);
    assert.match(appliedProblems("Database", "a", database(1))[0] ?? "", /not seen/);
  });
});

describe("the check of databases", () => {
  const problems = (settings: Partial<ClusterSettings>) =>
    checkClusterSettings("", { storage: { size: "1Gi" }, ...settings }, { users: USERS });
  const one = (database: object) => ({ databases: [{ name: "extra", ...database }] }) as Partial<ClusterSettings>;
  const wrong: [setting: string, settings: Partial<ClusterSettings>][] = [
    ["databases[0].name", one({ name: "postgres" })],
    ["databases[0].name", one({ name: "My DB" })],
    ["databases[0].name", one({ name: "app" })],
    ["databases[1].name", { databases: [{ name: "a" }, { name: "a" }] }],
    ["databases[0].owner", one({ owner: "cnpg_x" })],
    ["databases[0].owner", one({ owner: "teleport_user_write" })],
    ["databases[0].schemas[0]", one({ schemas: ["pg_x"] })],
    ["databases[0].schemas[1]", one({ schemas: ["a", { name: "a" }] })],
    ["databases[0].schemas[0].owner", one({ schemas: [{ name: "a", owner: "teleport_user_read" }] })],
    ["databases[0].extensions[0]", one({ extensions: ['x"; DROP'] })],
    ["databases[0].extensions[0].version", one({ extensions: [{ name: "hstore", version: '1"' }] })],
    ["databases[0].extensions[0].schema", one({ extensions: [{ name: "hstore", schema: "A B" }] })],
    ["databases[0].extensions[1]", one({ extensions: ["hstore", "hstore"] })],
    ["extensions[0]", { extensions: ["pg_stat_statements"] }],
    ["schemas[0]", { schemas: ["information_schema"] }],
    ["databases[0].icuLocale", one({ icuLocale: "de" })],
    ["databases[0].icuRules", one({ localeProvider: "libc", icuRules: "&a < b" })],
    ["databases[0].builtinLocale", one({ builtinLocale: "C.UTF-8", localeProvider: "icu" })],
    ["databases[0].connectionLimit", one({ connectionLimit: -2 })],
    ["databases[0].tablespace", one({ tablespace: "fast" })],
    [
      "databases[0].tablespace",
      { ...one({ tablespace: "t" }), tablespaces: [{ name: "t", size: "1Gi", temporary: true }] },
    ],
  ];
  for (const [setting, settings] of wrong) {
    it(`refuses ${setting} in ${JSON.stringify(settings)}`, () => {
      assert.deepEqual(
        problems(settings).map((problem) => problem.setting),
        [setting],
      );
    });
  }
  it("accepts valid settings", () => {
    const databases = [
      {
        name: "my_db-2",
        owner: "reports",
        schemas: ["s", { name: "public", owner: "reports" }],
        extensions: ["pg_stat_statements", "uuid-ossp", { name: "hstore", version: "1.8", schema: "s" }],
        localeProvider: "icu" as const,
        icuLocale: "de",
        tablespace: "fast",
        connectionLimit: 0,
      },
    ];
    const tablespaces = [{ name: "fast", size: "1Gi" }];
    const loaded = { sharedPreloadLibraries: ["pg_stat_statements"] };
    assert.deepEqual(problems({ databases, tablespaces, ...loaded }), []);
    assert.deepEqual(problems({ extensions: ["pgaudit"], parameters: { "pgaudit.log": "ddl" } }), []);
  });
});
