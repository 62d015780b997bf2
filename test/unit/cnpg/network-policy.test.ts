/**
 * Networks that enforce policies are rare in labs. So an evaluator tests the rules as Kubernetes documents NetworkPolicies:
 * a pod that no policy selects is open. For a selected pod, a connection needs a rule of a policy whose peer and port both
 * match. All conditions of a peer must match, and a podSelector alone means the policy's own namespace.
 */
import { strict as assert } from "node:assert";
import { BlockList, isIP } from "node:net";
import { checkClusterSettings } from "../../../components/cnpg/cluster";
import {
  LabelSelector,
  networkPolicies,
  NetworkPolicyManifest,
  NetworkPolicyPeer,
  NetworkPolicySettings,
} from "../../../components/cnpg/network-policy";

interface Pod {
  namespace: string;
  /** Labels of its namespace besides the one that Kubernetes sets. */
  namespaceLabels?: Record<string, string>;
  labels: Record<string, string>;
  ip?: string;
}

/** Where the policies of these tests are. */
const NAMESPACE = "shop-db";

const selects = (selector: LabelSelector, labels: Record<string, string>) =>
  Object.entries(selector.matchLabels).every(([key, value]) => labels[key] === value);

function isPeer(peer: NetworkPolicyPeer, pod: Pod, ownNamespace: string): boolean {
  if (peer.ipBlock) {
    const [address = "", bits] = peer.ipBlock.cidr.split("/");
    const family = (ip: string) => (isIP(ip) === 4 ? "ipv4" : "ipv6");
    const block = new BlockList();
    block.addSubnet(address, Number(bits), family(address));
    return pod.ip !== undefined && block.check(pod.ip, family(pod.ip));
  }
  const inNamespace = peer.namespaceSelector
    ? selects(peer.namespaceSelector, { ...pod.namespaceLabels, "kubernetes.io/metadata.name": pod.namespace })
    : peer.podSelector !== undefined && pod.namespace === ownNamespace;
  return inNamespace && (!peer.podSelector || selects(peer.podSelector, pod.labels));
}

/** Whether `other` may connect to `pod` (Ingress), or `pod` to `other` (Egress). */
function allowed(
  policies: NetworkPolicyManifest[],
  direction: "Ingress" | "Egress",
  pod: Pod,
  other: Pod,
  port: number,
  protocol = "TCP",
): boolean {
  const governing = policies.filter(
    ({ spec }) =>
      pod.namespace === NAMESPACE && selects(spec.podSelector, pod.labels) && spec.policyTypes.includes(direction),
  );
  if (governing.length === 0) return true;
  return governing.some(({ spec }) => {
    const rules = (direction === "Ingress" ? spec.ingress : (spec.egress ?? [])) as {
      from?: NetworkPolicyPeer[];
      to?: NetworkPolicyPeer[];
      ports?: { protocol: string; port: number }[];
    }[];
    return rules.some(({ from, to, ports }) => {
      const peers = from ?? to;
      const reached = !peers || peers.length === 0 || peers.some((peer) => isPeer(peer, other, NAMESPACE));
      return reached && (!ports || ports.some((one) => one.port === port && one.protocol === protocol));
    });
  });
}

