import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { checkClusterName, ENDPOINTS, secretNames, serverDnsNames, serviceName } from "../../../components/cnpg/names";
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
