/** Checks a Teleport document before it is sent. Pure. Values that a preview does not know yet pass. */
import type * as pulumi from "@pulumi/pulumi";
import { describeProblem, SettingProblem } from "../../problems";
import { checkRoleSpec } from "./access-role";
import { checkBotSpec } from "./bot";
import { reference } from "./document";
import { UNKNOWN } from "../../value-check";
import { checkTokenSpec } from "./join-token";
import { checkDynamicLabels, checkLabels } from "../names";
import { TeleportDocument } from "../client/tctl";

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
