import { strict as assert } from "node:assert";
import { agentConfiguration, ChartDatabase, kubeAgentValues, StaticDatabase } from "../../../components/teleport/agent";

const full: StaticDatabase = {
  name: "orders-prod",
  description: "orders",
  labels: { environment: "prod" },
  dynamicLabels: { load: { command: ["cat", "/proc/loadavg"], period: "1m" } },
  uri: "orders-rw.db.svc:5432",
  caCertFile: "/etc/orders/ca.crt",
  tlsMode: "verify-ca",
  serverName: "orders-rw",
  trustSystemPool: true,
  adminUser: { name: "teleport_admin", defaultDatabase: "orders" },
};
const plain = { name: "orders-prod", uri: "orders-rw.db.svc:5432" };
const join = { method: "kubernetes", tokenName: "agents" } as const;
const proxy = "teleport.example.com:443";

describe("an agent's own configuration", () => {
  it("has every field of a database, with the names of Teleport's db_service reference", () => {
    const { db_service: service } = agentConfiguration({ proxy, join, databases: [full] });
    assert.deepEqual(service, {
      enabled: true,
      databases: [
        {
          name: "orders-prod",
          description: "orders",
          protocol: "postgres",
          uri: "orders-rw.db.svc:5432",
          static_labels: { environment: "prod" },
          dynamic_labels: [{ name: "load", command: ["cat", "/proc/loadavg"], period: "1m" }],
          tls: {
            mode: "verify-ca",
            ca_cert_file: "/etc/orders/ca.crt",
            server_name: "orders-rw",
            trust_system_cert_pool: true,
          },
          admin_user: { name: "teleport_admin", default_database: "orders" },
        },
      ],
    });
  });

  it("omits settings without a value: agents refuse fields that their version does not know", () => {
    const { db_service: service } = agentConfiguration({ proxy, join, databases: [plain] });
    const database = { ...plain, protocol: "postgres", tls: { mode: "verify-full" } };
    assert.deepEqual(service, { enabled: true, databases: [database] });
  });

  it("also serves registered databases by their labels, and only databases", () => {
    const resources = [{ provisioned_by: "cloudnative-pg" }];
    const configuration = agentConfiguration({ proxy, join: { method: "token", secret: "/run/token" }, resources });
    assert.deepEqual(configuration, {
      version: "v3",
      teleport: { proxy_server: proxy, join_params: { method: "token", token_name: "/run/token" } },
      auth_service: { enabled: false },
      proxy_service: { enabled: false },
      ssh_service: { enabled: false },
      db_service: { enabled: true, resources: [{ labels: { provisioned_by: "cloudnative-pg" } }] },
    });
  });
});

describe("values for the chart teleport-kube-agent", () => {
  const orders: ChartDatabase = { ...plain, ca: { secret: "orders-server-ca" } };
  const sales: ChartDatabase = {
    name: "sales-prod",
    uri: "sales-rw.db.svc:5432",
    ca: { configMap: "cas", key: "sales.pem" },
  };

  it("mount the CA of each database at the path in its configuration", () => {
    const values = kubeAgentValues({ proxy, join, databases: [orders, sales] });
    assert.deepEqual(values, {
      roles: "db",
      proxyAddr: proxy,
      joinParams: { method: "kubernetes", tokenName: "agents" },
      databases: [
        {
          ...plain,
          protocol: "postgres",
          tls: { mode: "verify-full", ca_cert_file: "/etc/teleport-tls-db/orders-prod/ca.crt" },
        },
        {
          name: "sales-prod",
          uri: "sales-rw.db.svc:5432",
          protocol: "postgres",
          tls: { mode: "verify-full", ca_cert_file: "/etc/teleport-tls-db/sales-prod/sales.pem" },
        },
      ],
      extraVolumes: [
        { name: "ca-0", secret: { secretName: "orders-server-ca" } },
        { name: "ca-1", configMap: { name: "cas" } },
      ],
      extraVolumeMounts: [
        { name: "ca-0", mountPath: "/etc/teleport-tls-db/orders-prod", readOnly: true },
        { name: "ca-1", mountPath: "/etc/teleport-tls-db/sales-prod", readOnly: true },
      ],
    });
  });

  it("serve registered databases by their labels, with a secret token from a Secret", () => {
    const resources = [{ provisioned_by: "cloudnative-pg" }];
    assert.deepEqual(kubeAgentValues({ proxy, join: { method: "token", secret: "join-token" }, resources }), {
      roles: "db",
      proxyAddr: proxy,
      joinParams: { method: "token", tokenName: "" },
      joinTokenSecret: { create: false, name: "join-token" },
      databaseResources: [{ labels: { provisioned_by: "cloudnative-pg" } }],
    });
  });
});

describe("settings of an agent", () => {
  const problems = (databases: StaticDatabase[]) => () => agentConfiguration({ proxy, join, databases });
  it("are refused if the agent would serve nothing", () => assert.throws(problems([]), /databases: must not be empty/));
  it("are refused with all their mistakes", () => {
    const wrong: StaticDatabase = {
      name: "Orders",
      uri: "orders:5432",
      labels: { "teleport.dev/origin": "dynamic" },
      dynamicLabels: { load: { command: [], period: "1" } },
    };
    assert.throws(
      problems([wrong, plain, plain]),
      /5 settings are wrong:.*databases\[0\]\.name.*databases\[2\]\.name/s,
    );
  });
});
