import { strict as assert } from "node:assert";
import { checkClusterSettings } from "../../../components/cnpg/cluster-check";
import { ClusterSettings } from "../../../components/cnpg/cluster-spec";
import { RIGHT, USERS, WRONG } from "./settings-table";

const problems = (settings: Partial<ClusterSettings>, context = {}) =>
  checkClusterSettings(
    "db",
    { storage: { size: "1Gi" }, ...settings },
    { cluster: "orders", users: USERS, ...context },
  );

describe("check of a Cluster's settings", () => {
  for (const [title, settings] of Object.entries(RIGHT)) {
    it(`passes ${title}`, () => assert.deepEqual(problems(settings), []));
  }
  for (const { setting, settings } of WRONG) {
    it(`names ${setting} in ${JSON.stringify(settings)}`, () => {
      const [problem, ...others] = problems(settings);
      assert.equal(problem?.setting, `db.${setting}`);
      assert.ok(problem.problem.length > 5 && problem.fix.endsWith("."), problem.fix);
      assert.deepEqual(others, []);
    });
  }
  it("tells all problems at once", () => {
    const settings = { instances: 0, storage: { size: "x" }, parameters: { ssl: "off" }, failoverDelay: -1 };
    assert.equal(problems(settings).length, 4);
  });
  it("keeps the standby's Service where Teleport leads to it", () => {
    const services = { disabledDefaultServices: ["ro" as const] };
    assert.deepEqual(problems({ services }, { standbyRegistered: false }), []);
    const [problem] = problems({ services }, { standbyRegistered: true });
    assert.equal(problem?.setting, "db.services.disabledDefaultServices");
    assert.match(problem.problem, /Teleport/);
  });
  it("tells a rule for a Teleport user only where there is that user", () => {
    const pgHba = ["hostssl all teleport_user_read 10.0.0.0/8 scram-sha-256"];
    assert.equal(problems({ pgHba }).length, 1);
    assert.deepEqual(problems({ pgHba }, { users: [] }), []);
  });
});
