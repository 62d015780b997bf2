import { strict as assert } from "node:assert";
import { checkClusterSettings, ClusterSettings, clusterSpec, FIELDS } from "../../../components/cnpg/cluster";
import { CLUSTER_SPEC_FIELDS, placeOfClusterField, settingOfField } from "../../../components/cnpg/cluster-fields";
import { upgradeBackupHours } from "../../../components/cnpg/image";
import { DEFAULT_USERS } from "../../../components/cnpg/roles";
import { valueAt } from "../../../components/cnpg/spec";
import { planCluster } from "../../../components/postgres-cluster/plan";
import { describeProblem } from "../../../components/problems";
import { definitionsOf, type Schema } from "../../../docs/reference/json-schema";
import { RIGHT, USERS, WRONG } from "./settings-table";

const secrets = { server: "s", serverCa: "sca", replication: "r", clientCaBundle: "cca" };
const spec = (settings: Partial<ClusterSettings> = {}) =>
  clusterSpec({ storage: { size: "1Gi" }, secrets, users: DEFAULT_USERS, ...settings }) as Record<
    string,
    Record<string, unknown>
  >;

describe("the Cluster's spec", () => {
  it("names the Secrets of the certificates in CNPG's fields", () => {
    assert.deepEqual(spec().certificates, {
      serverTLSSecret: "s",
      serverCASecret: "sca",
      replicationTLSSecret: "r",
      clientCASecret: "cca",
    });
  });
  it("has three instances and a database `app` by default, and no fields without a setting", () => {
    assert.equal(spec().instances, 3);
    assert.deepEqual(spec().bootstrap, { initdb: { database: "app", owner: "app", dataChecksums: true } });
    assert.ok(!("walStorage" in spec()) && !("imageName" in spec()));
  });
  it("has an owner with the database's name by default", () => {
    const { initdb } = spec({ initdb: { database: "orders", ownerSecret: "mine" } }).bootstrap as { initdb: object };
    assert.deepEqual(initdb, { database: "orders", owner: "orders", secret: { name: "mine" }, dataChecksums: true });
  });
  it("is overridden by `spec`: objects are merged, lists and values are replaced", () => {
    const overridden = spec({
      parameters: { a: "1" },
      sharedPreloadLibraries: ["a"],
      spec: {
        instances: 5,
        postgresql: { parameters: { b: "2" }, shared_preload_libraries: ["b"] },
        managed: { services: { disabledDefaultServices: ["r"] } },
        storage: null,
      },
    });
    assert.equal(overridden.instances, 5);
    assert.deepEqual(overridden.postgresql!.parameters, { a: "1", b: "2" });
    assert.equal((overridden.postgresql!.pg_hba as string[]).length, 4);
    assert.deepEqual(overridden.managed!.services, { disabledDefaultServices: ["r"] });
    assert.equal((overridden.managed!.roles as unknown[]).length, 2);
    assert.deepEqual(overridden.postgresql!.shared_preload_libraries, ["b"]);
    assert.equal(overridden.storage, null);
  });
  it("writes settings to CNPG's fields", () => {
    const made = spec({
      imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 17 },
      tablespaces: [
        { name: "fast", size: "1Gi", owner: "reports" },
        { name: "tmp", size: "2Gi", temporary: true },
      ],
      sharedPreloadLibraries: ["auto_explain"],
      pgIdent: ["m a b"],
    });
    const catalog = { apiGroup: "postgresql.cnpg.io", kind: "ImageCatalog", name: "postgresql", major: 17 };
    assert.deepEqual(made.imageCatalogRef, catalog);
    assert.deepEqual(made.tablespaces, [
      { name: "fast", storage: { size: "1Gi" }, owner: { name: "reports" } },
      { name: "tmp", storage: { size: "2Gi" }, temporary: true },
    ]);
    assert.deepEqual(made.postgresql!.shared_preload_libraries, ["auto_explain"]);
    assert.deepEqual(made.postgresql!.pg_ident, ["m a b"]);
  });
  it("is the same as in version 0.1.0 if the former settings are written under spec", () => {
    // Version 0.1.0 had settings for these: affinity, startDelay, imagePullSecrets: [registry], inheritedMetadata,
    // serviceAccountTemplate: {annotations}, synchronous, ldap, and services: {disabledDefaultServices, additional: [{name:
    // public, selectorType: rw, type: LoadBalancer, labels, updateStrategy}]}. It wrote this spec.
    const written = {
      instances: 3,
      certificates: {
        serverTLSSecret: "s",
        serverCASecret: "sca",
        replicationTLSSecret: "r",
        clientCASecret: "cca",
      },
      bootstrap: { initdb: { database: "app", owner: "app", dataChecksums: true } },
      storage: { size: "1Gi" },
      postgresql: {
        parameters: { max_connections: "50" },
        pg_hba: ["hostssl all all all reject"],
        ldap: { server: "ldap", tls: true, bindAsAuth: {} },
        synchronous: { method: "any", number: 1 },
      },
      managed: {
        roles: [],
        services: {
          disabledDefaultServices: ["r"],
          additional: [
            {
              selectorType: "rw",
              updateStrategy: "replace",
              serviceTemplate: { metadata: { name: "public", labels: { a: "b" } }, spec: { type: "LoadBalancer" } },
            },
          ],
        },
      },
      affinity: { topologyKey: "zone", tolerations: [{ operator: "Exists" }] },
      startDelay: 600,
      imagePullSecrets: [{ name: "registry" }],
      inheritedMetadata: { labels: { team: "shop" } },
      serviceAccountTemplate: { metadata: { annotations: { a: "b" } } },
    };
    const { postgresql, managed, affinity, startDelay, imagePullSecrets, inheritedMetadata, serviceAccountTemplate } =
      written;
    const now = clusterSpec({
      storage: { size: "1Gi" },
      secrets,
      users: [],
      parameters: { max_connections: "50" },
      pgHba: ["hostssl all all all reject"],
      spec: {
        affinity,
        startDelay,
        imagePullSecrets,
        inheritedMetadata,
        serviceAccountTemplate,
        postgresql: { ldap: postgresql.ldap, synchronous: postgresql.synchronous },
        managed: { services: managed.services },
      },
    });
    assert.deepEqual(now, written);
  });
  it("is byte for byte the same as before if no setting moved, so that no Cluster changes", () => {
    const { spec: own, ...settings } = {
      spec: { priorityClassName: "low" },
      image: "postgresql:17",
      pgIdent: ["m a b"],
    };
    const text = JSON.stringify(clusterSpec({ storage: { size: "1Gi" }, secrets, users: [], ...settings, spec: own }));
    assert.equal(
      text,
      '{"instances":3,"imageName":"postgresql:17","certificates":{"serverTLSSecret":"s","serverCASecret":"sca",' +
        '"replicationTLSSecret":"r","clientCASecret":"cca"},"bootstrap":{"initdb":{"database":"app","owner":"app",' +
        '"dataChecksums":true}},"storage":{"size":"1Gi"},"postgresql":{"parameters":{},"pg_hba":[],"pg_ident":["m a b"]},' +
        '"managed":{"roles":[]},"priorityClassName":"low"}',
    );
  });
  it("does not contain databases, network policies and annotations", () => {
    const made = spec({
      databases: [{ name: "a" }],
      schemas: ["s"],
      networkPolicy: { applications: [] },
      hibernation: true,
    });
    assert.deepEqual(
      Object.keys(made).filter((key) => /database|schema|network|hibernation/i.test(key)),
      [],
    );
  });
});

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
  it("says how to write the age of the backup that a major upgrade needs", () => {
    assert.deepEqual(problems({ majorUpgrade: { backupWithin: "1 day" } }).map(describeProblem), [
      'db.majorUpgrade.backupWithin = "1 day": is not a valid duration. Write a whole number of hours or days, e.g. 24h, or none if the upgrade needs no backup.',
    ]);
    assert.equal(upgradeBackupHours({}), 24);
    assert.equal(upgradeBackupHours({ majorUpgrade: { backupWithin: "2d" } }), 48);
    assert.equal(upgradeBackupHours({ majorUpgrade: { backupWithin: "none" } }), undefined);
  });
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

