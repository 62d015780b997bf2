import { strict as assert } from "node:assert";
import { checkClusterSettings } from "../../../components/cnpg/cluster-check";
import { ClusterSettings } from "../../../components/cnpg/cluster-spec";
import { describeProblem } from "../../../components/problems";
import { RIGHT, USERS, WRONG } from "./settings-table";

/** Settings of version 0.1.0 that have the same name and form under `spec`. */
const MOVED = (
  "affinity topologySpreadConstraints priorityClassName enablePDB primaryUpdateStrategy primaryUpdateMethod startDelay " +
  "stopDelay smartShutdownTimeout switchoverDelay failoverDelay probes inheritedMetadata"
).split(" ");

const problems = (settings: Partial<ClusterSettings>, context = {}) =>
  checkClusterSettings(
    "db",
    { storage: { size: "1Gi" }, ...settings },
    { cluster: "orders", users: USERS, ...context },
  );

describe("the check of a Cluster's settings", () => {
  for (const [title, settings] of Object.entries(RIGHT)) {
    it(`accepts ${title}`, () => assert.deepEqual(problems(settings), []));
  }
  for (const { setting, settings, checked } of WRONG) {
    const title = `${setting} in ${JSON.stringify(settings)}`;
    if (!checked) {
      it(`leaves ${title} to the operator`, () => assert.deepEqual(problems(settings), []));
      continue;
    }
    it(`refuses ${title}`, () => {
      const [problem, ...others] = problems(settings);
      assert.equal(problem?.setting, `db.${setting}`);
      assert.ok(problem.problem.length > 5 && problem.fix.endsWith("."), problem.fix);
      assert.deepEqual(others, []);
    });
  }
  it("reports all problems at once", () => {
    const settings = { instances: 0, storage: { size: "x" }, parameters: { ssl: "off" }, spec: { failoverDelay: -1 } };
    assert.equal(problems(settings).length, 4);
  });
  it("refuses to disable the standby's Service if Teleport uses it", () => {
    const spec = { managed: { services: { disabledDefaultServices: ["ro"] } } };
    assert.deepEqual(problems({ spec }, { standbyRegistered: false }), []);
    const [problem] = problems({ spec }, { standbyRegistered: true });
    assert.equal(problem?.setting, "db.spec.managed.services.disabledDefaultServices");
    assert.match(problem.problem, /Teleport/);
  });
  it("refuses a setting that moved to spec, with the new place and form, and ignores undefined ones", () => {
    const moved = (setting: string, value: unknown) => problems({ [setting]: value }).map(describeProblem);
    const message = (setting: string, place: string) => [
      `db.${setting}: is now a field of CloudNativePG under spec. Write it as ${place}.`,
    ];
    for (const same of MOVED) assert.deepEqual(moved(same, {}), message(same, `spec.${same}`));
    assert.deepEqual(moved("synchronous", { method: "any" }), message("synchronous", "spec.postgresql.synchronous"));
    assert.deepEqual(moved("ldap", null), message("ldap", "spec.postgresql.ldap"));
    const [pullSecrets, account, services] = ["imagePullSecrets", "serviceAccountTemplate", "services"].map((setting) =>
      moved(setting, [])[0]?.split("Write it as ").at(-1),
    );
    assert.equal(pullSecrets, "spec.imagePullSecrets, a list of {name: <name of the Secret>}.");
    assert.equal(account, "spec.serviceAccountTemplate: {metadata: {labels: {…}, annotations: {…}}}.");
    assert.match(
      services ?? "",
      /^spec\.managed\.services, and .*\{selectorType: rw, serviceTemplate: \{metadata: \{name: …/,
    );
    assert.deepEqual(moved("affinity", undefined), []);
  });
  it("accepts any JSON under spec, and leaves values of a wrong type to the operator", () => {
    const odd = [null, true, 0, "", [], {}, [null], [[]], { additional: [null, "x"] }];
    const fields = ["affinity", "probes", "postgresql.synchronous", "postgresql.ldap", "managed.services", ...MOVED];
    const at = (field: string, value: unknown) =>
      field.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;
    for (const field of fields) for (const value of odd) problems({ spec: at(field, value) });
    assert.deepEqual(problems({ spec: { probes: "none", stopDelay: "60", affinity: [], imagePullSecrets: "x" } }), []);
  });
  it("refuses LDAP without TLS, in every form of spec", () => {
    const ldap = { server: "ldap.example.com", bindAsAuth: {} };
    for (const open of [ldap, { ...ldap, tls: false }, { ...ldap, tls: null }, { ...ldap, scheme: "ldap" }]) {
      const [problem, ...others] = problems({ spec: { postgresql: { ldap: open } } });
      assert.match(problem?.problem ?? "", /sends passwords in clear text/);
      assert.deepEqual(others, []);
    }
  });
  it("refuses a rule for a Teleport user only if this user is declared", () => {
    const pgHba = ["hostssl all teleport_user_read 10.0.0.0/8 scram-sha-256"];
    assert.equal(problems({ pgHba }).length, 1);
    assert.deepEqual(problems({ pgHba }, { users: [] }), []);
  });
});
