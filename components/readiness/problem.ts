/** A reason why something is not ready. Pure. */
import type { KubernetesObject } from "../kubernetes/client";

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
