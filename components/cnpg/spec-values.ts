/**
 * Checks values of `spec` that CloudNativePG accepts, but that do harm or fail later, e.g. a pod that is never created. What
 * the operator itself refuses is not checked here: a preview asks the operator (operator-check.ts). Pure.
 */
import { SettingProblem } from "../problems";
import { checkAnnotations, checkKey, checkLabels, checkReservedKeys, checkObjectName } from "../kubernetes/names";
import { parseQuantity } from "../kubernetes/quantity";
import { isObject, checkOneOf, checkUnique, checkWholeNumber, wrong } from "../value-check";
import { listAt, numberAt, Spec, stringAt, stringMapAt, stringsAt, valueAt } from "./spec-fields";

/** Returns the path of a field of `spec`, as the user writes it. */
export type At = (field: string) => string;

export function checkSpecValues(at: At, spec: Spec): SettingProblem[] {
  return [
    ...checkScheduling(at, spec),
    ...checkDelays(at, spec),
    ...checkProbe(at, spec, "startup"),
    ...checkProbe(at, spec, "liveness"),
    ...checkProbe(at, spec, "readiness"),
    ...checkSynchronous(at, spec),
    ...checkMetadata(at, spec, "inheritedMetadata"),
    ...checkMetadata(at, spec, "serviceAccountTemplate.metadata"),
    ...checkPullSecrets(at, spec),
  ];
}

/** Checks a minimum. The operator refuses fractions. */
function checkLeast(at: At, spec: Spec, field: string, what: string, least = 0): SettingProblem[] {
  const value = numberAt(spec, field);
  return value !== undefined && value < least ? checkWholeNumber(at(field), value, what, least) : [];
}

function checkScheduling(at: At, spec: Spec): SettingProblem[] {
  const topologyKey = stringAt(spec, "affinity.topologyKey");
  return [
    ...(topologyKey === undefined ? [] : checkKey(at("affinity.topologyKey"), topologyKey)),
    ...checkLabels(at("affinity.nodeSelector"), stringMapAt(spec, "affinity.nodeSelector")),
    ...listAt(spec, "topologySpreadConstraints").flatMap((constraint, index) =>
      isObject(constraint)
        ? checkSpread((field) => at(`topologySpreadConstraints[${index}].${field}`), constraint)
        : [],
    ),
    ...checkObjectName(at("priorityClassName"), stringAt(spec, "priorityClassName"), "PriorityClass"),
  ];
}

function checkSpread(at: At, constraint: Spec): SettingProblem[] {
  const { labelSelector, minDomains } = constraint;
  const whenUnsatisfiable = stringAt(constraint, "whenUnsatisfiable");
  const topologyKey = stringAt(constraint, "topologyKey");
  const countsNoPods =
    labelSelector === undefined || (isObject(labelSelector) && Object.keys(labelSelector).length === 0);
  return [
    ...checkLeast(at, constraint, "maxSkew", "instances", 1),
    ...(topologyKey === undefined ? [] : checkKey(at("topologyKey"), topologyKey)),
    ...checkOneOf(at("whenUnsatisfiable"), whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]),
    ...(countsNoPods
      ? wrong(
          at("labelSelector"),
          labelSelector,
          "must say which pods are counted",
          "Write {matchLabels: {cnpg.io/cluster: <name of the Cluster>}}.",
        )
      : []),
    ...checkLeast(at, constraint, "minDomains", "places", 1),
    ...(minDomains !== undefined && whenUnsatisfiable === "ScheduleAnyway"
      ? wrong(at("minDomains"), minDomains, "has no effect with whenUnsatisfiable: ScheduleAnyway", "Remove it.")
      : []),
  ];
}

/** CNPG's defaults. */
const STOP_DELAY = 1_800;
const SMART_SHUTDOWN = 180;
/** Seconds that a fast shutdown needs after the smart shutdown (CNPG's documentation, instance_manager.md). */
const FAST_SHUTDOWN = 15;

