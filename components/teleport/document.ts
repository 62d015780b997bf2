/**
 * Documents of Teleport resources: the form in which two of them are compared, and the label that
 * says whose they are. Pure.
 */
import { TeleportDocument } from "./tctl";

/**
 * The label that marks what we registered: `<organization>/<project>/<stack>/<resource>#<registration>`.
 * The part before `#` says which resource of which stack owns it; the part after it is made anew at each
 * create, so that the delete of a replaced resource does not take away its successor's registration.
 */
export const OWNER_LABEL = "pulumi.com/owner";

/** Labels that the server sets, e.g. `teleport.dev/origin: dynamic`. */
const SERVER_LABEL_PREFIX = "teleport.dev/";

/** Fields of the metadata that are ours; the server adds ids, revisions and namespaces. */
const OUR_METADATA = ["name", "description", "labels"];

/** Defaults that the server writes out, by their path below the document. */
const SERVER_DEFAULTS: Record<string, readonly unknown[]> = { "spec.tls.mode": ["verify-full", 0] };
/** How it writes an enumeration that nobody set, e.g. `IAM_POLICY_STATUS_UNSPECIFIED`. */
const UNSPECIFIED = /_UNSPECIFIED$/;

/** What the owner label of a document says. */
export interface Ownership {
  owner: string;
  registration: string;
}

/** The document with the owner label on it. */
export function withOwner(document: TeleportDocument, { owner, registration }: Ownership): TeleportDocument {
  const labels = { ...document.metadata.labels, [OWNER_LABEL]: `${owner}#${registration}` };
  return { ...document, metadata: { ...document.metadata, labels } };
}

/** Whose a document is; undefined if it carries no owner label. */
export function ownership(document: TeleportDocument): Ownership | undefined {
  const label = document.metadata.labels?.[OWNER_LABEL];
  if (label === undefined) return undefined;
  const end = label.lastIndexOf("#");
  return end < 0
    ? { owner: label, registration: "" }
    : { owner: label.slice(0, end), registration: label.slice(end + 1) };
}

/**
 * The normal form: what somebody set, without what the server adds. Two documents mean the same
 * exactly if their normal forms are equal (`sameDocument`).
 */
export function normalForm(document: TeleportDocument): TeleportDocument {
  const labels = Object.entries(document.metadata.labels ?? {}).filter(
    ([key]) => key !== OWNER_LABEL && !key.startsWith(SERVER_LABEL_PREFIX),
  );
  const metadata = Object.fromEntries(OUR_METADATA.map((field) => [field, document.metadata[field]]));
  const ours = {
    kind: document.kind,
    version: document.version,
    sub_kind: document.sub_kind,
    metadata: { ...metadata, labels: Object.fromEntries(labels) },
    spec: document.spec,
  };
  return prune(ours, "") as TeleportDocument;
}

/** Whether two documents have the same normal form. */
export function sameDocument(one: TeleportDocument, other: TeleportDocument): boolean {
  return JSON.stringify(normalForm(one)) === JSON.stringify(normalForm(other));
}

/** Sorts keys and drops what is empty or a default: the server writes `aws: {}`, `ca_cert: ""` and the like. */
function prune(value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.length > 0 ? value.map((item) => prune(item, `${path}[]`)) : undefined;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, item]) => [key, prune(item, path ? `${path}.${key}` : key)] as const)
      .filter(([, item]) => item !== undefined);
    return entries.length > 0 || path === "" ? Object.fromEntries(entries) : undefined;
  }
  if (value === null || value === "" || value === false || value === 0) return undefined;
  if (typeof value === "string" && UNSPECIFIED.test(value)) return undefined;
  return SERVER_DEFAULTS[path]?.includes(value) ? undefined : value;
}
