/** Kubernetes' Events, read now and then while something is waited for. */
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { eventReasons, isForbiddenPod, objectOf, stampOf, toldBy, WARNINGS } from "./event-reasons";
import type { Problem } from "./problem";

/** Seconds for which a pod is forbidden again and again until it is believed: a quota may be freed within moments. */
const FORBIDDEN_FOR = 25;
/** Seconds after which another attempt is one of its own: in between, the pod was made. A Job waits no longer at first. */
const FORGOTTEN_AFTER = 60;

/** Nothing is seen where Events may not be read, or not now. Times are in milliseconds. */
export function eventWatch(
  kubernetes: KubernetesClient,
  { namespace, cluster }: { namespace: string; cluster: string },
  { events: every, second }: { events: number; second: number },
) {
  let events: KubernetesObject[] = [];
  let readAt: number | undefined;
  /** What each Event said last, by its name. */
  const stamps = new Map<string, string>();
  /** When a pod of an object was forbidden first, and last, in this wait. Each attempt may be an Event of its own. */
  const forbidden = new Map<string, { first: number; last: number }>();

  async function read(): Promise<void> {
    const now = Date.now();
    if (readAt !== undefined && now - readAt < every) return;
    events = await warnings(kubernetes, namespace);
    for (const event of events) {
      const stamp = stampOf(event);
      if (stamps.get(event.metadata.name) === stamp) continue;
      stamps.set(event.metadata.name, stamp);
      // What was there at the beginning may be of a former run.
      if (readAt === undefined || !isForbiddenPod(cluster, event)) continue;
      const object = objectOf(event);
      const before = forbidden.get(object);
      const goesOn = before !== undefined && now - before.last <= FORGOTTEN_AFTER * second;
      forbidden.set(object, { first: goesOn ? before.first : now, last: now });
    }
    readAt = now;
  }

  return {
    /** Reads what is due, and tells what forbids pods. */
    async forbidden(): Promise<Problem[]> {
      await read();
      return events
        .filter((event) => isForbiddenPod(cluster, event))
        .flatMap((event) => {
          const times = forbidden.get(objectOf(event));
          if (times === undefined) return [];
          const isBelieved = times.last - times.first >= FORBIDDEN_FOR * second;
          return [{ text: toldBy(event), ...(isBelieved ? { patience: 0, remedy: REMEDY } : {}) }];
        });
    },
    /** What they say against it. */
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
