import { strict as assert } from "node:assert";
import { machineIdOutputs } from "../../../components/workload/machine-id";
import { intoPod, PodPart } from "../../../components/workload/pod-part";
import { tbotPod } from "../../../components/workload/tbot-pod";
import { vaultAgentPod } from "../../../components/workload/vault-agent-pod";

const workload = machineIdOutputs({
  name: "shop",
  proxy: "teleport.example.com:443",
  join: { method: "kubernetes", namespace: "shop", serviceAccount: "shop" },
  databases: { orders: { service: "orders-prod", labels: { cluster: "orders" }, database: "app", user: "writer" } },
});
const tbot: PodPart = tbotPod(workload, { generation: "17", image: "tbot:17", configMap: "shop-tbot" });
const login = { mount: "kubernetes", role: "r", namespace: "shop", serviceAccount: "shop" };
const vault = vaultAgentPod(
  {
    connection: "stock",
    host: "stock-rw.db.svc",
    port: 5432,
    database: "app",
    serverCa: "PEM",
    roles: { reports: { path: "m/creds/reports", policy: "p", defaultTtl: 60, maxTtl: 60, login } },
  },
  "reports",
  { image: "vault:1", configMap: "shop-vault", address: "https://vault.example.com" },
);
const template = {
  metadata: { annotations: { team: "shop" }, labels: { app: "shop" } },
  spec: {
    initContainers: [{ name: "migrate", image: "shop:1" }],
    containers: [
      { name: "web", image: "shop:1", env: [{ name: "PORT", value: "80" }] },
      { name: "jobs", image: "shop:1", volumeMounts: [{ name: "data", mountPath: "/data" }] },
    ],
    volumes: [{ name: "data", emptyDir: {} }],
  },
};
const names = (list: readonly { name: string }[] = []) => list.map(({ name }) => name);

describe("a part that is merged into a pod", () => {
  it("adds both parts to the containers that use them, and does not change the original template", () => {
    const before = structuredClone(template);
    const both = intoPod(intoPod(template, tbot, { web: "orders", migrate: "orders" }), vault, { jobs: "reports" });
    assert.deepEqual(template, before);
    assert.deepEqual(names(both.spec.initContainers), ["cnpg-teleport-vault", "cnpg-teleport-tbot", "migrate"]);
    const [web, jobs] = both.spec.containers;
    assert.deepEqual(web?.env?.[0], { name: "PORT", value: "80" });
    assert.deepEqual(names(web?.env).slice(1), names(tbot.environment.orders));
    assert.deepEqual(names(jobs?.env), ["PGSERVICEFILE", "PGSERVICE"]);
    assert.deepEqual(names(jobs?.volumeMounts), ["data", ...names(vault.volumeMounts)]);
    assert.deepEqual(names(web?.volumeMounts), []);
    assert.deepEqual(names(both.spec.volumes), ["data", ...names(tbot.spec.volumes), ...names(vault.spec.volumes)]);
    assert.deepEqual(both.metadata, {
      labels: { app: "shop" },
      annotations: { team: "shop", ...tbot.annotations, ...vault.annotations },
    });
    const { serviceAccountName, automountServiceAccountToken } = both.spec as Record<string, unknown>;
    assert.deepEqual([serviceAccountName, automountServiceAccountToken], ["shop", false]);
  });

  it("overwrites nothing, and reports all conflicts", () => {
    const [web, jobs] = template.spec.containers;
    const own = {
      metadata: { annotations: vault.annotations },
      spec: {
        serviceAccountName: "other",
        automountServiceAccountToken: true,
        containers: [
          { ...web, name: "cnpg-teleport-vault" },
          { ...jobs, name: "jobs", env: [{ name: "PGSERVICE" }], volumeMounts: vault.volumeMounts },
        ],
        volumes: [{ name: "cnpg-teleport-vault-scratch" }],
      },
    };
    const said = [
      /metadata\.annotations = "cnpg-teleport\/vault": exists already/,
      /spec\.containers = "cnpg-teleport-vault"/,
      /spec\.volumes = "cnpg-teleport-vault-scratch"/,
      /spec\.serviceAccountName = "other": must be the service account that has access, shop/,
      /spec\.automountServiceAccountToken = true/,
      /jobs\.env = "PGSERVICE"/,
      /jobs\.volumeMounts = "\/etc\/cnpg-teleport\/vault"/,
      /uses\.nobody: is not a container of the pod\. Use one of these: cnpg-teleport-vault, jobs\./,
    ];
    assert.throws(
      () => intoPod(own, vault, { jobs: "reports", nobody: "reports" }),
      (error: Error) => said.every((each) => each.test(error.message) || assert.fail(`${each}\n${error.message}`)),
    );
    assert.throws(
      () => intoPod(template, vault, { jobs: "toString" }),
      /is not a database of this part\. Use one of these: reports/,
    );
    assert.throws(() => intoPod(intoPod(template, tbot, {}), tbot, {}), /exists already/, "twice the same");
  });
});
