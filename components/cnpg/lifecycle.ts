/** How instances are updated, stopped, watched and replaced. Times are in seconds, as in CNPG's own fields. Pure. */
import { SettingProblem } from "../problems";
import { parseQuantity } from "../kubernetes/quantity";
import { checkOneOf, checkWhole, wrong } from "../value-check";

/** A probe of the instances, as in a container's spec, with what CNPG adds. */
export interface Probe {
  /** Seconds before the first probe. Default: Kubernetes', 0. */
  initialDelaySeconds?: number;
  /** Default: CNPG's, 10. */
  periodSeconds?: number;
  /** Seconds an answer may take. Default: CNPG's, 5. */
  timeoutSeconds?: number;
  /** Failures in a row that count. Default: CNPG's. */
  failureThreshold?: number;
  /** Successes in a row that count. Default: Kubernetes', 1. */
  successThreshold?: number;
  /** Seconds to end in after a failure. Default: the pod's. */
  terminationGracePeriodSeconds?: number;
}

/** A probe that may look at more than whether PostgreSQL answers. */
export interface ReplicaProbe extends Probe {
  /** `query`: SQL is answered; `streaming`: and standbys follow. Default: CNPG's, `pg_isready`. */
  type?: "pg_isready" | "query" | "streaming";
  /** With `streaming`: by how much a standby may lag behind, e.g. `16Mi`. Default: CNPG's, any. */
  maximumLag?: string;
}

/** Becomes `spec.probes`. */
export interface Probes {
  /** When an instance has started. */
  startup?: ReplicaProbe;
  /** When an instance serves. */
  readiness?: ReplicaProbe;
  /** When an instance is restarted. */
  liveness?: Probe & {
    /** A primary that reaches neither the API server nor another instance stops. */
    isolationCheck?: {
      /** Default: CNPG's, true. */
      enabled?: boolean;
      /** Milliseconds to be answered in. Default: CNPG's, 1000. */
      requestTimeout?: number;
      /** Milliseconds to connect in. Default: CNPG's, 1000. */
      connectionTimeout?: number;
    };
  };
}

export interface LifecycleSettings {
  /** A PodDisruptionBudget keeps the primary and a standby through drains. Default: CNPG's, true. */
  enablePDB?: boolean;
  /** `supervised`: the primary is updated when a person says so. Default: CNPG's, `unsupervised`. */
  primaryUpdateStrategy?: "unsupervised" | "supervised";
  /** How the primary is updated. Default: CNPG's, `restart`. */
  primaryUpdateMethod?: "restart" | "switchover";
  /** Seconds that an instance may take to start. Default: CNPG's, 3600. */
  startDelay?: number;
  /** Seconds that an instance may take to stop, before it is forced to stop. Default: CNPG's, 1800. */
  stopDelay?: number;
  /** The part of `stopDelay`, in seconds, in which connections may end by themselves. Default: CNPG's, 180. */
  smartShutdownTimeout?: number;
  /** Seconds that the old primary may take to stop in a switchover. Default: CNPG's, 3600. */
  switchoverDelay?: number;
  /** Seconds between the loss of the primary and the failover. Default: CNPG's, 0. */
  failoverDelay?: number;
  /** The instances' probes. Default: CNPG's. Becomes `spec.probes`. */
  probes?: Probes;
}

/** CNPG's defaults. */
const STOP_DELAY = 1_800;
const SMART_SHUTDOWN = 180;
/** After the smart shutdown, a fast one needs these (CNPG's documentation, instance_manager.md). */
const FAST_SHUTDOWN = 15;

type At = (setting: string) => string;

export function lifecycleSpec(settings: LifecycleSettings): Record<string, unknown> {
  return {
    enablePDB: settings.enablePDB,
    primaryUpdateStrategy: settings.primaryUpdateStrategy,
    primaryUpdateMethod: settings.primaryUpdateMethod,
    startDelay: settings.startDelay,
    stopDelay: settings.stopDelay,
    smartShutdownTimeout: settings.smartShutdownTimeout,
    switchoverDelay: settings.switchoverDelay,
    failoverDelay: settings.failoverDelay,
    probes: settings.probes,
  };
}

