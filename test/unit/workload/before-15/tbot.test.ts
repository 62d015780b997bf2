import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { TUNNEL_SCRIPT } from "../../../../components/workload/before-15/tbot";
import { MachineIdOutputs, machineIdOutputs } from "../../../../components/workload/machine-id";
import { tbotPod, TbotPodSettings } from "../../../../components/workload/tbot-pod";

const database = { labels: { cluster: "orders" }, database: "app", user: "shop_writer" };
const workload = machineIdOutputs({
  name: "shop",
  proxy: "teleport.example.com:443",
  join: { method: "kubernetes", namespace: "shop", serviceAccount: "shop" },
  databases: { orders: { ...database, service: "orders-prod" }, stock: { ...database, service: "stock-prod" } },
});
const secret = { ...workload, join: { method: "token" as const, token: "/x/token", secret: "join", key: "token" } };
const settings: TbotPodSettings = { generation: "13", image: "teleport:13", configMap: "shop-tbot" };
const configuration = (changes: Partial<TbotPodSettings> = {}, outputs: MachineIdOutputs = workload) =>
  JSON.parse(tbotPod(outputs, { ...settings, ...changes }).data["tbot.yaml"] ?? "") as Record<string, unknown>;

describe("tbot's configuration", () => {
  it("of version 13 writes certificates, of which the containers beside it make tunnels", () => {
    const { auth_server, destinations, version } = configuration();
    assert.equal(version, undefined);
    assert.equal(auth_server, "teleport.example.com:443");
    assert.deepEqual((destinations as object[])[0], {
      directory: { path: "/var/run/cnpg-teleport/certificates/orders", symlinks: "insecure", acls: "off" },
      roles: ["shop-orders"],
      configs: ["tls"],
      database: { service: "orders-prod", database: "app", username: "shop_writer" },
    });
  });
});

describe("parts of a pod with tbot 13", () => {
  it("have a tunnel for each database with tbot 13, without the token", () => {
    const { spec } = tbotPod(workload, settings);
    assert.deepEqual(
      spec.initContainers.map(({ name }) => name),
      ["cnpg-teleport-tbot", "cnpg-teleport-orders", "cnpg-teleport-stock"],
    );
    for (const { volumeMounts } of spec.initContainers.slice(1)) {
      assert.ok(volumeMounts.every(({ name }) => name !== "cnpg-teleport-account"));
    }
    assert.deepEqual(spec.initContainers[1]?.readinessProbe.exec, {
      command: ["grep", "-q", "0100007F:1538 00000000:0000 0A", "/proc/net/tcp"],
    });
    assert.equal(tbotPod(workload, { ...settings, mode: "certificate" }).spec.initContainers.length, 1);
  });

  it("mount every volume that is mounted, and no other", () => {
    for (const outputs of [workload, secret]) {
      const trustedCas = { configMap: "cas", key: "ca.crt" };
      const { spec } = tbotPod(outputs, { ...settings, trustedCas });
      const mounted = spec.initContainers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
      assert.deepEqual([...new Set(mounted)].sort(), spec.volumes.map(({ name }) => name).sort());
    }
  });

  it("run as a user that the image knows, unless another one is named", () => {
    const users = (changes: Partial<TbotPodSettings>) =>
      tbotPod(workload, { ...settings, ...changes }).spec.initContainers.map(
        ({ securityContext }) => securityContext.runAsUser,
      );
    assert.deepEqual(users({}), [65_534, 65_534, 65_534]);
    assert.deepEqual(users({ runAsUser: 1_000 }), [1_000, 1_000, 1_000]);
  });

  it("keep over a restart of the container what a secret token cannot get a second time, and nothing else", () => {
    assert.deepEqual(configuration({}, secret).storage, {
      directory: { path: "/var/run/cnpg-teleport/storage", symlinks: "insecure", acls: "off" },
    });
    assert.deepEqual(configuration().storage, { memory: {} });
  });

  it("ask tbot how it is by what its version answers, on a port that no database has", () => {
    const [tbot] = tbotPod(workload, { ...settings, diagnosticsPort: 3999 }).spec.initContainers;
    const httpGet = { path: "/metrics", port: 3999 };
    assert.deepEqual(tbot?.startupProbe, { httpGet, periodSeconds: 1, failureThreshold: 120 });
    assert.deepEqual(tbot?.readinessProbe, { httpGet, periodSeconds: 10, failureThreshold: 6 });
    assert.equal(tbot && "livenessProbe" in tbot, false);
    assert.equal(configuration({ diagnosticsPort: 3999 }).diag_addr, "0.0.0.0:3999");
  });

  it("run a script that is one of sh, whatever databases are called", () => {
    execFileSync("sh", ["-n", "-c", TUNNEL_SCRIPT]);
    const odd = machineIdOutputs({
      name: "shop",
      proxy: "p:443",
      join: { method: "token", secret: "join" },
      databases: { orders: { ...database, service: "s", database: "$(touch /tmp/x)" } },
    });
    const [, tunnel] = tbotPod(odd, settings).spec.initContainers;
    assert.deepEqual(tunnel?.command, ["sh", "-c", TUNNEL_SCRIPT], "names are in variables");
  });
});
