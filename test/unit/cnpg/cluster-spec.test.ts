import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { checkClusterSettings } from "../../../components/cnpg/cluster-check";
import { ClusterSettings, clusterSpec } from "../../../components/cnpg/cluster-spec";
import { pgHbaRules } from "../../../components/cnpg/pg-hba";
import { checkUsers, DEFAULT_USERS, managedRoles, TeleportUser } from "../../../components/cnpg/roles";

const secrets = { server: "s", serverCa: "sca", replication: "r", clientCaBundle: "cca" };
const spec = (settings: Partial<ClusterSettings> = {}) =>
  clusterSpec({ storage: { size: "1Gi" }, secrets, users: DEFAULT_USERS, ...settings }) as Record<
    string,
    Record<string, unknown>
  >;

describe("the Cluster's spec", () => {
  it("names our certificates in CNPG's fields", () => {
    assert.deepEqual(spec().certificates, {
      serverTLSSecret: "s",
      serverCASecret: "sca",
      replicationTLSSecret: "r",
      clientCASecret: "cca",
    });
  });
  it("has three instances and a database `app` by default, and no more than was said", () => {
    assert.equal(spec().instances, 3);
    assert.deepEqual(spec().bootstrap, { initdb: { database: "app", owner: "app", dataChecksums: true } });
    assert.ok(!("walStorage" in spec()) && !("imageName" in spec()));
  });
  it("owns a named database by a role of its name", () => {
    const { initdb } = spec({ initdb: { database: "orders", ownerSecret: "mine" } }).bootstrap as { initdb: object };
    assert.deepEqual(initdb, { database: "orders", owner: "orders", secret: { name: "mine" }, dataChecksums: true });
  });
  it("is overridden last, object by object", () => {
    const overridden = spec({ parameters: { a: "1" }, spec: { postgresql: { parameters: { b: "2" } }, instances: 5 } });
    assert.deepEqual(overridden.postgresql!.parameters, { a: "1", b: "2" });
    assert.equal(overridden.instances, 5);
    assert.equal((overridden.postgresql!.pg_hba as string[]).length, 4);
  });
});

describe("pg_hba rules", () => {
  it("let Teleport users in by certificate over TLS only, for both address families, before all others", () => {
    assert.deepEqual(pgHbaRules(DEFAULT_USERS, ["host all all all md5"]), [
      "hostssl all teleport_user_read,teleport_user_write 0.0.0.0/0 cert",
      "hostssl all teleport_user_read,teleport_user_write ::/0 cert",
      "hostnossl all teleport_user_read,teleport_user_write 0.0.0.0/0 reject",
      "hostnossl all teleport_user_read,teleport_user_write ::/0 reject",
      "host all all all md5",
    ]);
  });
  it("are the user's alone without Teleport users", () => assert.deepEqual(pgHbaRules([], ["x"]), ["x"]));
});

describe("managed roles", () => {
  it("have their rights by membership, and no password", () => {
    const [reader, writer] = managedRoles(DEFAULT_USERS);
    assert.deepEqual(reader?.inRoles, ["pg_read_all_data"]);
    assert.deepEqual(writer?.inRoles, ["pg_read_all_data", "pg_write_all_data"]);
    assert.ok(reader?.disablePassword && reader.login && reader.connectionLimit === 20);
  });

  const problems = (...users: Partial<TeleportUser>[]) =>
    checkUsers(
      "users",
      users.map((user) => ({ name: "reader", access: "read", ...user })),
      "orders",
    ).map(({ problem }) => problem);

  it("are refused where a Teleport CA would open a reserved one", () => {
    for (const name of ["postgres", "streaming_replica", "cnpg_pooler_pgbouncer", "pg_monitor", "all", "replication"]) {
      assert.deepEqual(problems({ name }), ["is reserved by PostgreSQL or CloudNativePG"], name);
    }
  });
  it("are refused as the owner, twice, and with an odd limit", () => {
    assert.match(problems({ name: "orders" })[0]!, /owner/);
    assert.match(problems({}, {})[0]!, /twice/);
    for (const connectionLimit of [0, -2, 1.5])
      assert.match(problems({ connectionLimit })[0]!, /number of connections/);
    assert.deepEqual(problems({ connectionLimit: -1 }), []);
  });
  it("have names that are safe in SQL and pg_hba.conf", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        if (problems({ name }).length === 0) assert.match(name, /^[a-z0-9_]+$/);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("check of a Cluster's settings", () => {
  const settings = (more: Partial<ClusterSettings>) =>
    checkClusterSettings("db", { storage: { size: "1Gi" }, ...more });
  const wrong: Record<string, Partial<ClusterSettings>> = {
    "db.instances": { instances: 0 },
    "db.storage.size": { storage: { size: "10 GB" } },
    "db.walStorage.size": { walStorage: { size: "0Gi" } },
    "db.resources.requests.cpu": { resources: { requests: { cpu: "half" } } },
    "db.initdb.database": { initdb: { database: "template1" } },
    "db.initdb.owner": { initdb: { owner: "postgres" } },
    "db.parameters": { parameters: { "max connections": "5" } },
    "db.pgHba[0]": { pgHba: ["let everybody in"] },
  };
  for (const [setting, more] of Object.entries(wrong)) {
    it(`names ${setting}`, () => {
      const [problem, ...others] = settings(more);
      assert.equal(problem?.setting, setting);
      assert.ok(problem.fix.length > 10);
      assert.deepEqual(others, []);
    });
  }
  it("passes good ones", () => {
    assert.deepEqual(settings({ instances: 1, resources: { limits: { memory: "1.5Gi", cpu: "500m" } } }), []);
    assert.deepEqual(settings({ pgHba: ["hostssl all app 10.0.0.0/8 scram-sha-256", "local all all peer"] }), []);
  });
});