export function checkLifecycle(at: At, instances: number, settings: LifecycleSettings): SettingProblem[] {
  const { primaryUpdateStrategy, primaryUpdateMethod, probes = {} } = settings;
  return [
    ...checkOneOf(at("primaryUpdateStrategy"), primaryUpdateStrategy, ["unsupervised", "supervised"]),
    ...(primaryUpdateStrategy === "supervised" && instances === 1
      ? wrong(
          at("primaryUpdateStrategy"),
          primaryUpdateStrategy,
          "needs a standby to switch over to",
          "Use unsupervised, or more instances.",
        )
      : []),
    ...checkOneOf(at("primaryUpdateMethod"), primaryUpdateMethod, ["restart", "switchover"]),
    ...checkDelays(at, settings),
    ...checkProbe(at("probes.startup"), probes.startup, true),
    ...checkProbe(at("probes.liveness"), probes.liveness, true),
    ...checkProbe(at("probes.readiness"), probes.readiness, false),
    ...checkWhole(at("probes.liveness.isolationCheck.requestTimeout"), isolation(probes).requestTimeout, "ms", 1),
    ...checkWhole(at("probes.liveness.isolationCheck.connectionTimeout"), isolation(probes).connectionTimeout, "ms", 1),
  ];
}

function isolation({ liveness }: Probes) {
  return liveness?.isolationCheck ?? {};
}

function checkDelays(at: At, settings: LifecycleSettings): SettingProblem[] {
  const { startDelay, switchoverDelay, failoverDelay, stopDelay, smartShutdownTimeout } = settings;
  const { stop, smart } = { stop: stopDelay ?? STOP_DELAY, smart: smartShutdownTimeout ?? SMART_SHUTDOWN };
  return [
    ...checkWhole(at("startDelay"), startDelay, "seconds", 1),
    ...checkWhole(at("stopDelay"), stopDelay, "seconds", 1),
    ...checkWhole(at("smartShutdownTimeout"), smartShutdownTimeout, "seconds"),
    ...checkWhole(at("switchoverDelay"), switchoverDelay, "seconds", 1),
    ...checkWhole(at("failoverDelay"), failoverDelay, "seconds"),
    ...(stop >= 1 && smart >= 0 && stop - smart < FAST_SHUTDOWN
      ? wrong(
          at(stopDelay === undefined ? "smartShutdownTimeout" : "stopDelay"),
          stopDelay ?? smart,
          `leaves less than ${FAST_SHUTDOWN} s for PostgreSQL to stop after the smart shutdown of ${smart} s`,
          `Make stopDelay at least ${FAST_SHUTDOWN} greater than smartShutdownTimeout.`,
        )
      : []),
  ];
}

/** `once`: Kubernetes wants a successThreshold of 1 there; only readiness may end without a grace period of its own. */
function checkProbe(setting: string, probe: ReplicaProbe = {}, once: boolean): SettingProblem[] {
  const { successThreshold, terminationGracePeriodSeconds, type, maximumLag } = probe;
  return [
    ...checkWhole(`${setting}.initialDelaySeconds`, probe.initialDelaySeconds, "seconds"),
    ...checkWhole(`${setting}.periodSeconds`, probe.periodSeconds, "seconds", 1),
    ...checkWhole(`${setting}.timeoutSeconds`, probe.timeoutSeconds, "seconds", 1),
    ...checkWhole(`${setting}.failureThreshold`, probe.failureThreshold, "failures", 1),
    ...checkWhole(`${setting}.successThreshold`, successThreshold, "successes", 1),
    ...(once && successThreshold !== undefined && successThreshold > 1
      ? wrong(`${setting}.successThreshold`, successThreshold, "must be 1 in this probe", "Remove it.")
      : []),
    ...checkWhole(`${setting}.terminationGracePeriodSeconds`, terminationGracePeriodSeconds, "seconds", 1),
    ...(!once && terminationGracePeriodSeconds !== undefined
      ? wrong(
          `${setting}.terminationGracePeriodSeconds`,
          terminationGracePeriodSeconds,
          "is not for a readiness probe, which stops nothing",
          "Remove it.",
        )
      : []),
    ...checkOneOf(`${setting}.type`, type, ["pg_isready", "query", "streaming"]),
    ...(maximumLag !== undefined && (parseQuantity(maximumLag) === undefined || type !== "streaming")
      ? wrong(`${setting}.maximumLag`, maximumLag, "needs type: streaming and a quantity", "Write e.g. 16Mi.")
      : []),
  ];
}
