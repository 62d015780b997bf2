/**
 * The proxy for a request: HTTPS_PROXY, HTTP_PROXY and NO_PROXY mean the same here as in Go programs such as kubectl,
 * tctl and vault (golang.org/x/net/http/httpproxy). Pure.
 */
import { BlockList, isIP } from "node:net";

/** The variables. The first of each pair that is not empty counts. */
const VARIABLES = {
  "https:": ["HTTPS_PROXY", "https_proxy"],
  "http:": ["HTTP_PROXY", "http_proxy"],
  none: ["NO_PROXY", "no_proxy"],
} as const;

/** A proxy, and the variable that names it. */
export interface Proxy {
  url: URL;
  variable: string;
}

/** The proxy for a URL; undefined if there is none. */
export function proxyFor(url: string, environment: NodeJS.ProcessEnv = process.env): Proxy | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "https:" && protocol !== "http:") return undefined;
  const variable = VARIABLES[protocol].find((name) => environment[name]);
  // A CGI server sets HTTP_PROXY from the request header `Proxy`, which any client may send.
  if (variable === undefined || (protocol === "http:" && environment.REQUEST_METHOD)) return undefined;
  const proxy = parseProxy(environment[variable] ?? "");
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const excluded = VARIABLES.none.map((name) => environment[name]).find(Boolean) ?? "";
  const target = { host, port: port || (protocol === "https:" ? "443" : "80") };
  if (!proxy || isLoopback(host) || excludes(excluded, target)) return undefined;
  return { url: proxy, variable };
}

/** A value without a scheme means http. */
function parseProxy(text: string): URL | undefined {
  const whole = URL.canParse(text) ? new URL(text) : undefined;
  if (whole && whole.host !== "") return whole;
  return URL.canParse(`http://${text}`) ? new URL(`http://${text}`) : undefined;
}

/** Text for messages, without user and password. */
export function describeProxy({ url, variable }: Proxy): string {
  return `${variable}=${url.protocol}//${url.host}`;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  return host === "localhost" || contains(LOOPBACK, host);
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
}

interface Target {
  host: string;
  port: string;
}

function excludes(list: string, target: Target): boolean {
  const entries = list.split(",").map((entry) => entry.trim().toLowerCase());
  return entries.some((entry) => entry === "*" || (entry !== "" && matches(entry, target)));
}

/**
 * Entries of NO_PROXY: `10.0.0.0/8`, `10.1.2.3`, `10.1.2.3:443`, `example.com` (also its subdomains), `.example.com`
 * (only its subdomains).
 */
function matches(entry: string, { host, port }: Target): boolean {
  const [, network = "", bits = ""] = /^([^/]+)\/([0-9]+)$/.exec(entry) ?? [];
  const family = isIP(network);
  if (family !== 0 && Number(bits) <= (family === 4 ? 32 : 128)) {
    const subnet = new BlockList();
    subnet.addSubnet(network, Number(bits), family === 4 ? "ipv4" : "ipv6");
    return contains(subnet, host);
  }
  const [name, ofPort] = split(entry);
  if (name === "" || (ofPort !== "" && ofPort !== port)) return false;
  if (isIP(name) !== 0) {
    const one = new BlockList();
    one.addAddress(name, isIP(name) === 4 ? "ipv4" : "ipv6");
    return contains(one, host);
  }
  if (isIP(host) !== 0) return false;
  const domain = name.replace(/^\*(?=\.)/, "");
  return domain.startsWith(".") ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** Host and port; an IPv6 address without brackets has no port. */
function split(entry: string): [host: string, port: string] {
  const [, inBrackets, portAfter = ""] = /^\[([^\]]*)\](?::([0-9]+))?$/.exec(entry) ?? [];
  if (inBrackets !== undefined) return [inBrackets, portAfter];
  const [, host, port] = /^([^:]*):([0-9]+)$/.exec(entry) ?? [];
  return host === undefined || port === undefined ? [entry, ""] : [host, port];
}
