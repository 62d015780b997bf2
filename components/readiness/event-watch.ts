/** Reads Kubernetes' Events from time to time during a wait. */
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { eventReasons, isForbiddenPod, objectOf, eventVersion, describeEvent, WARNINGS } from "./event-reasons";
import type { Problem } from "./problem";

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
