/** Kubernetes' rules for names, labels and addresses. Pure. */
import { isIP } from "node:net";
import { SettingProblem } from "../problems";
import { wrong } from "../value-check";

const DNS_1035_LABEL = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const DNS_1123_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
/** Labels and annotations with which CNPG finds its own objects, or which control it. */
const CNPG_KEY = /^([a-z0-9-]+\.)?cnpg\.io\//;

/** Name of a resource of a context: `kubernetes`, `kubernetes-prod`. */
export function contextResourceName(context: string | undefined, name: string, separator: "after" | "before"): string {
  if (context === undefined) return name;
  return separator === "after" ? `${name}-${context}` : `${context}-${name}`;
}

/** Checks the name of a Service. */
export function checkServiceName(setting: string, name: string): SettingProblem[] {
  if (DNS_1035_LABEL.test(name)) return [];
  const fix = "Use at most 63 lower-case letters, digits and hyphens, beginning with a letter.";
  return wrong(setting, name, "is not a valid name of a Service", fix);
}

/** Checks the name of a namespace. A missing name passes. */
export function checkNamespace(setting: string, name: string | undefined): SettingProblem[] {
  if (name === undefined || /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return [];
  return wrong(
    setting,
    name,
    "is not a valid name of a namespace",
    "Use at most 63 lower-case letters, digits and hyphens.",
  );
}

/** Checks the name of most other objects, e.g. a Secret or a StorageClass. `what` is the kind. */
export function checkObjectName(setting: string, name: string | undefined, what: string): SettingProblem[] {
  if (name === undefined || (name.length <= 253 && DNS_1123_SUBDOMAIN.test(name))) return [];
  const fix = "Use lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit.";
  return wrong(setting, name, `is not a valid name of a ${what}`, fix);
}

/** Checks the key of a label, annotation or taint, e.g. `topology.kubernetes.io/zone`. */
export function checkKey(setting: string, key: string): SettingProblem[] {
  const [name, prefix, ...more] = key.split("/").reverse();
  const whole =
    more.length === 0 && (prefix === undefined || (prefix.length <= 253 && DNS_1123_SUBDOMAIN.test(prefix)));
  if (whole && QUALIFIED.test(name ?? "")) return [];
  return wrong(
    setting,
    key,
    "is not a valid label key",
    "Write name or domain/name, e.g. topology.kubernetes.io/zone.",
  );
}

/** Checks labels of objects, or labels that select objects. */
export function checkLabels(setting: string, labels: Readonly<Record<string, string>> = {}): SettingProblem[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...checkKey(setting, key),
    ...checkLabelValue(`${setting}.${key}`, value),
  ]);
}

export function checkLabelValue(setting: string, value: string): SettingProblem[] {
  if (value === "" || QUALIFIED.test(value)) return [];
  const fix =
    "Use at most 63 letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit.";
  return wrong(setting, value, "is not a valid label value", fix);
}

/** Refuses CNPG's own labels or annotations, for objects that CNPG creates. */
export function checkReservedKeys(setting: string, values: Readonly<Record<string, string>> = {}): SettingProblem[] {
  return Object.keys(values).flatMap((key) =>
    CNPG_KEY.test(key)
      ? wrong(
          setting,
          key,
          "is reserved by CloudNativePG",
          "Remove it. For hibernation and fencing, use hibernation and fencedInstances.",
        )
      : [],
  );
}

export function checkAnnotations(
  setting: string,
  annotations: Readonly<Record<string, string>> = {},
): SettingProblem[] {
  return Object.keys(annotations).flatMap((key) => checkKey(setting, key.toLowerCase()));
}

/** Whether a text is a range of addresses, e.g. `10.0.0.0/8`. */
export function isCidr(range: string): boolean {
  const [address = "", bits, ...more] = range.split("/");
  const family = isIP(address);
  if (family === 0 || address.includes("%") || more.length > 0 || !/^[0-9]{1,3}$/.test(bits ?? "")) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
}

export function checkCidr(setting: string, range: string): SettingProblem[] {
  return isCidr(range)
    ? []
    : wrong(
        setting,
        range,
        "is not a valid range of addresses",
        "Write address/bits, e.g. 10.0.0.0/8 or 192.0.2.7/32.",
      );
}