/** Settings that become no field of the Cluster's spec, with their tests. */
const ELSEWHERE: Record<string, string> = {
  scaledByOthers: "foreign-fields.test.ts",
  networkPolicy: "network-policy.test.ts",
  spec: "this file",
  majorUpgrade: "this file",
  hibernation: "stopped.test.ts",
  fencedInstances: "stopped.test.ts",
  databases: "databases.test.ts",
  schemas: "databases.test.ts",
  extensions: "databases.test.ts",
  backup: "backup.test.ts",
  recovery: "backup.test.ts",
  replica: "replica.test.ts",
};

/** Values of settings whose form the schema does not show, and what arrives in the Cluster. */
const MARKERS: Record<string, { value: unknown; written?: unknown }> = {
  imageCatalog: {
    value: { kind: "ImageCatalog", name: "marker", major: 17 },
    written: { apiGroup: "postgresql.cnpg.io", kind: "ImageCatalog", name: "marker", major: 17 },
  },
  initdb: {
    value: { database: "marker", dataChecksums: false },
    written: { database: "marker", owner: "marker", dataChecksums: false },
  },
  storage: { value: { size: "3Gi" } },
  walStorage: { value: { size: "4Gi" } },
  tablespaces: {
    value: [{ name: "marker", size: "5Gi" }],
    written: [{ name: "marker", storage: { size: "5Gi" } }],
  },
  resources: { value: { requests: { cpu: "77m" } } },
  parameters: { value: { work_mem: "77MB" } },
};