// Labels as CNPG 1.30 puts them on its pods (seen in the lab).
const pod = (namespace: string, labels: Record<string, string>, more: Partial<Pod> = {}): Pod => ({
  namespace,
  labels,
  ...more,
});
const primary = pod("shop-db", {
  "cnpg.io/cluster": "orders",
  "cnpg.io/podRole": "instance",
  "cnpg.io/instanceName": "orders-1",
});
const standby = pod("shop-db", {
  "cnpg.io/cluster": "orders",
  "cnpg.io/podRole": "instance",
  "cnpg.io/instanceName": "orders-2",
});
const join = pod("shop-db", {
  "cnpg.io/cluster": "orders",
  "cnpg.io/jobRole": "join",
  "cnpg.io/instanceName": "orders-3",
});
const pooler = pod("shop-db", { "cnpg.io/cluster": "orders", "cnpg.io/podRole": "pooler", "cnpg.io/poolerName": "p" });
const otherCluster = pod("shop-db", { "cnpg.io/cluster": "billing", "cnpg.io/podRole": "instance" });
const neighbour = pod("shop-db", { app: "shop" });
const operator = pod("cnpg-system", { "app.kubernetes.io/name": "cloudnative-pg" });
const stranger = pod("elsewhere", { app: "shop" });
const shop = pod("shop", { app: "shop" });
const shopJob = pod("shop", { app: "job" });
const tenant = pod("tenant-7", { app: "x" }, { namespaceLabels: { tenant: "yes" } });
const agent = pod("teleport-agent", { app: "teleport-agent" });
const prometheus = pod("monitoring", { app: "prometheus" });
const outside = pod("(outside)", {}, { ip: "192.0.2.9" });

const settings: NetworkPolicySettings = {
  applications: [
    { namespace: "shop", podLabels: { app: "shop" } },
    { namespaceLabels: { tenant: "yes" } },
    { cidr: "192.0.2.0/28" },
  ],
  teleportAgents: [{ namespace: "teleport-agent", podLabels: { app: "teleport-agent" } }],
  monitoring: [{ namespace: "monitoring" }],
};
const policies = networkPolicies("orders", settings);
const mayConnect = (from: Pod, to: Pod, port: number) => allowed(policies, "Ingress", to, from, port);

describe("network policies", () => {
  it("allow applications, Teleport's agents and the Cluster's own pods to connect to PostgreSQL", () => {
    for (const from of [shop, tenant, outside, agent, standby, join, pooler, operator]) {
      assert.ok(mayConnect(from, primary, 5432), JSON.stringify(from));
    }
  });
  it("allow nobody else", () => {
    const others = [stranger, shopJob, neighbour, otherCluster, prometheus, { ...outside, ip: "192.0.2.16" }];
    others.push({ ...operator, namespace: "elsewhere" }, { ...agent, labels: {} }, { ...join, namespace: "elsewhere" });
    for (const from of others) assert.ok(!mayConnect(from, primary, 5432), JSON.stringify(from));
  });
  it("allow only the operator and other instances to read the instances' status", () => {
    for (const from of [operator, standby]) assert.ok(mayConnect(from, primary, 8000));
    for (const from of [shop, agent, prometheus, stranger, otherCluster]) assert.ok(!mayConnect(from, primary, 8000));
  });
  it("allow only monitoring to read metrics", () => {
    assert.ok(mayConnect(prometheus, primary, 9187) && mayConnect(prometheus, pooler, 9127));
    for (const from of [shop, agent, standby, operator]) assert.ok(!mayConnect(from, primary, 9187));
    const unseen = networkPolicies("orders", { applications: [] });
    assert.ok(!allowed(unseen, "Ingress", primary, prometheus, 9187));
  });
  it("allow only applications to connect to the Poolers", () => {
    for (const from of [shop, tenant, outside]) assert.ok(mayConnect(from, pooler, 5432));
    for (const from of [agent, stranger, neighbour, prometheus]) assert.ok(!mayConnect(from, pooler, 5432));
  });
  it("allow nobody if there are no applications, instead of everybody", () => {
    const closed = networkPolicies("orders", { applications: [] });
    for (const from of [shop, agent, stranger]) {
      assert.ok(!allowed(closed, "Ingress", primary, from, 5432));
      assert.ok(!allowed(closed, "Ingress", pooler, from, 5432));
    }
    assert.ok(allowed(closed, "Ingress", primary, pooler, 5432));
  });
  it("do not select other pods", () => assert.ok(mayConnect(stranger, otherCluster, 5432)));
  it("use the operator's namespace from the settings", () => {
    const moved = networkPolicies("orders", { applications: [], operator: { namespace: "operators" } });
    assert.ok(allowed(moved, "Ingress", primary, pod("operators", {}), 8000));
    assert.ok(!allowed(moved, "Ingress", primary, operator, 8000));
  });

  describe("for the connections of instances", () => {
    const apiServer = pod("(outside)", {}, { ip: "10.96.0.1" });
    const store = pod("storage", { app: "s3" });
    const closed = networkPolicies("orders", {
      applications: [],
      egress: { to: [{ namespace: "storage", ports: [9000] }], apiServer: ["10.96.0.1/32"] },
    });
    const reaches = (to: Pod, port: number, protocol = "TCP") => allowed(closed, "Egress", primary, to, port, protocol);

    it("do not exist by default", () => assert.ok(allowed(policies, "Egress", primary, stranger, 443)));
    it("allow what every instance needs", () => {
      assert.ok(reaches(pod("kube-system", {}), 53, "UDP") && reaches(pod("kube-system", {}), 53));
      assert.ok(reaches(standby, 5432) && reaches(standby, 8000));
      assert.ok(reaches(apiServer, 443) && reaches(apiServer, 6443));
    });
    it("allow the named destinations, and nothing else", () => {
      assert.ok(reaches(store, 9000));
      for (const [to, port] of [
        [store, 80],
        [stranger, 443],
        [shop, 5432],
        [otherCluster, 5432],
      ] as const) {
        assert.ok(!reaches(to, port), `${to.namespace}:${port}`);
      }
    });
    it("allow every API server if its addresses are not set", () => {
      const open = networkPolicies("orders", { applications: [], egress: { to: [] } });
      assert.ok(allowed(open, "Egress", primary, apiServer, 443));
      assert.ok(!allowed(open, "Egress", primary, store, 9000));
    });
  });
});

