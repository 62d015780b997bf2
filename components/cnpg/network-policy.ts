/**
 * NetworkPolicies for the pods of a Cluster, and the checks of their settings. The network of the Kubernetes cluster
 * must enforce them; not every network does. A kubelet can always reach the pods of its node, so probes work. Pure.
 */
import { POSTGRES_PORT } from "./names";
import { SettingProblem } from "../problems";
import { checkCidr, checkLabels, checkNamespace } from "../kubernetes/names";
import { checkPort, wrong } from "../value-check";

/** Pods, or addresses outside of the Kubernetes cluster. All given conditions must match. */
export interface NetworkPeer {
  /** Name of a namespace. Default: the Cluster's namespace, if only `podLabels` is set. */
  namespace?: string;
  /** Labels of namespaces, to select more than one. Default: none. */
  namespaceLabels?: Record<string, string>;
  /** Labels of pods. Default: every pod of the namespaces. */
  podLabels?: Record<string, string>;
  /** A range of addresses, e.g. `10.20.0.0/16`, instead of namespaces and pods. Default: none. */
  cidr?: string;
}

/** A destination that instances may connect to. */
export interface NetworkDestination extends NetworkPeer {
  /** TCP ports. Default: all. */
  ports?: number[];
}

/** Who may connect to the pods of a database, and what these pods may connect to. */
export interface NetworkPolicySettings {
  /** Clients that may connect to PostgreSQL and its Poolers, on port 5432. */
  applications: NetworkPeer[];
  /** Teleport's agents, which may connect to PostgreSQL. Required if the database is registered in Teleport. Default: nobody. */
  teleportAgents?: NetworkPeer[];
  /** Clients that may read metrics: port 9187 of the instances, 9127 of the Poolers. Default: nobody. */
  monitoring?: NetworkPeer[];
  /** The operator's pods. Default: label `app.kubernetes.io/name: cloudnative-pg` in the namespace `cnpg-system`. */
  operator?: NetworkPeer;
  /**
   * Destinations of the instances, besides DNS, each other and the Kubernetes API server, e.g. object stores or an LDAP
   * directory. Default: every destination.
   */
  egress?: {
    /** Pods and addresses that the instances may connect to. */
    to: NetworkDestination[];
    /** Addresses of the API server, which every instance needs. Default: any, on ports 443 and 6443. */
    apiServer?: string[];
  };
}

/** A networking.k8s.io/v1 NetworkPolicy, without its namespace. */
export interface NetworkPolicyManifest {
  /** The pods that it is for, as `cnpg.io/podRole` names them. */
  role: "instance" | "pooler";
  metadata: { name: string };
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

/** The port of the instance manager, for the operator and other instances. */
const STATUS_PORT = 8_000;
const METRICS_PORT = 9_187;
const POOLER_METRICS_PORT = 9_127;
const DNS_PORT = 53;
const OPERATOR: NetworkPeer = { namespace: "cnpg-system", podLabels: { "app.kubernetes.io/name": "cloudnative-pg" } };

/** The policies of a Cluster: one for its instances, one for its Poolers. */
export function networkPolicies(cluster: string, settings: NetworkPolicySettings): NetworkPolicyManifest[] {
  const manifest = (
    role: NetworkPolicyManifest["role"],
    spec: Omit<NetworkPolicySpec, "podSelector">,
  ): NetworkPolicyManifest => ({
    role,
    metadata: { name: `${cluster}-${role}` },
    spec: { podSelector: { matchLabels: { "cnpg.io/cluster": cluster, "cnpg.io/podRole": role } }, ...spec },
  });
  const { applications, teleportAgents = [], monitoring = [], operator = OPERATOR } = settings;
  // Instances, the Jobs that create them, and Poolers all have this label.
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

/** Without peers, there is no rule: a rule without peers would allow everybody. */
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

/** Returns every problem. `registered`: Teleport's agents must reach the instances. */
export function checkNetworkPolicy(
  path: string,
  settings: NetworkPolicySettings,
  registered = false,
): SettingProblem[] {
  const { applications, teleportAgents = [], monitoring = [], operator, egress } = settings;
  return [
    ...checkPeers(`${path}.applications`, applications),
    ...checkPeers(`${path}.teleportAgents`, teleportAgents),
    ...(registered && teleportAgents.length === 0
      ? wrong(
          `${path}.teleportAgents`,
          undefined,
          "is missing, so nobody could connect through Teleport",
          "Write e.g. [{namespace: teleport-agent}].",
        )
      : []),
    ...checkPeers(`${path}.monitoring`, monitoring),
    ...(operator ? checkPeer(`${path}.operator`, operator) : []),
    ...(egress?.to ?? []).flatMap((destination, index) => [
      ...checkPeer(`${path}.egress.to[${index}]`, destination),
      ...checkPorts(`${path}.egress.to[${index}].ports`, destination),
    ]),
    ...(egress?.apiServer ?? []).flatMap((cidr, index) => checkCidr(`${path}.egress.apiServer[${index}]`, cidr)),
    ...(egress?.apiServer?.length === 0
      ? wrong(
          `${path}.egress.apiServer`,
          [],
          "must not be empty: every instance needs the API server",
          "Write the API server's addresses, or leave it out.",
        )
      : []),
  ];
}

function checkPeers(path: string, peers: readonly NetworkPeer[]): SettingProblem[] {
  return peers.flatMap((peer, index) => checkPeer(`${path}[${index}]`, peer));
}

function checkPeer(setting: string, { namespace, namespaceLabels, podLabels, cidr }: NetworkPeer): SettingProblem[] {
  const named =
    namespace !== undefined || [namespaceLabels, podLabels].some((all) => Object.keys(all ?? {}).length > 0);
  return [
    ...(named || cidr !== undefined
      ? []
      : wrong(setting, undefined, "must name pods or addresses", "Set namespace, namespaceLabels, podLabels or cidr.")),
    ...(named && cidr !== undefined
      ? wrong(`${setting}.cidr`, cidr, "must not be set together with namespaces or pods", "Write two list entries.")
      : []),
    ...(cidr === undefined ? [] : checkCidr(`${setting}.cidr`, cidr)),
    ...checkNamespace(`${setting}.namespace`, namespace),
    ...checkLabels(`${setting}.namespaceLabels`, namespaceLabels),
    ...checkLabels(`${setting}.podLabels`, podLabels),
  ];
}

function checkPorts(setting: string, { ports }: NetworkDestination): SettingProblem[] {
  if (ports?.length === 0) return wrong(setting, ports, "must not be empty", "Write ports, or leave it out for all.");
  return (ports ?? []).flatMap((port, index) => checkPort(`${setting}[${index}]`, port));
}
