/**
 * Who may connect to the pods of a Cluster, as NetworkPolicies. They are enforced by the Kubernetes cluster's network,
 * if it does that at all. Kubelets reach the pods of their node whatever a policy says, so that probes work. Pure.
 */
import { POSTGRES_PORT } from "./names";

/** Pods, or addresses outside of the Kubernetes cluster. What is given must all hold. */
export interface NetworkPeer {
  /** Name of a namespace. Default: with `podLabels` alone, the Cluster's own. */
  namespace?: string;
  /** Labels of namespaces, for more than one. */
  namespaceLabels?: Record<string, string>;
  /** Labels of pods. Default: every pod of the namespaces. */
  podLabels?: Record<string, string>;
  /** A range of addresses, e.g. `10.20.0.0/16`, in place of all that. */
  cidr?: string;
}

/** Whom instances may connect to. */
export interface NetworkDestination extends NetworkPeer {
  /** TCP ports. Default: all. */
  ports?: number[];
}

export interface NetworkPolicySettings {
  /** Who may connect to PostgreSQL and to its Poolers, on port 5432. */
  applications: NetworkPeer[];
  /** Teleport's agents, who may connect to PostgreSQL. Needed where the database is registered. */
  teleportAgents?: NetworkPeer[];
  /** Who may read metrics: ports 9187 of the instances, 9127 of the Poolers. Default: nobody. */
  monitoring?: NetworkPeer[];
  /** The operator's pods. Default: label `app.kubernetes.io/name: cloudnative-pg` in the namespace `cnpg-system`. */
  operator?: NetworkPeer;
  /**
   * Whom the instances may connect to, besides DNS, each other and the Kubernetes API server: object stores, the
   * directory. Default: everybody.
   */
  egress?: {
    /** Pods and addresses. */
    to: NetworkDestination[];
    /** Addresses of the API server, which every instance needs. Default: any, on ports 443 and 6443. */
    apiServer?: string[];
  };
}

/** A networking.k8s.io/v1 NetworkPolicy; its namespace may be known later only. */
export interface NetworkPolicyManifest<Namespace = string> {
  /** Unique among those of a Cluster, for the name of the Pulumi resource. */
  resourceName: string;
  metadata: { name: string; namespace: Namespace };
  spec: NetworkPolicySpec;
}

export interface NetworkPolicySpec {
  podSelector: LabelSelector;
  policyTypes: ("Ingress" | "Egress")[];
  ingress: NetworkRule<"from">[];
  egress?: NetworkRule<"to">[];
}

export interface LabelSelector {
  matchLabels: Record<string, string>;
}

export interface NetworkPolicyPeer {
  namespaceSelector?: LabelSelector;
  podSelector?: LabelSelector;
  ipBlock?: { cidr: string };
}

export type NetworkRule<Direction extends "from" | "to"> = {
  ports?: { protocol: "TCP" | "UDP"; port: number }[];
} & Partial<Record<Direction, NetworkPolicyPeer[]>>;

/** Where the instance manager answers the operator and other instances. */
const STATUS_PORT = 8_000;
const METRICS_PORT = 9_187;
const POOLER_METRICS_PORT = 9_127;
const DNS_PORT = 53;
const OPERATOR: NetworkPeer = { namespace: "cnpg-system", podLabels: { "app.kubernetes.io/name": "cloudnative-pg" } };

/** The policies of a Cluster: one for its instances, one for its Poolers. */
export function networkPolicies<Namespace>(
  cluster: string,
  namespace: Namespace,
  settings: NetworkPolicySettings,
): NetworkPolicyManifest<Namespace>[] {
  const manifest = (role: string, spec: Omit<NetworkPolicySpec, "podSelector">): NetworkPolicyManifest<Namespace> => ({
    resourceName: role,
    metadata: { name: `${cluster}-${role}`, namespace },
    spec: { podSelector: { matchLabels: { "cnpg.io/cluster": cluster, "cnpg.io/podRole": role } }, ...spec },
  });
  const { applications, teleportAgents = [], monitoring = [], operator = OPERATOR } = settings;
  // Instances, the jobs that make them, and Poolers all carry this label.
  const own: NetworkPeer = { podLabels: { "cnpg.io/cluster": cluster } };
  const instances = [
    ...allow([own, operator], [POSTGRES_PORT, STATUS_PORT]),
    ...allow([...applications, ...teleportAgents], [POSTGRES_PORT]),
    ...allow(monitoring, [METRICS_PORT]),
  ];
  const poolers = [...allow(applications, [POSTGRES_PORT]), ...allow(monitoring, [POOLER_METRICS_PORT])];
  const { egress } = settings;
  return [
    manifest("instance", {
      policyTypes: egress ? ["Ingress", "Egress"] : ["Ingress"],
      ingress: instances,
      ...(egress ? { egress: egressRules(own, egress) } : {}),
    }),
    manifest("pooler", { policyTypes: ["Ingress"], ingress: poolers }),
  ];
}

/** No peers, no rule: a rule without peers would let everybody in. */
function allow(peers: readonly NetworkPeer[], ports: readonly number[]): NetworkRule<"from">[] {
  return peers.length === 0 ? [] : [{ from: peers.map(policyPeer), ports: tcp(ports) }];
}

function egressRules(own: NetworkPeer, { to, apiServer }: NonNullable<NetworkPolicySettings["egress"]>) {
  const rules: NetworkRule<"to">[] = [
    {
      ports: [
        { protocol: "UDP", port: DNS_PORT },
        { protocol: "TCP", port: DNS_PORT },
      ],
    },
    { to: [policyPeer(own)], ports: tcp([POSTGRES_PORT, STATUS_PORT]) },
    { ...(apiServer ? { to: apiServer.map((cidr) => ({ ipBlock: { cidr } })) } : {}), ports: tcp([443, 6_443]) },
    ...to.map(({ ports, ...peer }) => ({ to: [policyPeer(peer)], ...(ports ? { ports: tcp(ports) } : {}) })),
  ];
  return rules;
}

function policyPeer({ namespace, namespaceLabels, podLabels, cidr }: NetworkPeer): NetworkPolicyPeer {
  if (cidr !== undefined) return { ipBlock: { cidr } };
  const labels = {
    ...namespaceLabels,
    ...(namespace === undefined ? {} : { "kubernetes.io/metadata.name": namespace }),
  };
  return {
    ...(Object.keys(labels).length > 0 ? { namespaceSelector: { matchLabels: labels } } : {}),
    ...(podLabels ? { podSelector: { matchLabels: podLabels } } : {}),
  };
}

function tcp(ports: readonly number[]): { protocol: "TCP"; port: number }[] {
  return ports.map((port) => ({ protocol: "TCP", port }));
}
