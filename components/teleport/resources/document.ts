/**
 * Documents of Teleport resources: their check before they are sent, their normal form for comparisons, and their owner
 * label. Values that a preview does not know yet pass the check. Pure, and the same for databases, roles and tokens.
 */
import { OWNER_LABEL } from "../../owner-label";
import { isObject, UNKNOWN } from "../../value-check";
import { goDuration } from "../../durations";
import { TeleportDocument } from "../client/tctl";
import type * as pulumi from "@pulumi/pulumi";
import { describeProblem, SettingProblem } from "../../problems";
import { checkRoleSpec } from "./access-role";
import { checkBotSpec } from "./bot";
import { checkTokenSpec } from "./join-token";
import { checkDynamicLabels, checkLabels } from "../names";

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

/** Teleport's rule for names of databases (`ValidateDatabaseName`), with the length of a DNS label. */
const DATABASE_NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** Names that tctl accepts in `<kind>/<name>`, where a comma begins the next reference. */
const OTHER_NAME = /^[A-Za-z0-9]([-_.A-Za-z0-9]{0,126}[A-Za-z0-9])?$/;

const SPECS: Record<string, (setting: string, spec: Record<string, unknown>) => SettingProblem[]> = {
  bot: checkBotSpec,
  db: checkDatabaseSpec,
  role: checkRoleSpec,
  token: checkTokenSpec,
};

/** Returns every problem of a document, as Pulumi's check failures. */
export function checkDocument(document: TeleportDocument): pulumi.dynamic.CheckFailure[] {
  if ((document as unknown) === UNKNOWN) return [];
  const where = reference(document);
  const spec: unknown = document.spec;
  const reasons = [
    ...checkName(document).map((problem) => `${where}: ${problem}`),
    ...checkLabels(`${where}: label`, document.metadata?.labels).map(describeProblem),
    ...(isKnown(spec) ? (SPECS[document.kind]?.(`${where}: spec`, spec) ?? []) : []).map(describeProblem),
  ];
  return reasons.map((reason) => ({ property: "document", reason }));
}

function checkName({ kind, metadata }: TeleportDocument): string[] {
  const name: unknown = metadata?.name;
  const rule = kind === "db" ? DATABASE_NAME : OTHER_NAME;
  if (name === UNKNOWN || (typeof name === "string" && rule.test(name))) return [];
  return [
    kind === "db"
      ? "is not a valid name of a database in Teleport; use at most 63 lower-case letters, digits and hyphens, beginning with a letter"
      : "is not a valid name; use letters, digits, hyphens, dots and underscores, beginning with a letter or digit",
  ];
}

function checkDatabaseSpec(setting: string, spec: Record<string, unknown>): SettingProblem[] {
  const { mode } = (spec.tls ?? {}) as { mode?: unknown };
  return [
    ...(mode === undefined || mode === "verify-full" || mode === "verify-ca"
      ? []
      : [
          {
            setting: `${setting}.tls.mode`,
            value: mode,
            problem: "does not verify the server",
            fix: "Use verify-full or verify-ca, with caCert or trustSystemPool.",
          },
        ]),
    ...checkDynamicLabels(`${setting}.dynamic_labels`, spec.dynamic_labels),
  ];
}

/** Whether all parts of a spec are known. */
function isKnown(spec: unknown): spec is Record<string, unknown> {
  return spec !== null && typeof spec === "object" && !JSON.stringify(spec).includes(UNKNOWN);
}
