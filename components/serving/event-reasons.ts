/**
 * Why something is not made, in the words of Kubernetes' Events. A quota that forbids a pod, or a storage class that is
 * not there, stands in no status of what CloudNativePG makes. Pure.
 */
import { KubernetesObject } from "../kubernetes/client";
import type { Problem } from "./problem";

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
/** A quota may be freed within moments, as where other pods end. */
const FORBIDDEN_AFTER = 30;

/** Events by what they are of, with what changes when they come again. */
export type SeenEvents = ReadonlyMap<string, string>;

export function seenEvents(events: readonly KubernetesObject[]): SeenEvents {
  return new Map(events.map((event) => [event.metadata.name, stampOf(event as Event)]));
}

/** Pods that are forbidden, by events that came, or came again, after those that were there before. */
export function forbiddenPods(cluster: string, events: readonly KubernetesObject[], before: SeenEvents): Problem[] {
  const fresh = events.filter((event) => before.get(event.metadata.name) !== stampOf(event as Event));
  const found = fresh
    .map((event) => event as Event)
    .filter((event) => concerns(cluster, event) && event.reason === "FailedCreate")
    .filter(({ message = "" }) => FORBIDDEN.test(message));
  return [...new Set(found.map(toldBy))].slice(0, SHOWN).map((text) => ({
    text,
    patience: FORBIDDEN_AFTER,
    remedy: "Nothing is lost: change what forbids it, and run `pulumi up` again.",
  }));
}

function toldBy({ involvedObject, reason, message = "" }: Event): string {
  return `${involvedObject?.kind} ${involvedObject?.name}: ${reason} (${message.trim().slice(0, 300)})`;
}

/** Instances are `orders-1`, their Jobs and claims `orders-1-initdb`, `orders-1-wal`; Poolers contain the name. */
function concerns(cluster: string, { involvedObject: { kind = "", name = "" } = {}, reason = "" }: Event): boolean {
  if (!KINDS.includes(kind) || USUAL.includes(reason)) return false;
  return name === cluster || name.startsWith(`${cluster}-`) || name.startsWith(`pooler-${cluster}-`);
}

function timeOf({ lastTimestamp, eventTime }: Event): string {
  return lastTimestamp ?? eventTime ?? "";
}

function stampOf(event: Event): string {
  return `${timeOf(event)} ${event.count ?? 0}`;
}
