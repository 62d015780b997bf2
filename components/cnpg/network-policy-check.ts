/** Checks the settings of network policies. Pure. */
import { SettingProblem } from "../problems";
import { checkCidr, checkLabels, checkNamespace } from "../kubernetes/names";
import { NetworkDestination, NetworkPeer, NetworkPolicySettings } from "./network-policy";
import { wrong } from "../value-check";

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
    ...(namespace === undefined ? [] : checkNamespace(`${setting}.namespace`, namespace)),
    ...checkLabels(`${setting}.namespaceLabels`, namespaceLabels),
    ...checkLabels(`${setting}.podLabels`, podLabels),
  ];
}

function checkPorts(setting: string, { ports }: NetworkDestination): SettingProblem[] {
  if (ports?.length === 0) return wrong(setting, ports, "must not be empty", "Write ports, or leave it out for all.");
  return (ports ?? []).flatMap((port, index) =>
    Number.isInteger(port) && port > 0 && port < 65_536
      ? []
      : wrong(`${setting}[${index}]`, port, "is not a valid port", "Write a number from 1 to 65535."),
  );
}
