/** The names and addresses of a server certificate, besides those of the Services. Pure. */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { SettingProblem } from "../problems";

/** Subject alternative names, by kind. */
export interface AltNames {
  dnsNames: string[];
  /** In the form that Go and Node.js write. */
  ipAddresses: string[];
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/i;
const MAX_DNS_NAME = 253;
/** Maximum length of the prefix of the domain: `<service>.<namespace>.svc.`. */
const MAX_SERVICE_PREFIX = 132;

/** Separates addresses from names, without duplicates. */
export function altNames(names: readonly string[]): AltNames {
  const unique = [...new Set(names)];
  const ipAddresses = unique.filter((name) => isIP(name) !== 0).map(canonicalIp);
  return { dnsNames: unique.filter((name) => isIP(name) === 0), ipAddresses: [...new Set(ipAddresses)] };
}

/** Whether a certificate for `names` is valid for a host: by name, wildcard or address. */
export function coversHost(names: readonly string[], host: string): boolean {
  const { dnsNames, ipAddresses } = altNames(names);
  if (isIP(host) !== 0) return ipAddresses.includes(canonicalIp(host));
  const wanted = host.toLowerCase();
  const parent = wanted.replace(/^[^.]*/, "*");
  return dnsNames.some((name) => [wanted, parent].includes(name.toLowerCase()));
}

/** Checks `serverAltNames`. */
export function checkAltNames(setting: string, names: readonly string[] = []): SettingProblem[] {
  return names.flatMap((name, index) => checkHost(`${setting}[${index}]`, name, true));
}

/** Checks a host: a DNS name or an IP address. With `wildcard`, also a name such as `*.example.com`. */
export function checkHost(setting: string, host: string, wildcard = false): SettingProblem[] {
  const wrong = (problem: string, fix: string) => [{ setting, value: host, problem, fix }];
  if (isIP(host) !== 0) return checkIp(setting, host);
  const { problem, fix } = mistakeOf(host, wildcard) ?? {};
  return problem === undefined || fix === undefined ? [] : wrong(problem, fix);
}

/** Checks the Kubernetes cluster's DNS domain. */
export function checkClusterDomain(setting: string, domain: string): SettingProblem[] {
  const fix = "Write the domain that the Kubernetes cluster's DNS serves, e.g. cluster.local.";
  if (isIP(domain) !== 0) return [{ setting, value: domain, problem: "must be a DNS domain, not an IP address", fix }];
  const mistake = mistakeOf(domain, false);
  if (mistake) return [{ setting, value: domain, ...mistake }];
  if (domain.length <= MAX_DNS_NAME - MAX_SERVICE_PREFIX) return [];
  const problem = `must be at most ${MAX_DNS_NAME - MAX_SERVICE_PREFIX} characters long, so that the names of Services fit before it`;
  return [{ setting, value: domain, problem, fix }];
}

function checkIp(setting: string, address: string): SettingProblem[] {
  if (address.includes("%")) {
    const fix = `Write ${address.replace(/%.*/, "")}, or another address.`;
    return [{ setting, value: address, problem: "must be an address without a zone", fix }];
  }
  const [, mapped] = /^::ffff:([0-9.]+)$/i.exec(address) ?? [];
  if (mapped === undefined) return [];
  return [{ setting, value: address, problem: "must not be an IPv4 address written as IPv6", fix: `Write ${mapped}.` }];
}

function mistakeOf(host: string, wildcard: boolean): { problem: string; fix: string } | undefined {
  if (host === "") return { problem: "must not be empty", fix: "Write a DNS name or an IP address, or remove it." };
  // It is too long, whatever it is. Only the length is reported.
  if (host.length > 2 * MAX_DNS_NAME) return nameMistakeOf(host, wildcard);
  const [, scheme] = /^([a-z][a-z0-9+.-]{0,30}:\/\/)/i.exec(host) ?? [];
  if (scheme !== undefined) {
    const [bare = ""] = host
      .slice(scheme.length)
      .replace(/^[^@/]{0,300}@/, "")
      .split(/[/:?#]/);
    return { problem: "must be a host, not a URL", fix: `Write the host alone${bare ? `: ${bare}` : ""}.` };
  }
  const [, inBrackets, , port] = /^\[([0-9a-f:.]+)\](:([0-9]+))?$/i.exec(host) ?? [];
  if (inBrackets !== undefined && isIP(inBrackets) !== 0) {
    const problem = port === undefined ? "must be an address without brackets" : "must be an address without a port";
    return { problem, fix: `Write ${inBrackets}.` };
  }
  const [, beforePort] = /^([^:]+):[0-9]*$/.exec(host) ?? [];
  if (beforePort !== undefined) {
    return {
      problem: "must be a host without a port",
      fix: `Write ${beforePort}: a certificate is valid for all ports.`,
    };
  }
  const [range = ""] = host.split("/");
  if (range !== host && isIP(range) !== 0) {
    return { problem: "must be one address, not a range", fix: "Write each address." };
  }
  if (host.endsWith(".") && nameMistakeOf(host.slice(0, -1), wildcard) === undefined) {
    return { problem: "must not end with a dot", fix: `Write ${host.slice(0, -1)}.` };
  }
  const ascii = domainToASCII(host);
  if (/[^\0-\x7f]/.test(host) && ascii !== "") {
    return { problem: "must be in ASCII, like every DNS name", fix: `Write ${ascii}.` };
  }
  return nameMistakeOf(host, wildcard);
}

function nameMistakeOf(host: string, wildcard: boolean): { problem: string; fix: string } | undefined {
  const fix = "Use letters, digits and hyphens, with dots between, e.g. orders.example.com.";
  if (host.length > MAX_DNS_NAME) return { problem: `must be at most ${MAX_DNS_NAME} characters long`, fix };
  const labels = host.split(".");
  if (labels[0] === "*") {
    if (wildcard && labels.length > 2 && labels.slice(1).every((label) => LABEL.test(label))) return undefined;
    return wildcard
      ? { problem: "must have at least two parts after the wildcard", fix: "Write e.g. *.db.example.com." }
      : { problem: "must be one name, not a wildcard", fix };
  }
  if (host.includes("*"))
    return { problem: "must use a wildcard only as the whole first part", fix: "Write e.g. *.db.example.com." };
  if (labels.some((label) => label.length > 63)) {
    return { problem: "must have parts of at most 63 characters between its dots", fix };
  }
  if (!labels.every((label) => LABEL.test(label))) return { problem: "must be a DNS name or an IP address", fix };
  if (/^[0-9]+$/.test(labels.at(-1) ?? "")) {
    return {
      problem: "looks like an IP address, but is not a valid one",
      fix: "Write a whole address, e.g. 10.20.30.40, or a DNS name.",
    };
  }
  return undefined;
}

/** The canonical form of an address, so that another notation changes nothing. */
export function canonicalIp(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
