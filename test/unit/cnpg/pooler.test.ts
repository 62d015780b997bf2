import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import {
  isExplicit,
  poolerDnsNames,
  poolerLogins,
  poolerName,
  PoolerSettings,
  poolerSpec,
  checkPoolers,
} from "../../../components/cnpg/pooler";

const made = { cluster: "orders", clientTls: "made-tls", authentication: "made-login", serverCa: "made-ca" };
interface Spec {
  instances: number;
  pgbouncer: Record<string, unknown> & { parameters: Record<string, string> };
  template?: { metadata?: object; spec: { containers: { name: string; resources?: object }[] } };
}
const specOf = (settings: Omit<PoolerSettings, "type">) =>
  poolerSpec({ type: "rw", ...settings }, made) as unknown as Spec;
const problems = (...poolers: PoolerSettings[]) =>
  checkPoolers(
    "poolers",
    "orders",
    poolers.map((settings) => ({ name: poolerName("orders", settings), settings })),
  ).map(({ setting }) => setting);

describe("a Pooler", () => {
  it("uses TLS with clients and verifies PostgreSQL's name by default", () => {
    assert.deepEqual(specOf({ parameters: { server_tls_sslmode: "verify-ca" } }).pgbouncer.parameters, {
      client_tls_sslmode: "require",
      server_tls_sslmode: "verify-ca",
    });
  });

  it("uses CNPG's names for its login by default", () => {
    const { pgbouncer, instances } = specOf({});
    assert.equal(instances, 2);
    assert.deepEqual(pgbouncer.clientTLSSecret, { name: "made-tls" });
    assert.equal(pgbouncer.authQuery, undefined);
    assert.equal(pgbouncer.serverTLSSecret, undefined);
  });

  it("has a login of its own with explicit authentication", () => {
    const { pgbouncer } = specOf({ authentication: "explicit" });
    assert.equal(pgbouncer.authQuery, "SELECT usename, passwd FROM pooler_authentication.user_search($1)");
    assert.deepEqual(pgbouncer.serverTLSSecret, { name: "made-login" });
    assert.deepEqual(pgbouncer.serverCASecret, { name: "made-ca" });
  });

  it("uses existing Secrets instead of the issued ones", () => {
    const secrets = { clientTls: "a", clientCa: "b", serverTls: "c", serverCa: "d" };
    const { pgbouncer } = specOf({ secrets });
    assert.deepEqual(
      [pgbouncer.clientTLSSecret, pgbouncer.clientCASecret, pgbouncer.serverTLSSecret, pgbouncer.serverCASecret],
      ["a", "b", "c", "d"].map((name) => ({ name })),
    );
    assert.ok(isExplicit({ type: "rw", secrets }), "CNPG's integration does not accept a user's own certificate");
  });

  it("keeps a template, and adds the container that CNPG requires", () => {
    assert.equal(specOf({}).template, undefined);
    const resources = { requests: { cpu: "50m" } };
    assert.deepEqual(specOf({ resources }).template?.spec.containers, [{ name: "pgbouncer", resources }]);
    const template = { metadata: { labels: { a: "b" } }, spec: { priorityClassName: "high" } };
    const merged = specOf({ template, resources }).template;
    assert.deepEqual(merged, {
      ...template,
      spec: { ...template.spec, containers: [{ name: "pgbouncer", resources }] },
    });
  });

  it("gets its resources whatever containers its template names", () => {
    const resources = { requests: { cpu: "50m" } };
    const containersOf = (containers: object[]) => specOf({ resources, template: { spec: { containers } } }).template;
    const exporter = { name: "exporter", image: "exporter" };
    assert.deepEqual(containersOf([{ name: "pgbouncer", image: "own" }, exporter])?.spec.containers, [
      { name: "pgbouncer", image: "own", resources },
      exporter,
    ]);
    assert.deepEqual(containersOf([exporter])?.spec.containers, [exporter, { name: "pgbouncer", resources }]);
    const template = { spec: { containers: [exporter] } };
    assert.deepEqual(specOf({ template }).template, template, "without resources, nothing is added");
  });

  it("is named after the Cluster and its type, and has DNS names for its certificate", () => {
    assert.equal(poolerName("orders", { type: "ro" }), "pooler-orders-ro");
    assert.equal(
      poolerDnsNames("pooler-orders-ro", "db", "cluster.local").at(-1),
      "pooler-orders-ro.db.svc.cluster.local",
    );
  });

  it("knows which logins are needed", () => {
    assert.deepEqual(poolerLogins(), []);
    assert.deepEqual(poolerLogins([{ type: "rw" }, { type: "ro" }, { type: "rw", authentication: "explicit" }]), [
      "explicit",
      "integrated",
    ]);
  });

  for (const [what, pooler, setting] of [
    ["no instances", { type: "rw", instances: 0 }, "poolers[0].instances"],
    ["an invalid name", { type: "rw", name: "A_B" }, "poolers[0].name"],
    ["the Cluster's name", { type: "rw", name: "orders" }, "poolers[0].name"],
    ["a Service's name", { type: "rw", name: "orders-ro" }, "poolers[0].name"],
    ...["server", "replication", "pooler-integrated", "server-ca", "client-ca-2027"].map((name) => [
      `a name that is used for another certificate, ${name}`,
      { type: "rw", name },
      "poolers[0].name",
    ]),
    [
      "a setting that the operator reserves",
      { type: "rw", parameters: { auth_user: "x" } },
      "poolers[0].parameters.auth_user",
    ],
    [
      "CNPG's login with the user's own certificate",
      { type: "rw", authentication: "integrated", secrets: { serverTls: "x" } },
      "poolers[0].secrets.serverTls",
    ],
    [
      "resources that are no quantities",
      { type: "rw", resources: { limits: { memory: "much" } } },
      "poolers[0].resources.limits.memory",
    ],
    [
      "resources in two places",
      {
        type: "rw",
        resources: { limits: { cpu: "1" } },
        template: { spec: { containers: [{ name: "pgbouncer", resources: {} }] } },
      },
      "poolers[0].resources",
    ],
    [
      "resources beside containers that are known later",
      { type: "rw", resources: { limits: { cpu: "1" } }, template: { spec: { containers: pulumi.output([]) } } },
      "poolers[0].template.spec.containers",
    ],
    [
      "a template whose spec is known later",
      { type: "rw", template: { spec: pulumi.output({}) } },
      "poolers[0].template.spec",
    ],
  ] as [string, PoolerSettings, string][]) {
    it(`is refused with ${what}`, () => assert.deepEqual(problems(pooler), [setting]));
  }

  it("is refused if another one has the same name", () => {
    assert.deepEqual(problems({ type: "rw" }, { type: "rw", mode: "transaction" }), ["poolers[1].name"]);
  });
});
