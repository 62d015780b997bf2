/** Asks the API server and the operator's webhook, by a dry run, whether they accept a new Cluster. */
import { isObject } from "../value-check";
import type { DryRunAnswer } from "../kubernetes/client";
import { isWithin, cnpgFieldName, settingOfField } from "./cluster-fields";
import { mergeSpec, keysTo } from "./spec";

/** A Cluster as the settings declare it. */
export interface DeclaredCluster {
  annotations: Record<string, string>;
  /** The spec that the settings produce. */
  settings: Record<string, unknown>;
  /** What the user wrote under `spec`; it is merged into `settings`. */
  spec?: Record<string, unknown>;
}

/** A field that is refused. */
export interface RefusedField {
  /** The setting, or CloudNativePG's field as it is written under `spec`. Empty if the API server names no field. */
  setting: string;
  /** What is wrong, in the API server's words. */
  problem: string;
  /** CloudNativePG has no field of this name. */
  isUnknown: boolean;
}

/** The result of a dry run. */
export type DryRunResult =
  | { is: "accepted" }
  | { is: "refused"; fields: RefusedField[] }
  /** The dry run gave no result. The reason is the API server's answer. */
  | { is: "unknown"; reason: string };

/**
 * Maximum number of dry runs. The API server stops at the first step that finds a problem: unknown fields, types, rules of
 * the definition, rules of the operator. The fields that one step refuses are removed before the next dry run, so that one
 * preview shows the problems of all steps.
 */
const QUESTIONS = 6;

/** Returns the verdict on a Cluster. `ask` does a dry run. */
export async function dryRunCluster(
  name: string,
  { annotations, settings, spec = {} }: DeclaredCluster,
  ask: (cluster: object) => Promise<DryRunAnswer>,
): Promise<DryRunResult> {
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
    // The API server may now miss a field that was removed.
    const isNew = ({ field }: Refused) => !removed.some((gone) => isWithin(gone, field) || isWithin(field, gone));
    found.push(...answer.fields.filter(isNew));
    const gone = answer.fields.flatMap(({ field }) => removeField(cluster, field) ?? []);
    if (answer.isLast || gone.length === 0) break;
    removed.push(...gone);
  }
  const fields = found.map(({ field, ...rest }) => ({ ...rest, setting: settingOfField(field, spec) }));
  return { is: "refused", fields };
}

/** A refused field, by its name in CloudNativePG's definition. */
type Refused = Omit<RefusedField, "setting"> & { field: string };

type Answer = Exclude<DryRunResult, { is: "refused" }> | { is: "refused"; fields: Refused[]; isLast: boolean };

function readAnswer({ code, text }: DryRunAnswer): Answer {
  // 409: a Cluster of this name exists. The API server checks this last.
  if (code < 300 || code === 409) return { is: "accepted" };
  const status = statusOf(text);
  const [, webhook] = /admission webhook "([^"]+)" denied/.exec(status.message) ?? [];
  // Other webhooks and policies may refuse only the dry run: they may check labels, the namespace or the user.
  const isOthers = webhook?.endsWith(".cnpg.io") === false || /ValidatingAdmissionPolicy/.test(status.message);
  if ((code !== 400 && code !== 422) || isOthers) return { is: "unknown", reason: `${code}: ${status.message}` };
  const fields = refusedFields(status);
  return { is: "refused", fields, isLast: webhook !== undefined && status.causes.length > 0 };
}

/** The parts of a Status that are used. */
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
    // `<nil>` only says that some rules were not checked because others failed.
    const causes = (details?.causes ?? []).flatMap(({ field, message: cause }) =>
      field && field !== "<nil>" && cause !== undefined ? [{ field, message: cause }] : [],
    );
    return { message: message ?? text.slice(0, 300), causes };
  } catch {
    return { message: text.slice(0, 300), causes: [] };
  }
}

function refusedFields({ message, causes }: Status): Refused[] {
  const refused = (field: string, problem: string, isUnknown = false): Refused => ({
    field: cnpgFieldName(field),
    problem: problem.replace(`${field} in body `, ""),
    isUnknown,
  });
  if (causes.length > 0) return causes.map((cause) => refused(cause.field, cause.message));
  const unknown = [...message.matchAll(/(unknown|duplicate) field "([^"]+)"/g)];
  if (unknown.length > 0) {
    return unknown.map(([, what, field = ""]) =>
      refused(field, what === "unknown" ? "is not a field of the installed CloudNativePG" : "is written twice", true),
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

/** Matches a list of errors in one text: `spec.a: Invalid value: 1: must be ..., spec.b: ...`. */
const LISTED = /(?:^|, )((?:spec|metadata)[^\s:,]*): (.*?)(?=, (?:spec|metadata)[^\s:,]*: |$)/gs;

/** How Go's decoder, in the operator's webhook, reports a value of the wrong type. */
const WRONG_TYPE = /cannot unmarshal (.+?) into Go struct field \w+\.(\S+) of type (\S+)/;

/** A Go type in YAML's terms. If a named type refuses a string, it is a mapping. */
function typeName(type: string, value: string): string {
  if (/^u?int[0-9]*$/.test(type)) return "a whole number";
  if (type === "string") return "a string (put it in quotes)";
  if (type === "bool") return "true or false";
  if (type.startsWith("[]")) return "a list";
  return type.startsWith("map[") || value === "string" ? "a mapping" : `of the type ${type}`;
}

/** A value in YAML's terms. For some numbers, Go's message contains the number. */
function valueName(value: string): string {
  const names = new Map([
    ["array", "a list"],
    ["bool", "true or false"],
    ["object", "a mapping"],
  ]);
  return names.get(value) ?? `${value.includes(" ") ? "the" : "a"} ${value}`;
}

/**
 * Removes a field from the Cluster, or its closest parent if the field does not exist. Removes a whole list instead of an
 * element, so that no index changes. Returns the path that was removed.
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
