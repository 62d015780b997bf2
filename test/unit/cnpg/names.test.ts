import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import {
  checkClusterName,
  databaseObjectName,
  ENDPOINTS,
  secretNames,
  serverDnsNames,
  serviceName,
} from "../../../components/cnpg/names";
import { SettingsError } from "../../../components/problems";

describe("names", () => {
  it("of a server certificate are the three Services in four forms, and the user's", () => {
    const names = serverDnsNames("orders", "db", "cluster.local", ["orders.example.com"]);
    assert.equal(names.length, 13);
    for (const endpoint of ["rw", "ro", "r"]) {
      for (const suffix of ["", ".db", ".db.svc", ".db.svc.cluster.local"])
        assert.ok(names.includes(`orders-${endpoint}${suffix}`));
    }
  });

  it("of accepted Clusters fit Kubernetes' limits in everything derived from them", () => {
    const label = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9-]{1,60}$/), (cluster) => {
        if (checkClusterName("name", cluster).length > 0) return;
        const derived = [
          ...ENDPOINTS.map((endpoint) => serviceName(cluster, endpoint)),
          ...Object.values(secretNames(cluster)),
        ];
        for (const name of derived) assert.ok(label.test(name) && name.length <= 253, name);
        for (const endpoint of ENDPOINTS) assert.ok(serviceName(cluster, endpoint).length <= 63);
      }),
      { numRuns: 1_000 },
    );
  });

  it("are refused with the setting, the value and what to do", () => {
    for (const name of ["", "Orders", "1st", "a_b", "a-", "a".repeat(51)]) {
      const [problem] = checkClusterName("databases.x.clusterName", name);
      assert.ok(problem, name);
      assert.match(new SettingsError([problem]).message, /databases\.x\.clusterName = .*: .*lower-case letters/);
    }
  });
});

describe("the name of a Database object", () => {
  const identifier = fc.stringMatching(/^[a-z_][a-z0-9_$-]{0,20}$/);
  const cluster = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);

  it("is readable", () => {
    assert.equal(databaseObjectName("orders", "billing"), "orders.billing");
    assert.match(databaseObjectName("orders", "my_db"), /^orders\.my-db\.[0-9a-f]{10}$/);
    assert.match(databaseObjectName("orders", "_"), /^orders\.[0-9a-f]{10}$/);
  });
  it("is valid in Kubernetes, and unique for each database of each Cluster", () => {
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(cluster, identifier, (of, database) => {
        const name = databaseObjectName(of, database);
        assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
        const key = `${of} ${database}`;
        assert.equal(seen.get(name) ?? key, key);
        seen.set(name, key);
      }),
      { numRuns: 3_000 },
    );
    const alike = ["a_b", "a-b", "a$b", "a__b", "_a_b", "a_b_"].map((database) =>
      databaseObjectName("orders", database),
    );
    assert.equal(new Set(alike).size, alike.length);
    assert.notEqual(databaseObjectName("a", "b-c"), databaseObjectName("a-b", "c"));
  });
});
