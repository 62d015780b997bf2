/**
 * Names in Teleport that belong to the primary cluster of a distributed topology: the labels that its Clusters write, and which of
 * them may take a name over from another. Pure.
 */
import { isObject } from "../../value-check";
import type { TeleportDocument } from "../client/tctl";
import { PROMOTED_LABEL, TOPOLOGY_LABEL } from "../names";
import { ownership, reference } from "./document";

/** The time as a value of `PROMOTED_LABEL`. Later times are greater. */
export function promotionTime(time: Date): string {
  return time
    .toISOString()
    .replace(/[-:]/g, "")
    .replace(/\.\d+Z$/, "Z");
}

/** A time that is later than the promotion in a document, although the clocks of two machines may differ. */
export function promotionAfter(found: TeleportDocument | undefined, now: Date): string {
  const [, date, clock] = /^(\d{8})T(\d{6})Z$/.exec(promotedIn(found) ?? "") ?? [];
  if (date === undefined || clock === undefined) return promotionTime(now);
  const pairs = `${date}${clock}`.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, "$1-$2-$3T$4:$5:$6Z");
  return promotionTime(new Date(Math.max(now.getTime(), Date.parse(pairs) + 1_000)));
}

/** The value of `PROMOTED_LABEL`. Undefined if the document belongs to no topology. */
function promotedIn(document: TeleportDocument | undefined): string | undefined {
  const labels: unknown = document?.metadata?.labels;
  if (!isObject(labels) || labels[TOPOLOGY_LABEL] === undefined) return undefined;
  return String(labels[PROMOTED_LABEL] ?? "");
}

/** Whether both documents belong to the same topology. */
function isSameTopology(one: TeleportDocument, other: TeleportDocument): boolean {
  const topology = one.metadata.labels?.[TOPOLOGY_LABEL];
  return topology !== undefined && topology === other.metadata.labels?.[TOPOLOGY_LABEL];
}

/** Whether `wanted` may replace a document of another Cluster: it is of the same topology, and was promoted later. */
export function mayTakeOver(found: TeleportDocument, wanted: TeleportDocument): boolean {
  return isSameTopology(found, wanted) && (promotedIn(wanted) ?? "") > (promotedIn(found) ?? "");
}

/** Whether a document of another Cluster has replaced `written`, or would have. */
export function isTakenOver(found: TeleportDocument, written: TeleportDocument): boolean {
  return isSameTopology(found, written) && !mayTakeOver(found, written);
}

/** Whether a document belongs to another Cluster of a topology that was not promoted before `promotedAt`. */
export function isOfNewerPrimary(found: TeleportDocument, owner: string, promotedAt: string): boolean {
  const theirs = promotedIn(found);
  return theirs !== undefined && ownership(found)?.owner !== owner && theirs >= promotedAt;
}

/** The message that a name belongs to another Cluster of the topology, and what to do. */
export function takenOverMessage(found: TeleportDocument, proxy: string): string {
  const { cluster, namespace } = found.metadata.labels ?? {};
  const which = cluster === undefined ? "" : `, for the Cluster ${namespace}/${cluster}`;
  const since = promotedIn(found);
  return (
    `${reference(found)} in Teleport at ${proxy} belongs to ${ownership(found)?.owner ?? "another stack"}${which}` +
    `${since ? `, which was promoted to the primary cluster of this topology at ${since}` : ", the primary cluster of this topology"}. ` +
    "This Cluster does not take the name back. Nothing was changed. Make this Cluster a replica cluster: set replica.primary to the " +
    'name of the new primary cluster. See docs/replica.md, "Make the former primary cluster a replica cluster".'
  );
}
