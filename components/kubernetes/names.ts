/** Kubernetes' rules for names, labels and addresses. Pure. */
import { isIP } from "node:net";
import { SettingProblem } from "../problems";
import { wrong } from "../value-check";

const DNS_1035_LABEL = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const DNS_1123_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
/** Labels and annotations by which CNPG finds its own objects, or is told what to do. */
const CNPG_KEY = /^([a-z0-9-]+\.)?cnpg\.io\//;

/** The name of a Service. */
export function checkServiceName(setting: string, name: string): SettingProblem[] {
  if (DNS_1035_LABEL.test(name)) return [];
  const fix = "Use at most 63 lower-case letters, digits and hyphens, beginning with a letter.";
  return wrong(setting, name, "is no name of a Service", fix);
}

export function checkNamespace(setting: string, name: string): SettingProblem[] {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return [];
  return wrong(setting, name, "is no namespace", "Use at most 63 lower-case letters, digits and hyphens.");
}

/** The name of most other objects: a Secret, a StorageClass, a PriorityClass. `what` is its kind. */
export function checkObjectName(setting: string, name: string | undefined, what: string): SettingProblem[] {
  if (name === undefined || (name.length <= 253 && DNS_1123_SUBDOMAIN.test(name))) return [];
  const fix = "Use lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit.";
  return wrong(setting, name, `is no name of a ${what}`, fix);
}

/** The key of a label, annotation or taint, e.g. `topology.kubernetes.io/zone`. */
export function checkKey(setting: string, key: string): SettingProblem[] {
  const [name, prefix, ...more] = key.split("/").reverse();
  const whole =
    more.length === 0 && (prefix === undefined || (prefix.length <= 253 && DNS_1123_SUBDOMAIN.test(prefix)));
  if (whole && QUALIFIED.test(name ?? "")) return [];
  return wrong(setting, key, "is no key of a label", "Write name or domain/name, e.g. topology.kubernetes.io/zone.");
}

/** Labels to put on objects, or to choose objects by. */
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
  return wrong(setting, value, "is no value of a label", fix);
}

/** Labels or annotations for objects that CNPG makes: CNPG's own are not to be set through them. */
export function checkNotCnpgs(setting: string, values: Readonly<Record<string, string>> = {}): SettingProblem[] {
  return Object.keys(values).flatMap((key) =>
    CNPG_KEY.test(key)
      ? wrong(setting, key, "is CloudNativePG's own", "Remove it; hibernation and fencing are settings of their own.")
      : [],
  );
}

export function checkAnnotations(
  setting: string,
  annotations: Readonly<Record<string, string>> = {},
): SettingProblem[] {
  return Object.keys(annotations).flatMap((key) => checkKey(setting, key.toLowerCase()));
}

/** A range of addresses, e.g. `10.0.0.0/8`. */
export function isCidr(range: string): boolean {
  const [address = "", bits, ...more] = range.split("/");
  const family = isIP(address);
  if (family === 0 || address.includes("%") || more.length > 0 || !/^[0-9]{1,3}$/.test(bits ?? "")) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
}

export function checkCidr(setting: string, range: string): SettingProblem[] {
  return isCidr(range)
    ? []
    : wrong(setting, range, "is no range of addresses", "Write address/bits, e.g. 10.0.0.0/8 or 192.0.2.7/32.");
}