function checkDelays(at: At, spec: Spec): SettingProblem[] {
  const stopDelay = numberAt(spec, "stopDelay");
  const { stop, smart } = {
    stop: stopDelay ?? STOP_DELAY,
    smart: numberAt(spec, "smartShutdownTimeout") ?? SMART_SHUTDOWN,
  };
  return [
    ...checkLeast(at, spec, "startDelay", "seconds", 1),
    ...checkLeast(at, spec, "stopDelay", "seconds", 1),
    ...checkLeast(at, spec, "smartShutdownTimeout", "seconds"),
    ...checkLeast(at, spec, "switchoverDelay", "seconds", 1),
    ...checkLeast(at, spec, "failoverDelay", "seconds"),
    ...(stop >= 1 && smart >= 0 && stop - smart < FAST_SHUTDOWN
      ? wrong(
          at(stopDelay === undefined ? "smartShutdownTimeout" : "stopDelay"),
          stopDelay ?? smart,
          `leaves less than ${FAST_SHUTDOWN} s for PostgreSQL to stop after the smart shutdown of ${smart} s`,
          `Set stopDelay to at least smartShutdownTimeout plus ${FAST_SHUTDOWN}.`,
        )
      : []),
  ];
}

/** Kubernetes requires a successThreshold of 1 except for readiness, and forbids a grace period for a readiness probe. */
function checkProbe(at: At, spec: Spec, probe: "startup" | "liveness" | "readiness"): SettingProblem[] {
  const field = (name: string) => `probes.${probe}.${name}`;
  const least = (name: string, what: string, value: number) => checkLeast(at, spec, field(name), what, value);
  const successThreshold = numberAt(spec, field("successThreshold"));
  const gracePeriod = numberAt(spec, field("terminationGracePeriodSeconds"));
  return [
    ...least("initialDelaySeconds", "seconds", 0),
    ...least("periodSeconds", "seconds", 1),
    ...least("timeoutSeconds", "seconds", 1),
    ...least("failureThreshold", "failures", 1),
    ...least("successThreshold", "successes", 1),
    ...(probe !== "readiness" && successThreshold !== undefined && successThreshold > 1
      ? wrong(
          at(field("successThreshold")),
          successThreshold,
          "must be 1 in this probe",
          "Remove it: the default is 1.",
        )
      : []),
    ...least("terminationGracePeriodSeconds", "seconds", 1),
    ...(probe === "readiness" && gracePeriod !== undefined
      ? wrong(
          at(field("terminationGracePeriodSeconds")),
          gracePeriod,
          "must not be set for a readiness probe, which stops nothing",
          "Remove it.",
        )
      : []),
    ...checkLag(at(field("maximumLag")), valueAt(spec, `probes.${probe}`)),
    ...least("isolationCheck.requestTimeout", "ms", 1),
    ...least("isolationCheck.connectionTimeout", "ms", 1),
  ];
}

/** The operator refuses a string that is not a quantity, but its message does not name the field. */
function checkLag(setting: string, probe: unknown): SettingProblem[] {
  const lag = valueAt(probe, "maximumLag");
  if (typeof lag !== "string" && typeof lag !== "number") return [];
  return parseQuantity(String(lag)) === undefined || stringAt(probe, "type") !== "streaming"
    ? wrong(
        setting,
        lag,
        "must be a quantity, in a probe with type: streaming",
        "Write e.g. 16Mi, and type: streaming.",
      )
    : [];
}

function checkSynchronous(at: At, spec: Spec): SettingProblem[] {
  const field = (name: string) => `postgresql.synchronous.${name}`;
  const before = stringsAt(spec, field("standbyNamesPre"));
  return [
    ...checkLeast(at, spec, field("maxStandbyNamesFromCluster"), "standbys"),
    ...checkUnique(
      (index) => at(field(index < before.length ? "standbyNamesPre" : "standbyNamesPost")),
      [...before, ...stringsAt(spec, field("standbyNamesPost"))],
    ),
  ];
}

/** Checks labels and annotations for objects that CloudNativePG creates. */
function checkMetadata(at: At, spec: Spec, field: string): SettingProblem[] {
  const labels = stringMapAt(spec, `${field}.labels`);
  const annotations = stringMapAt(spec, `${field}.annotations`);
  return [
    ...checkLabels(at(`${field}.labels`), labels),
    ...checkReservedKeys(at(`${field}.labels`), labels),
    ...checkAnnotations(at(`${field}.annotations`), annotations),
    ...checkReservedKeys(at(`${field}.annotations`), annotations),
  ];
}

function checkPullSecrets(at: At, spec: Spec): SettingProblem[] {
  const names = listAt(spec, "imagePullSecrets").map((secret) => stringAt(secret, "name"));
  return names.flatMap((name, index) => {
    const setting = at(`imagePullSecrets[${index}].name`);
    return name !== undefined && names.indexOf(name) < index
      ? wrong(setting, name, "is listed twice", "Remove one of the two.")
      : checkObjectName(setting, name, "Secret");
  });
}
