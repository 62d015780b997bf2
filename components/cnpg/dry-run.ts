/** What the API server and the operator's webhook have against a Cluster that is to be made, as a dry run tells it. */
import { isObject } from "../value-check";
import type { DryRunAnswer } from "../kubernetes/client";
import { isWithin, properField, settingOfField } from "./cluster-fields";
import { mergeSpec } from "./cluster-spec";
import { keysTo } from "./spec-fields";

/** A Cluster as the settings declare it. */
export interface DeclaredCluster {
  annotations: Record<string, string>;
  /** What the settings make of its spec. */
  settings: Record<string, unknown>;
  /** What is written under `spec`, and merged into it. */
  spec?: Record<string, unknown>;
}

/** A field that is refused. */
export interface RefusedField {
  /** The setting, or CloudNativePG's field as it is written under `spec`; empty where the API server names none. */
  setting: string;
  /** What is wrong, in the API server's words. */
  problem: string;
  /** CloudNativePG has no field of this name. */
  isUnknown: boolean;
}

/** What came of a dry run. */
export type Verdict =
  | { is: "accepted" }
  | { is: "refused"; fields: RefusedField[] }
  /** Nobody can tell; the reason is the API server's answer. */
  | { is: "unknown"; reason: string };

/**
 * The API server stops at the first step that finds something: names of fields, types, the definition's rules, the
 * operator's own. What one step found is left out of the next question, so that one preview shows what all of them find.
 */
const QUESTIONS = 6;

/** Asks about a Cluster; `ask` does the dry run. */
export async function verdictOn(
  name: string,
  { annotations, settings, spec = {} }: DeclaredCluster,
  ask: (cluster: object) => Promise<DryRunAnswer>,
): Promise<Verdict> {
  const cluster = structuredClone({
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name, annotations },
    spec: mergeSpec(settings, spec),
  });
  const found: Refused[] = [];
  const removed: string[] = [];
  for (let question = 0; question < QUESTIONS; question++) {
    const answer = readAnswer(await ask(cluster));
    if (answer.is !== "refused") {
      if (found.length === 0) return answer;
      break;
    }
    // A field that was left out may be missed now.
    const isNew = ({ field }: Refused) => !removed.some((gone) => isWithin(gone, field) || isWithin(field, gone));
    found.push(...answer.fields.filter(isNew));
    const gone = answer.fields.flatMap(({ field }) => removeField(cluster, field) ?? []);
    if (answer.isLast || gone.length === 0) break;
    removed.push(...gone);
  }
  const fields = found.map(({ field, ...rest }) => ({ ...rest, setting: settingOfField(field, spec) }));
  return { is: "refused", fields };
}

/** By its name in CloudNativePG's definition. */
type Refused = Omit<RefusedField, "setting"> & { field: string };

type Answer = Exclude<Verdict, { is: "refused" }> | { is: "refused"; fields: Refused[]; isLast: boolean };

function readAnswer({ code, text }: DryRunAnswer): Answer {
  // 409: there is one of this name, which is looked at after everything else.
  if (code < 300 || code === 409) return { is: "accepted" };
  const status = statusOf(text);
  const [, webhook] = /admission webhook "([^"]+)" denied/.exec(status.message) ?? [];
  // Other webhooks and policies may judge what the Cluster lacks here only: labels, the namespace, who sends it.
  const isOthers = webhook?.endsWith(".cnpg.io") === false || /ValidatingAdmissionPolicy/.test(status.message);
  if ((code !== 400 && code !== 422) || isOthers) return { is: "unknown", reason: `${code}: ${status.message}` };
  const fields = refusedFields(status);
  return { is: "refused", fields, isLast: webhook !== undefined && status.causes.length > 0 };
}

/** What we look at of a Status. */
interface Status {
  message: string;
  causes: { field: string; message: string }[];
}

function statusOf(text: string): Status {
  try {
    const { message, details } = JSON.parse(text) as {
      message?: string;
      details?: { causes?: { field?: string; message?: string }[] };
    };
    // `<nil>` only says that rules were not looked at while others are broken.
    const causes = (details?.causes ?? []).flatMap(({ field, message: told }) =>
      field && field !== "<nil>" && told !== undefined ? [{ field, message: told }] : [],
    );
    return { message: message ?? text.slice(0, 300), causes };
  } catch {
    return { message: text.slice(0, 300), causes: [] };
  }
}

function refusedFields({ message, causes }: Status): Refused[] {
  const refused = (field: string, problem: string, isUnknown = false): Refused => ({
    field: properField(field),
    problem: problem.replace(`${field} in body `, ""),
    isUnknown,
  });
  if (causes.length > 0) return causes.map((cause) => refused(cause.field, cause.message));
  const unknown = [...message.matchAll(/(unknown|duplicate) field "([^"]+)"/g)];
  if (unknown.length > 0) {
    return unknown.map(([, what, field = ""]) =>
      refused(field, what === "unknown" ? "is not a field of this CloudNativePG" : "is there twice", true),
    );
  }
  const [, value, field, type] = WRONG_TYPE.exec(message) ?? [];
  if (value !== undefined && field !== undefined && type !== undefined) {
    return [refused(field, `must be ${typeName(type, value)}, but is ${valueName(value)}`)];
  }
  const [, list] = / is invalid: (.*)$/s.exec(message) ?? [];
  const listed = [...(list ?? "").replace(/^\[(.*)\]$/s, "$1").matchAll(LISTED)];
  return listed.length > 0
    ? listed.map(([, each = "", problem = ""]) => refused(each, problem))
    : [refused("", message)];
}

/** A list of errors in one text: `spec.a: Invalid value: 1: must be ..., spec.b: ...`. */
const LISTED = /(?:^|, )((?:spec|metadata)[^\s:,]*): (.*?)(?=, (?:spec|metadata)[^\s:,]*: |$)/gs;

/** How Go's decoder, in the operator's webhook, tells a value of another type than the field's. */
const WRONG_TYPE = /cannot unmarshal (.+?) into Go struct field \w+\.(\S+) of type (\S+)/;

/** A Go type in YAML's words. Of its named types a text is none: what is wanted there is a mapping. */
function typeName(type: string, value: string): string {
  if (/^u?int[0-9]*$/.test(type)) return "a whole number";
  if (type === "string") return "a string (put it in quotes)";
  if (type === "bool") return "true or false";
  if (type.startsWith("[]")) return "a list";
  return type.startsWith("map[") || value === "string" ? "a mapping" : `of the type ${type}`;
}

/** A value in YAML's words; of some numbers, Go tells which it is. */
function valueName(value: string): string {
  const names = new Map([
    ["array", "a list"],
    ["bool", "true or false"],
    ["object", "a mapping"],
  ]);
  return names.get(value) ?? `${value.includes(" ") ? "the" : "a"} ${value}`;
}

/**
 * Takes a field out of the Cluster, or what is around it where the field itself is not there. Of a list, all goes, so that
 * no index changes. Returns what is gone.
 */
function removeField(cluster: Record<string, unknown>, field: string): string | undefined {
  for (let path = field; path.includes("."); path = path.replace(/(\.[^.[]*|\[[^[]*\])$/, "")) {
    if (path.endsWith("]")) continue;
    const [last, ...above] = (keysTo(cluster, path) ?? []).reverse();
    const parent = above.reduceRight<unknown>((value, key) => (value as Record<string, unknown>)[key], cluster);
    if (last === undefined || !isObject(parent)) continue;
    delete parent[last];
    return path;
  }
  return undefined;
}
