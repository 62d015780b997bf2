/**
 * Documents of Teleport resources: their normal form for comparisons, and their owner label. Pure, and the same for
 * databases, roles and tokens.
 */
import { OWNER_LABEL } from "../../owner-label";
import { isObject } from "../../value-check";
import { goDuration } from "../../durations";
import { TeleportDocument } from "../client/tctl";

/** Labels that the server sets, e.g. `teleport.dev/origin: dynamic`. */
const SERVER_LABEL_PREFIX = "teleport.dev/";

/**
 * Fields of the metadata that are compared. The server adds IDs, revisions and namespaces. `expires` is only set
 * manually.
 */
const OUR_METADATA = ["name", "description", "labels", "expires"];

/** Default values that the server adds, by their path in the document. */
const SERVER_DEFAULTS: Record<string, readonly unknown[]> = {
  "spec.tls.mode": ["verify-full"],
  "spec.kubernetes.type": ["in_cluster"], // newer than 13
  "spec.gitlab.domain": ["gitlab.com"],
  "metadata.expires": ["0001-01-01T00:00:00Z"],
};
/** How the server prints values that were written by name (`DatabaseTLSMode` of its API). */
const ENUMERATIONS: Record<string, readonly string[]> = { "spec.tls.mode": ["verify-full", "verify-ca", "insecure"] };
/** How the server prints an enumeration without a value, e.g. `IAM_POLICY_STATUS_UNSPECIFIED`. */
const UNSPECIFIED = /_UNSPECIFIED$/;
/** Durations, which the server prints in Go's form: `90s` as `1m30s`. */
const DURATIONS = /^spec\.(options\..+|dynamic_labels\..+\.period)$/;
/** Values of labels in roles. The server prints a list with one item as that item (`utils.Strings` of its API). */
const LABEL_VALUES = /^spec\.(allow|deny)\.[a-z_]+_labels\.[^[]+$/;
/** The value of a dynamic label that an agent reported. */
const REPORTED = /^spec\.dynamic_labels\..+\.result$/;
/**
 * Fields that the server fills with its own settings, more in each version. In these, only what this program set is
 * compared. Everywhere else a manual addition is a change.
 */
const OPEN = "spec.options";

/** The content of a document's owner label. */
export interface Ownership {
  owner: string;
  registration: string;
}

/** Adds the owner label to a document. */
export function withOwner(document: TeleportDocument, { owner, registration }: Ownership): TeleportDocument {
  const labels = { ...document.metadata.labels, [OWNER_LABEL]: `${owner}#${registration}` };
  return { ...document, metadata: { ...document.metadata, labels } };
}

/** The owner of a document; undefined if it has no owner label. */
export function ownership(document: TeleportDocument): Ownership | undefined {
  const label = document.metadata.labels?.[OWNER_LABEL];
  if (label === undefined) return undefined;
  const end = label.lastIndexOf("#");
  return end < 0
    ? { owner: label, registration: "" }
    : { owner: label.slice(0, end), registration: label.slice(end + 1) };
}

/** The reference that tctl uses, e.g. `db/orders`. In a preview, a part of it may be unknown. */
export function reference(document: TeleportDocument): string {
  return `${document.kind}/${document.metadata?.name}`;
}

/**
 * The normal form: the values that a person or program set, without what the server adds. Two documents mean the same
 * if, and only if, their normal forms are equal. `written` is the document that this program wrote, if `document` is
 * the server's version of it.
 */
export function normalForm(document: TeleportDocument, written: TeleportDocument = document): TeleportDocument {
  const labels = Object.entries(document.metadata.labels ?? {}).filter(
    ([key]) => key !== OWNER_LABEL && !key.startsWith(SERVER_LABEL_PREFIX),
  );
  const metadata = Object.fromEntries(OUR_METADATA.map((field) => [field, document.metadata[field]]));
  const ours = {
    kind: document.kind,
    version: document.version,
    sub_kind: document.sub_kind,
    metadata: { ...metadata, labels: Object.fromEntries(labels) },
    spec: withoutServerOptions(document.spec, written.spec),
  };
  return prune(ours, "") as TeleportDocument;
}

/** Whether the server has what this program wrote. */
export function sameDocument(found: TeleportDocument, written: TeleportDocument): boolean {
  return JSON.stringify(normalForm(found, written)) === JSON.stringify(normalForm(written));
}

/**
 * The differences between the server's document and what this program wrote: paths such as `spec.tls.mode`, with both
 * values.
 */
export function differences(
  found: TeleportDocument,
  written: TeleportDocument,
): { path: string; found: unknown; written: unknown }[] {
  return compare(normalForm(found, written), normalForm(written), "");
}

function compare(found: unknown, written: unknown, path: string): ReturnType<typeof differences> {
  if (isObject(found) && isObject(written)) {
    const keys = [...new Set([...Object.keys(written), ...Object.keys(found)])];
    return keys.flatMap((key) => compare(found[key], written[key], path ? `${path}.${key}` : key));
  }
  return JSON.stringify(found) === JSON.stringify(written) ? [] : [{ path, found, written }];
}

function withoutServerOptions(spec: unknown, written: unknown): unknown {
  if (!isObject(spec) || !isObject(written) || !isObject(spec.options)) return spec;
  return { ...spec, options: onlyWritten(spec.options, written.options ?? {}) };
}

/** The server's values of the fields that were written. The server may omit fields that are off. */
function onlyWritten(found: unknown, written: unknown): unknown {
  if (!isObject(written)) return found ?? (written || undefined);
  if (!isObject(found)) return found;
  return Object.fromEntries(
    Object.entries(written).map(([key, value]) => [
      key,
      found[key] === undefined && !value ? value : onlyWritten(found[key], value),
    ]),
  );
}

/** Sorts keys and removes empty and default values: the server adds `aws: {}`, `ca_cert: ""` and similar fields. */
function prune(value: unknown, path: string): unknown {
  if (LABEL_VALUES.test(path) && Array.isArray(value) && value.length === 1) return value[0];
  if (Array.isArray(value)) return value.length > 0 ? value.map((item) => prune(item, `${path}[]`)) : undefined;
  if (isObject(value)) {
    const entries = Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, item]) => [key, prune(item, path ? `${path}.${key}` : key)] as const)
      .filter(([, item]) => item !== undefined);
    return entries.length > 0 || path === "" ? Object.fromEntries(entries) : undefined;
  }
  if (value === null || value === "" || REPORTED.test(path)) return undefined;
  const named = typeof value === "number" ? (ENUMERATIONS[path]?.[value] ?? value) : value;
  if (typeof named === "string" && DURATIONS.test(path)) return goDuration(named) ?? named;
  if (typeof named === "string" && UNSPECIFIED.test(named)) return undefined;
  if ((named === false || named === 0) && !path.startsWith(`${OPEN}.`)) return undefined;
  return SERVER_DEFAULTS[path]?.includes(named) ? undefined : named;
}
