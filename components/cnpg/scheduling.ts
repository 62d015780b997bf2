/** Where the instances run. Pure. */
import { SettingProblem } from "../problems";
import { checkKey, checkLabels, checkLabelValue, checkObjectName } from "../kubernetes/names";
import { checkOneOf, checkWhole, wrong } from "../value-check";

/** A taint that instances put up with, as in a pod's spec. */
export interface Toleration {
  /** Key of the taint. Default: every key, with `operator: Exists`. */
  key?: string;
  /** Default: Kubernetes', `Equal`. */
  operator?: "Equal" | "Exists";
  /** Value of the taint, with `Equal`. */
  value?: string;
  /** Default: every effect. */
  effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  /** With `NoExecute`: how long the instance stays. Default: for ever. */
  tolerationSeconds?: number;
}

/** Which nodes instances run on. Becomes `spec.affinity`. */
export interface Affinity {
  /** Instances keep apart from each other. Default: CNPG's, true. */
  enablePodAntiAffinity?: boolean;
  /** `required`: never two instances in one place, so that some may not run. Default: CNPG's, `preferred`. */
  podAntiAffinityType?: "preferred" | "required";
  /** What is one place: a label of nodes. Default: CNPG's, `kubernetes.io/hostname`. */
  topologyKey?: string;
  /** Labels that a node must have. */
  nodeSelector?: Record<string, string>;
  /** Taints of nodes that do not keep instances away. Default: none. */
  tolerations?: Toleration[];
  /** Kubernetes' nodeAffinity, as it is. */
  nodeAffinity?: Record<string, unknown>;
  /** Kubernetes' podAffinity, as it is. */
  additionalPodAffinity?: Record<string, unknown>;
  /** Kubernetes' podAntiAffinity, as it is, besides CNPG's. */
  additionalPodAntiAffinity?: Record<string, unknown>;
}

/** How evenly instances spread. Becomes one of `spec.topologySpreadConstraints`. */
export interface TopologySpreadConstraint {
  /** How many more instances one place may have than another. */
  maxSkew: number;
  /** What is one place: a label of nodes, e.g. `topology.kubernetes.io/zone`. */
  topologyKey: string;
  /** What becomes of an instance that does not fit. */
  whenUnsatisfiable: "DoNotSchedule" | "ScheduleAnyway";
  /** Which pods are counted, e.g. `{matchLabels: {cnpg.io/cluster: orders}}`. */
  labelSelector: Record<string, unknown>;
  /** Number of places there must be; with `DoNotSchedule`. */
  minDomains?: number;
  /** Keys of pod labels whose values must be equal to count together. Default: none. */
  matchLabelKeys?: string[];
  /** Whether nodes that `nodeAffinity` excludes count. Default: Kubernetes', `Honor`. */
  nodeAffinityPolicy?: "Honor" | "Ignore";
  /** Whether tainted nodes count. Default: Kubernetes', `Ignore`. */
  nodeTaintsPolicy?: "Honor" | "Ignore";
}

export interface SchedulingSettings {
  /** On which nodes instances run, and how far from each other. Becomes `spec.affinity`. */
  affinity?: Affinity;
  /** Default: none. */
  topologySpreadConstraints?: TopologySpreadConstraint[];
  /** Name of a PriorityClass. Default: the Kubernetes cluster's. */
  priorityClassName?: string;
}

type At = (setting: string) => string;

export function schedulingSpec(settings: SchedulingSettings): Record<string, unknown> {
  const { affinity, topologySpreadConstraints, priorityClassName } = settings;
  return { affinity, topologySpreadConstraints, priorityClassName };
}

export function checkScheduling(at: At, settings: SchedulingSettings): SettingProblem[] {
  const { affinity = {}, topologySpreadConstraints = [], priorityClassName } = settings;
  return [
    ...checkAffinity(at("affinity"), affinity),
    ...topologySpreadConstraints.flatMap((constraint, index) =>
      checkSpread(at(`topologySpreadConstraints[${index}]`), constraint),
    ),
    ...checkObjectName(at("priorityClassName"), priorityClassName, "PriorityClass"),
  ];
}

function checkAffinity(setting: string, affinity: Affinity): SettingProblem[] {
  const { podAntiAffinityType, topologyKey, nodeSelector, tolerations = [] } = affinity;
  return [
    ...checkOneOf(`${setting}.podAntiAffinityType`, podAntiAffinityType, ["preferred", "required"]),
    ...(topologyKey === undefined ? [] : checkKey(`${setting}.topologyKey`, topologyKey)),
    ...checkLabels(`${setting}.nodeSelector`, nodeSelector),
    ...tolerations.flatMap((toleration, index) => checkToleration(`${setting}.tolerations[${index}]`, toleration)),
  ];
}

/** As CNPG's webhook has it (validateTolerations). */
function checkToleration(setting: string, toleration: Toleration): SettingProblem[] {
  const { key = "", operator = "Equal", value = "", effect, tolerationSeconds } = toleration;
  const exists = operator === "Exists";
  return [
    ...(key === "" ? [] : checkKey(`${setting}.key`, key)),
    ...checkOneOf(`${setting}.operator`, operator, ["Equal", "Exists"]),
    ...(key === "" && operator === "Equal"
      ? wrong(`${setting}.operator`, operator, "needs a key", "Give a key, or use Exists for every taint.")
      : []),
    ...(exists && value !== ""
      ? wrong(`${setting}.value`, value, "has no meaning with operator: Exists", "Remove it, or use Equal.")
      : []),
    ...(exists ? [] : checkLabelValue(`${setting}.value`, value)),
    ...checkOneOf(`${setting}.effect`, effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ...(tolerationSeconds !== undefined && effect !== "NoExecute"
      ? wrong(`${setting}.effect`, effect, "leaves tolerationSeconds without meaning", "Use NoExecute, or remove it.")
      : []),
  ];
}

function checkSpread(setting: string, constraint: TopologySpreadConstraint): SettingProblem[] {
  const { maxSkew, topologyKey, whenUnsatisfiable, labelSelector, minDomains } = constraint;
  const counts = Object.keys(labelSelector ?? {}).length > 0;
  return [
    ...checkWhole(`${setting}.maxSkew`, maxSkew, "instances", 1),
    ...checkKey(`${setting}.topologyKey`, topologyKey),
    ...checkOneOf(`${setting}.whenUnsatisfiable`, whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]),
    ...(counts
      ? []
      : wrong(
          `${setting}.labelSelector`,
          labelSelector,
          "does not say which pods are counted",
          "Write {matchLabels: {cnpg.io/cluster: <name of the Cluster>}}.",
        )),
    ...checkWhole(`${setting}.minDomains`, minDomains, "places", 1),
    ...(minDomains !== undefined && whenUnsatisfiable === "ScheduleAnyway"
      ? wrong(`${setting}.minDomains`, minDomains, "has no meaning with ScheduleAnyway", "Remove it.")
      : []),
  ];
}