/** Values of which at least one is no default. */
function markersFor(setting: string, schema: Schema): unknown[] {
  if (setting in MARKERS) return [MARKERS[setting]?.value];
  const ofType = ({ type, asText, enum: values }: Schema): unknown[] => {
    if (values) return values;
    if (asText || type === "string") return [`marker ${setting}`];
    if (type === "number" || type === "integer") return [77];
    return type === "boolean" ? [true, false] : assert.fail(`MARKERS needs a value for ${setting}`);
  };
  return schema.type === "array" ? [ofType(schema.items as Schema)] : ofType(schema);
}

describe("each setting of a Cluster", () => {
  let settings: Record<string, Schema>;
  before(() => {
    settings = (definitionsOf("ClusterSettings").ClusterSettings?.properties ?? {}) as Record<string, Schema>;
    assert.ok(Object.keys(settings).length > 15, Object.keys(settings).join());
  });
  const fieldOf = (setting: string) => FIELDS[setting as keyof typeof FIELDS].field;

  it("has a field in the table, or is known to become something else", () => {
    const others = ["issuer", "users"];
    const named = [...Object.keys(FIELDS).filter((setting) => !others.includes(setting)), ...Object.keys(ELSEWHERE)];
    assert.deepEqual(named.sort(), Object.keys(settings).sort());
  });
  it("arrives in its field of the planned Cluster", () => {
    for (const setting of Object.keys(FIELDS).filter((name) => name in settings)) {
      for (const value of markersFor(setting, settings[setting]!)) {
        const { cluster } = planCluster(
          "orders",
          { storage: { size: "1Gi" }, issuer: { type: "tls" }, [setting]: value },
          "dev",
        );
        assert.deepEqual(valueAt(cluster.spec, fieldOf(setting)), MARKERS[setting]?.written ?? value, setting);
      }
    }
  });
  it("cannot be overridden under spec: the field is refused, merged, or replaces only what is not set", () => {
    for (const [setting, { field, inSpec }] of Object.entries(FIELDS).filter(([name]) => name in settings)) {
      const [value] = markersFor(setting, settings[setting]!);
      const spec = field.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;
      const refused = (others: object) =>
        problems({ ...others, spec: { ...spec } }).filter(({ setting: at }) => at === `db.spec.${field}`).length;
      assert.equal(refused({}), inSpec === undefined ? 1 : 0, setting);
      assert.equal(refused({ [setting]: value }), inSpec === "merged" ? 0 : 1, setting);
    }
  });
  it("is named by messages about its field", () => {
    for (const setting of Object.keys(FIELDS).filter((name) => name in settings)) {
      const field = fieldOf(setting);
      assert.equal(settingOfField(`spec.${field}`), setting);
      const [top = "", ...below] = field.split(".");
      assert.ok(CLUSTER_SPEC_FIELDS.includes(top), `${top} is not a field of CloudNativePG's Cluster`);
      if (below.length === 0) assert.equal(placeOfClusterField(top)?.fix, `Use ${setting}.`);
    }
  });
});
