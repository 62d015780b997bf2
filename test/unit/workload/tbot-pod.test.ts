import { strict as assert } from "node:assert";
import { MachineIdOutputs, machineIdOutputs } from "../../../components/workload/machine-id";
import { tbotConfiguration } from "../../../components/workload/tbot";
import { tbotPod, TbotPodSettings } from "../../../components/workload/tbot-pod";

const database = { labels: { cluster: "orders" }, database: "app", user: "shop_writer" };
const workload = machineIdOutputs({
  name: "shop",
  proxy: "teleport.example.com:443",
  join: { method: "kubernetes", namespace: "shop", serviceAccount: "shop" },
  databases: { orders: { ...database, service: "orders-prod" }, stock: { ...database, service: "stock-prod" } },
});
const settings: TbotPodSettings = { generation: "17", image: "tbot:17", configMap: "shop-tbot" };
const configuration = (changes: Partial<TbotPodSettings>, outputs: MachineIdOutputs = workload) =>
  JSON.parse(tbotConfiguration(outputs, { ...settings, ...changes })) as Record<string, unknown>;

describe("tbot's configuration", () => {
  it("of current versions has a tunnel for each database, with only its own role", () => {
    const { services, ...rest } = configuration({});
    assert.deepEqual(services, [
      {
        type: "database-tunnel",
        listen: "tcp://127.0.0.1:5432",
        roles: ["shop-orders"],
        service: "orders-prod",
        database: "app",
        username: "shop_writer",
      },
      {
        type: "database-tunnel",
        listen: "tcp://127.0.0.1:5433",
        roles: ["shop-stock"],
        service: "stock-prod",
        database: "app",
        username: "shop_writer",
      },
    ]);
    assert.deepEqual(rest, {
      version: "v2",
      proxy_server: "teleport.example.com:443",
      onboarding: { join_method: "kubernetes", token: "shop" },
      storage: { type: "memory" },
      credential_ttl: "1h",
      renewal_interval: "1200s",
      diag_addr: "0.0.0.0:3001",
    });
  });

  it("uses the version's name for lifetimes", () => {
    assert.equal(configuration({ generation: "15" }).certificate_ttl, "1h");
    assert.equal(configuration({ generation: "15" }).credential_ttl, undefined);
  });

  it("writes certificates in mode certificate", () => {
    const { outputs, services } = configuration({ mode: "certificate" }) as { outputs: object[]; services?: unknown };
    assert.equal(services, undefined);
    assert.deepEqual(outputs[0], {
      type: "database",
      format: "tls",
      destination: { type: "directory", path: "/var/run/cnpg-teleport/certificates/orders" },
      roles: ["shop-orders"],
      service: "orders-prod",
      database: "app",
      username: "shop_writer",
    });
  });
});

