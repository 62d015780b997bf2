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
  count?: number;
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
  return [...new Set(newestFirst.map(toldBy))].slice(0, SHOWN);
}

/** What forbids the making of a pod, and will not let it be made until somebody changes it. */
const FORBIDDEN = /exceeded quota|is forbidden|denied (the )?request/;
/** Whether an Event says that a pod is forbidden. */
export function isForbiddenPod(cluster: string, object: KubernetesObject): boolean {
  const event = object as Event;
  return concerns(cluster, event) && event.reason === "FailedCreate" && FORBIDDEN.test(event.message ?? "");
}

/** What changes in an Event when what it tells of happens again. */
export function stampOf(object: KubernetesObject): string {
  const event = object as Event;
  return `${timeOf(event)} ${event.count ?? 0}`;
}

/** `Job orders-1-initdb`: what an Event is about. */
export function objectOf(object: KubernetesObject): string {
  const { involvedObject } = object as Event;
  return `${involvedObject?.kind} ${involvedObject?.name}`;
}

/** `Job orders-1-initdb: FailedCreate (…)`. */
export function toldBy(object: KubernetesObject): string {
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
