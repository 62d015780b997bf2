/**
 * Why something is not ready, in the words of Kubernetes: of pods, and of Events, which are read from time to time
 * during a wait. E.g. a quota that forbids a pod, or a missing storage class, does not appear in the status of
 * CloudNativePG's objects.
 */
import { KubernetesObject, KubernetesClient } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";

export interface Problem {
  text: string;
  /** Seconds after which the problem counts as permanent. Default: it may end by itself. */
  finalAfter?: number;
  /** What to do if it is permanent. */
  remedy?: string;
}

/** A problem, or the text of one that may end by itself. */
export type ProblemOrText = string | Problem;

export function problemOf(found: ProblemOrText): Problem {
  return typeof found === "string" ? { text: found } : found;
}

interface ContainerStatus {
  name: string;
  state?: { waiting?: { reason?: string; message?: string }; terminated?: { reason?: string; message?: string } };
  lastState?: { terminated?: { reason?: string; message?: string } };
}

/** Why a pod does not run, in Kubernetes' words. Empty if there is no known reason. */
export function podReasons({ metadata, spec, status }: KubernetesObject): string[] {
  const containers = ((status?.containerStatuses ?? []) as ContainerStatus[]).concat(
    (status?.initContainerStatuses ?? []) as ContainerStatus[],
  );
  const unscheduled = ((status?.conditions ?? []) as { type: string; status: string; message?: string }[]).filter(
    ({ type, status: met }) => type === "PodScheduled" && met === "False",
  );
  // As soon as a kubelet knows the pod, it reports each container as waiting.
  const isUnknown = status?.phase === "Pending" && spec?.nodeName !== undefined && containers.length === 0;
  return [
    ...(isUnknown ? [`${metadata.name}: the kubelet of ${String(spec?.nodeName)} has not taken it up`] : []),
    ...unscheduled.map(({ message }) => `${metadata.name}: ${message}`),
    ...containers.flatMap(({ state = {}, lastState = {} }) =>
      [state.waiting, state.terminated, lastState.terminated]
        .filter(
          (cause) =>
            cause?.reason !== undefined &&
            !["ContainerCreating", "PodInitializing", "Completed"].includes(cause.reason),
        )
        .map(
          (cause) =>
            `${metadata.name}: ${cause?.reason}${cause?.message ? ` (${cause.message.trim().slice(0, 300)})` : ""}`,
        ),
    ),
  ];
}

/** Selects Events about problems. */
const WARNINGS = "type=Warning";

interface Event extends KubernetesObject {
  involvedObject?: { kind?: string; name?: string };
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: string | null;
  eventTime?: string | null;
}

/** Maximum number of Events that are shown, the newest. */
const MAX_SHOWN = 4;
/** Kinds that CloudNativePG creates, directly or indirectly. */
const KINDS = ["Pod", "Job", "PersistentVolumeClaim", "Cluster", "Pooler", "Deployment", "ReplicaSet"];
/** Usual reasons while an instance starts. Its missing readiness is reported anyway. */
const USUAL = ["Unhealthy", "FailedScheduling", "BackOff"];

/** Warnings about a Cluster, its instances and its Poolers (`PersistentVolumeClaim orders-1: ProvisioningFailed (…)`). */
export function eventReasons(cluster: string, events: readonly KubernetesObject[]): string[] {
  const about = events.map((event) => event as Event).filter((event) => concerns(cluster, event));
  const newestFirst = about.sort((one, other) => (timeOf(one) < timeOf(other) ? 1 : -1));
  return [...new Set(newestFirst.map(describeEvent))].slice(0, MAX_SHOWN);
}

/** Words of a lasting refusal to create a pod. */
const FORBIDDEN = /exceeded quota|is forbidden|denied (the )?request/;
/** Whether an Event says that a pod is forbidden. */
function isForbiddenPod(cluster: string, object: KubernetesObject): boolean {
  const event = object as Event;
  return concerns(cluster, event) && event.reason === "FailedCreate" && FORBIDDEN.test(event.message ?? "");
}

