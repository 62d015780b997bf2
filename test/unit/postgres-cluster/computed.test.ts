/** Settings that are outputs of other resources. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import { SettingsError, type PostgresClusterArgs } from "../../../components";
import { checkPostgresCluster } from "../../../components/postgres-cluster/check";
import { checkTypes, afterChecks } from "../../../components/postgres-cluster/computed";
import { operatorNeeds, planCluster } from "../../../components/postgres-cluster/plan";

const later = (value: string) => pulumi.output(value);
const args = (proxy: pulumi.Input<string>): PostgresClusterArgs => ({
  storage: { size: "1Gi", storageClass: later("fast") },
  issuer: {
    type: "vault",
    server: { mount: later("pki_server"), role: later("server") },
    client: [
      { mount: later("pki_client"), role: "client" },
      { mount: later("pki_former"), role: "client" },
    ],
  },
  teleport: { proxy },
  vaultDatabase: {
    mount: { path: later("postgres/orders") },
    kubernetesAuth: { path: later("kubernetes") },
    roles: { app: { consumer: { namespace: "shop", serviceAccount: "web" } } },
  },
  poolers: [{ type: "rw", serviceTemplate: { metadata: { annotations: { arn: later("arn:aws:acm") } } } }],
  spec: {
    serviceAccountTemplate: { metadata: { annotations: { "eks.amazonaws.com/role-arn": later("arn:aws:iam") } } },
  },
});
const servicesOf = (serviceTemplate: object) => ({
  managed: { services: { additional: [{ selectorType: "rw", serviceTemplate }] } },
});
const mountOf = (path: string) => ({ mount: { path: later(path) }, roles: { app: {} } });
const issuerOf = (mount: pulumi.Input<string>) => ({
  type: "vault" as const,
  server: { mount, role: "server" },
  client: { mount: "pki_client", role: "client" },
});
const problems = (settings: PostgresClusterArgs) => [
  ...checkTypes(settings),
  ...checkPostgresCluster("", planCluster("orders", settings, "dev")),
];

describe("settings that are outputs of other resources", () => {
  it("pass all checks while they are unknown", () => {
    assert.deepEqual(problems(args(later("teleport.example.com:443"))), []);
  });

  it("are passed on unchanged, and do not count as fields of CloudNativePG", async () => {
    const plan = planCluster("orders", args("teleport.example.com:443"), "dev");
    const { serviceAccountTemplate } = plan.cluster.spec as {
      serviceAccountTemplate: { metadata: { annotations: Record<string, pulumi.Output<string>> } };
    };
    const arn = serviceAccountTemplate.metadata.annotations["eks.amazonaws.com/role-arn"];
    assert.equal(await new Promise((resolve) => arn?.apply(resolve)), "arn:aws:iam");
    const fields = operatorNeeds(plan).clusters?.spec?.serviceAccountTemplate;
    assert.deepEqual(fields, { metadata: { annotations: { "eks.amazonaws.com/role-arn": {} } } });
  });

  it("are checked once they are known", async () => {
    const value = afterChecks("orders", args(later("teleport.example.com")), "dev", "needs") as pulumi.Output<string>;
    const failed = (value as unknown as { promise(): Promise<string> }).promise();
    await assert.rejects(failed, (error) => error instanceof SettingsError && /teleport\.proxy/.test(error.message));
    const right = afterChecks(
      "orders",
      args(later("teleport.example.com:443")),
      "dev",
      "needs",
    ) as pulumi.Output<string>;
    assert.equal(await new Promise((resolve) => right.apply(resolve)), "needs");
  });

  for (const [what, wrong, expected] of [
    ["an empty mount of a database engine", { vaultDatabase: mountOf("") }, /vaultDatabase\.mount\.path = ""/],
    ["a value of another type", { teleport: { proxy: later(["t:443"] as unknown as string) } }, /teleport\.proxy/],
    ["an empty mount of an issuer", { issuer: issuerOf(later("")) }, /issuer\.server\.mount = "": must not be empty/],
    [
      "a value that is missing",
      { issuer: issuerOf(later(undefined as unknown as string)) },
      /issuer\.server\.mount: is missing/,
    ],
    [
      "a namespace that Kubernetes does not accept",
      { namespace: later("Shop") },
      /namespace = "Shop": is not a valid name/,
    ],
  ] as [string, Partial<PostgresClusterArgs>, RegExp][]) {
    it(`are refused with ${what}, once they are known`, async () => {
      const settings: PostgresClusterArgs = { storage: { size: "1Gi" }, issuer: { type: "tls" }, ...wrong };
      assert.deepEqual(problems(settings), [], "not known when the program runs");
      const value = afterChecks("orders", settings, "dev", "needs") as pulumi.Output<string>;
      const failed = (value as unknown as { promise(): Promise<string> }).promise();
      await assert.rejects(failed, (error) => error instanceof SettingsError && expected.test(error.message));
    });
  }

  it("are not shown in the error if one of them is secret", async () => {
    const secret = { teleport: { proxy: pulumi.secret("a-password") } };
    const settings: PostgresClusterArgs = { storage: { size: "1Gi" }, issuer: { type: "tls" }, ...secret };
    const value = afterChecks("orders", settings, "dev", "needs") as pulumi.Output<string>;
    const failed = (value as unknown as { promise(): Promise<string> }).promise();
    await assert.rejects(failed, (error) => {
      assert.match(String(error), /teleport\.proxy: /);
      assert.doesNotMatch(String(error), /a-password/);
      return error instanceof SettingsError;
    });
  });

  it("delay nothing if there are none", () => {
    const plain: PostgresClusterArgs = { storage: { size: "1Gi" }, issuer: { type: "tls" } };
    assert.equal(afterChecks("orders", plain, "dev", "needs"), "needs");
  });

  it("are refused if names of resources follow from them", () => {
    const computed = {
      ...args("teleport.example.com:443"),
      clusterName: later("orders"),
      users: later("x"),
      poolers: [later("x")],
      initdb: { database: Promise.resolve("shop") },
    } as unknown as PostgresClusterArgs;
    assert.deepEqual(
      checkTypes(computed).map(({ setting, problem }) => [setting, problem.split(",")[0]]),
      ["clusterName", "users", "poolers[0]", "initdb.database"].map((setting) => [
        setting,
        "must be known when the program runs",
      ]),
    );
  });

  for (const [field, spec] of [
    ["primaryUpdateStrategy", { primaryUpdateStrategy: later("supervised") }],
    ["managed.services", { managed: { services: later("x") } }],
    ["managed.services.additional", { managed: { services: { additional: later("x") } } }],
    ["managed.services.additional[0]", { managed: { services: { additional: [later("x")] } } }],
    ["managed.services.additional[0].serviceTemplate.metadata", servicesOf({ metadata: later("x") })],
    ["managed.services.additional[0].serviceTemplate.metadata.name", servicesOf({ metadata: { name: later("x") } })],
    ["managed.services.disabledDefaultServices", { managed: { services: { disabledDefaultServices: later("x") } } }],
  ] as [string, Record<string, unknown>][])
    it(`are refused in spec.${field}, which the program itself reads`, () => {
      const found = problems({ storage: { size: "1Gi" }, issuer: { type: "tls" }, spec });
      assert.deepEqual(
        found.map(({ setting, problem }) => [setting, problem.split(",")[0]]),
        [[`spec.${field}`, "must be known when the program runs"]],
      );
    });

  it("are refused in place of the whole spec", () => {
    const spec = later("x") as unknown as Record<string, unknown>;
    const [found] = problems({ storage: { size: "1Gi" }, issuer: { type: "tls" }, spec });
    assert.deepEqual([found?.setting, found?.problem.split(",")[0]], ["spec", "must be known when the program runs"]);
  });

  it("are refused with the wrong type, like settings in a file", () => {
    const wrong = {
      issuer: { type: "tls" },
      storage: { sise: "1Gi" },
      instances: "two",
      usersAs: "objects",
      imageCatalog: { kind: "Catalog", name: "postgresql", major: 17 },
      schemas: [{ name: "sales", ensure: "gone" }],
      databases: [
        {
          name: "extra",
          reclaimPolicy: "keep",
          localeProvider: "windows",
          extensions: [{ name: "hstore", ensure: "gone" }],
        },
      ],
    };
    assert.deepEqual(
      checkTypes(wrong as unknown as PostgresClusterArgs)
        .map(({ setting }) => setting)
        .sort(),
      [
        "databases[0].extensions[0].ensure",
        "databases[0].localeProvider",
        "databases[0].reclaimPolicy",
        "imageCatalog.kind",
        "instances",
        "schemas[0].ensure",
        "storage.sise",
        "storage.size",
        "usersAs",
      ],
    );
  });
});