describe("the check of network policies", () => {
  const problems = (networkPolicy: NetworkPolicySettings, registered = false) =>
    checkClusterSettings("", { storage: { size: "1Gi" }, networkPolicy }, { registered }).map(({ setting }) => setting);
  const wrong: Record<string, NetworkPolicySettings> = {
    "networkPolicy.applications[0]": { applications: [{}] },
    "networkPolicy.applications[0].cidr": { applications: [{ cidr: "10.0.0.0" }] },
    "networkPolicy.applications[1].cidr": {
      applications: [{ namespace: "a" }, { namespace: "b", cidr: "10.0.0.0/8" }],
    },
    "networkPolicy.applications[0].namespace": { applications: [{ namespace: "My Shop" }] },
    "networkPolicy.applications[0].podLabels.app": { applications: [{ podLabels: { app: "the shop" } }] },
    "networkPolicy.teleportAgents[0]": { applications: [], teleportAgents: [{ podLabels: {} }] },
    "networkPolicy.monitoring[0].namespaceLabels": {
      applications: [],
      monitoring: [{ namespaceLabels: { "a b": "c" } }],
    },
    "networkPolicy.operator": { applications: [], operator: {} },
    "networkPolicy.egress.to[0].ports[0]": { applications: [], egress: { to: [{ namespace: "a", ports: [70_000] }] } },
    "networkPolicy.egress.to[0].ports": { applications: [], egress: { to: [{ namespace: "a", ports: [] }] } },
    "networkPolicy.egress.apiServer[0]": { applications: [], egress: { to: [], apiServer: ["kubernetes"] } },
    "networkPolicy.egress.apiServer": { applications: [], egress: { to: [], apiServer: [] } },
  };
  for (const [setting, networkPolicy] of Object.entries(wrong)) {
    it(`refuses ${setting}`, () => assert.deepEqual(problems(networkPolicy), [setting]));
  }
  it("requires Teleport's agents if the database is registered", () => {
    assert.deepEqual(problems({ applications: [] }, true), ["networkPolicy.teleportAgents"]);
    assert.deepEqual(problems({ applications: [] }), []);
    assert.deepEqual(problems(settings, true), []);
  });
});