describe("parts of a pod with tbot", () => {
  it("give a token of the service account only to tbot, and no container more rights than it needs", () => {
    const { spec } = tbotPod(workload, settings);
    assert.equal(spec.serviceAccountName, "shop");
    assert.equal(spec.automountServiceAccountToken, false);
    const [tbot, ...others] = spec.initContainers;
    assert.ok(tbot && others.length === 0);
    assert.ok(tbot.volumeMounts.some(({ name }) => name === "cnpg-teleport-account"));
    assert.deepEqual(tbot.securityContext, {
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.equal(tbot.restartPolicy, "Always", "a sidecar: ready before the application, and there until its end");
  });

  it("mount every volume that is mounted, and no other", () => {
    const secret = { ...workload, join: { method: "token" as const, token: "/x/token", secret: "join", key: "token" } };
    for (const outputs of [workload, secret]) {
      const trustedCas = { configMap: "cas", key: "ca.crt" };
      const { spec } = tbotPod(outputs, { ...settings, trustedCas });
      const mounted = spec.initContainers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
      assert.deepEqual([...new Set(mounted)].sort(), spec.volumes.map(({ name }) => name).sort());
    }
  });

  it("connect the application to localhost", () => {
    const { environment } = tbotPod(workload, settings);
    assert.deepEqual(Object.fromEntries(environment.stock?.map(({ name, value }) => [name, value]) ?? []), {
      PGHOST: "127.0.0.1",
      PGPORT: "5433",
      PGUSER: "shop_writer",
      PGDATABASE: "app",
      PGPASSWORD: "unused",
      PGSSLMODE: "disable",
    });
  });

  it("connect the application to Teleport's proxy with certificate files, in mode certificate", () => {
    const variables = (changes: Partial<TbotPodSettings>, outputs = workload) => {
      const { environment } = tbotPod(outputs, { ...settings, mode: "certificate", ...changes });
      return Object.fromEntries(environment.orders?.map(({ name, value }) => [name, value]) ?? []);
    };
    assert.deepEqual(variables({}), {
      PGHOST: "teleport.example.com",
      PGPORT: "443",
      PGUSER: "shop_writer",
      PGDATABASE: "app",
      PGSSLMODE: "verify-full",
      PGSSLCERT: "/var/run/cnpg-teleport/certificates/orders/tls.crt",
      PGSSLKEY: "/var/run/cnpg-teleport/certificates/orders/tls.key",
      PGSSLROOTCERT: "/var/run/cnpg-teleport/certificates/orders/tls.cas",
    });
    assert.equal(variables({ databaseAddress: "db.example.com:5432" }).PGHOST, "db.example.com");
    assert.equal(variables({}, { ...workload, proxy: "[2001:db8::1]:443" }).PGHOST, "2001:db8::1");
    const { volumeMounts } = tbotPod(workload, { ...settings, mode: "certificate" });
    assert.deepEqual(volumeMounts, [
      { name: "cnpg-teleport-certificates", mountPath: "/var/run/cnpg-teleport/certificates", readOnly: true },
    ]);
    assert.deepEqual(tbotPod(workload, settings).volumeMounts, [], "a tunnel needs no file");
  });

  it("keep tbot's identity when its container restarts, only for a secret token", () => {
    const secret = { ...workload, join: { method: "token" as const, token: "/x/token", secret: "join", key: "token" } };
    const folder = "/var/run/cnpg-teleport/storage";
    assert.deepEqual(configuration({}, secret).storage, { type: "directory", path: folder });
    assert.deepEqual(configuration({}).storage, { type: "memory" });
    const { volumes } = tbotPod(secret, settings).spec;
    assert.deepEqual(volumes.find(({ name }) => name === "cnpg-teleport-storage")?.emptyDir, {
      medium: "Memory",
      sizeLimit: "16Mi",
    });
  });

  it("probe tbot at the paths of its version, on a port that no database uses", () => {
    const probes = (generation: TbotPodSettings["generation"]) => {
      const [tbot] = tbotPod(workload, { ...settings, generation, diagnosticsPort: 3999 }).spec.initContainers;
      const path = (probe?: Record<string, unknown>) => (probe?.httpGet as { path: string } | undefined)?.path;
      return [path(tbot?.startupProbe), path(tbot?.readinessProbe), path(tbot?.livenessProbe)];
    };
    for (const generation of ["15", "17"] as const)
      assert.deepEqual(probes(generation), ["/readyz", "/readyz", "/livez"]);
    assert.equal(configuration({ diagnosticsPort: 3999 }).diag_addr, "0.0.0.0:3999");
    assert.throws(
      () => tbotPod(workload, { ...settings, diagnosticsPort: 5432 }),
      /diagnosticsPort = 5432: is the port of a database/,
    );
  });

  it("change their annotation with the configuration, so that pods are replaced", () => {
    const annotation = (outputs: MachineIdOutputs) =>
      tbotPod(outputs, settings).annotations["cnpg-teleport/configuration"];
    assert.equal(annotation(workload), annotation(workload));
    assert.notEqual(annotation(workload), annotation({ ...workload, certificateTtl: "2h" }));
  });

  it("set the Teleport cluster as the token's audience if Teleport checks it itself, without a setting", () => {
    const join = { ...workload.join, staticKeys: true, audience: "prod" };
    assert.match(JSON.stringify(tbotPod({ ...workload, join }, settings).spec.volumes), /"audience":"prod"/);
    const own = tbotPod({ ...workload, join }, { ...settings, tokenAudience: "other" });
    assert.match(JSON.stringify(own.spec.volumes), /"audience":"other"/);
    assert.doesNotMatch(JSON.stringify(tbotPod(workload, settings).spec.volumes), /audience/);
  });

  it("require the audience of tokens if outputs of a former release do not have it", () => {
    const elsewhere = { ...workload, join: { ...workload.join, staticKeys: true } };
    assert.throws(() => tbotPod(elsewhere, settings), /tokenAudience: is missing/);
    const { spec } = tbotPod(elsewhere, { ...settings, tokenAudience: "teleport.example.com" });
    assert.match(JSON.stringify(spec.volumes), /"audience":"teleport.example.com"/);
  });
});