/** The part of an Event that changes when its cause happens again. */
function eventVersion(object: KubernetesObject): string {
  const event = object as Event;
  return `${timeOf(event)} ${event.count ?? 0}`;
}

/** The object of an Event: `Job orders-1-initdb`. */
function objectOf(object: KubernetesObject): string {
  const { involvedObject } = object as Event;
  return `${involvedObject?.kind} ${involvedObject?.name}`;
}

/** The text of an Event: `Job orders-1-initdb: FailedCreate (…)`. */
function describeEvent(object: KubernetesObject): string {
  const { reason, message = "" } = object as Event;
  return `${objectOf(object)}: ${reason} (${message.trim().slice(0, 300)})`;
}

/** Instances are `orders-1`, their Jobs and claims `orders-1-initdb`, `orders-1-wal`; Poolers contain the name. */
function concerns(cluster: string, { involvedObject: { kind = "", name = "" } = {}, reason = "" }: Event): boolean {
  if (!KINDS.includes(kind) || USUAL.includes(reason)) return false;
  return name === cluster || name.startsWith(`${cluster}-`) || name.startsWith(`pooler-${cluster}-`);
}

function timeOf({ lastTimestamp, eventTime }: Event): string {
  return lastTimestamp ?? eventTime ?? "";
}

/** Seconds for which a pod must be forbidden repeatedly before the wait fails: a quota may be freed within moments. */
const FORBIDDEN_FOR = 25;
/** Seconds without a refusal after which the pod was probably created. A Job does not wait longer at first. */
const FORGOTTEN_AFTER = 60;

/** Finds nothing if Events cannot be read. Times are in milliseconds. */
export function eventWatch(
  kubernetes: KubernetesClient,
  { namespace, cluster }: { namespace: string; cluster: string },
  { events: every, second }: { events: number; second: number },
) {
  let events: KubernetesObject[] = [];
  let readAt: number | undefined;
  /** The last stamp of each Event, by its name. */
  const stamps = new Map<string, string>();
  /** First and last time in this wait that a pod of an object was forbidden. Each attempt may have its own Event. */
  const forbidden = new Map<string, { first: number; last: number }>();

  async function read(): Promise<void> {
    const now = Date.now();
    if (readAt !== undefined && now - readAt < every) return;
    events = await warnings(kubernetes, namespace);
    for (const event of events) {
      const stamp = eventVersion(event);
      if (stamps.get(event.metadata.name) === stamp) continue;
      stamps.set(event.metadata.name, stamp);
      // Events from before the wait may be from an earlier run.
      if (readAt === undefined || !isForbiddenPod(cluster, event)) continue;
      const object = objectOf(event);
      const before = forbidden.get(object);
      const continues = before !== undefined && now - before.last <= FORGOTTEN_AFTER * second;
      forbidden.set(object, { first: continues ? before.first : now, last: now });
    }
    readAt = now;
  }

  return {
    /** Reads Events if it is time, and returns what forbids pods. */
    async forbidden(): Promise<Problem[]> {
      await read();
      return events
        .filter((event) => isForbiddenPod(cluster, event))
        .flatMap((event) => {
          const times = forbidden.get(objectOf(event));
          if (times === undefined) return [];
          const isLasting = times.last - times.first >= FORBIDDEN_FOR * second;
          return [{ text: describeEvent(event), ...(isLasting ? { finalAfter: 0, remedy: REMEDY } : {}) }];
        });
    },
    /** The warnings about the Cluster. */
    reasons: (): string[] => eventReasons(cluster, events),
  };
}

const REMEDY = "Nothing is lost: remove what forbids the pods (e.g. raise the quota), and run `pulumi up` again.";

async function warnings(kubernetes: KubernetesClient, namespace: string): Promise<KubernetesObject[]> {
  try {
    return await kubernetes.list({ apiVersion: "v1", plural: "events", namespace }, undefined, WARNINGS);
  } catch (error) {
    if (error instanceof KubernetesError) return [];
    throw error;
  }
}
