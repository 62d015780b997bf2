/** Checks of a Teleport document before it is sent. Pure; what is not known yet in a preview passes. */
import type * as pulumi from "@pulumi/pulumi";
import { OWNER_LABEL } from "./document";
import { TeleportDocument } from "./tctl";

/** What Pulumi passes in a preview for a value that is not known yet. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** Teleport's rule for names of databases (`ValidateDatabaseName`), with the length of a DNS label. */
const DATABASE_NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** Teleport's rule for the keys of labels (`IsValidLabelKey`). */
const LABEL_KEY = /^[a-z0-9A-Z/_:*.-]+$/;

/** What is wrong with a document, as Pulumi's check failures. */
export function checkDocument(document: TeleportDocument): pulumi.dynamic.CheckFailure[] {
  const labels = (document.metadata?.labels ?? {}) as Record<string, unknown>;
  const name: unknown = document.metadata?.name;
  const where = `${document.kind}/${name}`;
  const nameFits = name === UNKNOWN || (typeof name === "string" && DATABASE_NAME.test(name));
  const badName = {
    property: "document",
    reason: `${where}: Teleport refuses this name; use at most 63 lower-case letters, digits and hyphens, beginning with a letter`,
  };
  const badLabels = Object.entries(labels)
    .map(([key, value]) => [key, checkLabel(key, value)] as const)
    .filter(([, reason]) => reason !== undefined)
    .map(([key, reason]) => ({ property: "document", reason: `${where}: the label ${key} ${reason}` }));
  return document.kind === "db" && !nameFits ? [badName, ...badLabels] : badLabels;
}

function checkLabel(key: string, value: unknown): string | undefined {
  if (value === UNKNOWN) return undefined;
  if (!LABEL_KEY.test(key)) return "has a character that Teleport refuses; use letters, digits and / _ : * . -";
  if (key === OWNER_LABEL || key.startsWith("teleport.dev/")) return "is reserved; choose another key";
  return typeof value === "string" ? undefined : `has a value that is no text (${JSON.stringify(value)}); quote it`;
}
