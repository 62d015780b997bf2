/**
 * Why something is not made, in the words of Kubernetes' Events. A quota that forbids a pod, or a storage class that is
 * not there, stands in no status of what CloudNativePG makes. Pure.
 */
import { KubernetesObject } from "../kubernetes/client";

/** Selects the Events that tell of something wrong. */
export const WARNINGS = "type=Warning";

interface Event extends KubernetesObject {
  involvedObject?: { kind?: string; name?: string };
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
}

/** As many as a person reads; the newest. */
const SHOWN = 4;
/** Kinds that CloudNativePG makes, and those that these make. */
const KINDS = ["Pod", "Job", "PersistentVolumeClaim", "Cluster", "Pooler", "Deployment", "ReplicaSet"];
/** An instance that starts fails these for some moments; that it is not ready is told anyway. */
const USUAL = ["Unhealthy", "FailedScheduling", "BackOff"];

/** Warnings about a Cluster, its instances and its Poolers (`PersistentVolumeClaim orders-1: ProvisioningFailed (…)`). */
export function eventReasons(cluster: string, events: readonly KubernetesObject[]): string[] {
  const about = events.map((event) => event as Event).filter((event) => concerns(cluster, event));
  const newestFirst = about.sort((one, other) => (timeOf(one) < timeOf(other) ? 1 : -1));
  const told = newestFirst.map(
    ({ involvedObject, reason, message = "" }) =>
      `${involvedObject?.kind} ${involvedObject?.name}: ${reason} (${message.trim().slice(0, 300)})`,
  );
  return [...new Set(told)].slice(0, SHOWN);
}

/** Instances are `orders-1`, their Jobs and claims `orders-1-initdb`, `orders-1-wal`; Poolers contain the name. */
function concerns(cluster: string, { involvedObject: { kind = "", name = "" } = {}, reason = "" }: Event): boolean {
  if (!KINDS.includes(kind) || USUAL.includes(reason)) return false;
  return name === cluster || name.startsWith(`${cluster}-`) || name.startsWith(`pooler-${cluster}-`);
}

function timeOf({ lastTimestamp, eventTime }: Event): string {
  return lastTimestamp ?? eventTime ?? "";
}
