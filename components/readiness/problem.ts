/** What keeps something from being ready. Pure. */
import type { KubernetesObject } from "../kubernetes/client";

export interface Problem {
  text: string;
  /** Seconds after which it is taken for something that does not pass by itself. Default: it may pass. */
  patience?: number;
  /** What to do then. */
  remedy?: string;
}

/** A problem, or the text of one that may pass. */
export type Found = string | Problem;

export function problemOf(found: Found): Problem {
  return typeof found === "string" ? { text: found } : found;
}

interface ContainerStatus {
  name: string;
  state?: { waiting?: { reason?: string; message?: string }; terminated?: { reason?: string; message?: string } };
  lastState?: { terminated?: { reason?: string; message?: string } };
}

/** What keeps a pod from running, in the words of Kubernetes; empty where nothing is known against it. */
export function podReasons({ metadata, spec, status }: KubernetesObject): string[] {
  const containers = ((status?.containerStatuses ?? []) as ContainerStatus[]).concat(
    (status?.initContainerStatuses ?? []) as ContainerStatus[],
  );
  const unscheduled = ((status?.conditions ?? []) as { type: string; status: string; message?: string }[]).filter(
    ({ type, status: met }) => type === "PodScheduled" && met === "False",
  );
  // A kubelet says of each container that it waits, as soon as it has heard of the pod.
  const unheard = status?.phase === "Pending" && spec?.nodeName !== undefined && containers.length === 0;
  return [
    ...(unheard ? [`${metadata.name}: the kubelet of ${String(spec?.nodeName)} has not taken it up`] : []),
    ...unscheduled.map(({ message }) => `${metadata.name}: ${message}`),
    ...containers.flatMap(({ state = {}, lastState = {} }) =>
      [state.waiting, state.terminated, lastState.terminated]
        .filter(
          (told) =>
            told?.reason !== undefined && !["ContainerCreating", "PodInitializing", "Completed"].includes(told.reason),
        )
        .map(
          (told) =>
            `${metadata.name}: ${told?.reason}${told?.message ? ` (${told.message.trim().slice(0, 300)})` : ""}`,
        ),
    ),
  ];
}
