/**
 * Why an object is not created, in the words of Kubernetes' Events. E.g. a quota that forbids a pod, or a missing
 * storage class, does not appear in the status of CloudNativePG's objects. Pure.
 */
import { KubernetesObject } from "../kubernetes/client";

/** Selects Events about problems. */
export const WARNINGS = "type=Warning";

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
export function isForbiddenPod(cluster: string, object: KubernetesObject): boolean {
  const event = object as Event;
  return concerns(cluster, event) && event.reason === "FailedCreate" && FORBIDDEN.test(event.message ?? "");
}

/** The part of an Event that changes when its cause happens again. */
export function eventVersion(object: KubernetesObject): string {
  const event = object as Event;
  return `${timeOf(event)} ${event.count ?? 0}`;
}

/** The object of an Event: `Job orders-1-initdb`. */
export function objectOf(object: KubernetesObject): string {
  const { involvedObject } = object as Event;
  return `${involvedObject?.kind} ${involvedObject?.name}`;
}

/** The text of an Event: `Job orders-1-initdb: FailedCreate (…)`. */
export function describeEvent(object: KubernetesObject): string {
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
