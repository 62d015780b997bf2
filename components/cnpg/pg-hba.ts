/** The rules of pg_hba.conf: ours, and how a rule is read. Pure. */
import { TeleportUser } from "./roles";

/** Every address, of both families: `0.0.0.0/0` alone would leave IPv6 clients to the rules below. */
export const ANYWHERE = ["0.0.0.0/0", "::/0"];

/**
 * CNPG puts its own rules first, then these, LDAP, and a `host all all all` line last. Teleport users log in over TLS
 * with a certificate of their own name, and in no other way: the first rules let certificates in, the `reject` rules
 * keep what is not TLS from reaching rules that follow.
 */
export function pgHbaRules(users: readonly TeleportUser[], extra: readonly string[] = []): string[] {
  if (users.length === 0) return [...extra];
  return [...certificateRules(users.map(({ name }) => name)), ...extra];
}

/** By certificate over TLS, and in no other way. */
export function certificateRules(names: readonly string[]): string[] {
  const users = names.join(",");
  return [
    ...ANYWHERE.map((address) => `hostssl all ${users} ${address} cert`),
    ...ANYWHERE.map((address) => `hostnossl all ${users} ${address} reject`),
  ];
}

export const HBA_TYPES = ["local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"] as const;
export type HbaType = (typeof HBA_TYPES)[number];

/** A rule of pg_hba.conf, taken apart. */
export interface HbaRule {
  type: HbaType;
  databases: string[];
  users: string[];
  /** As written, with its mask; undefined for `local`. */
  address?: string;
  method: string;
  options: Record<string, string>;
}

/** A word, with parts in double quotes: `all`, `a,b`, `"my db",c`. */
const WORD = /(?:"[^"]*"|[^\s"#])+/g;

/** A word in quotes, whole, or the value of an option. */
export const QUOTED = /([\s,=])"[^"]*"(?=[\s,])/g;
/** A quote inside of a word, a list that goes on after blanks, and a file of names: PostgreSQL reads them otherwise than they look. */
export const AMBIGUOUS = /"|,[\s,]|\s,|[\s,]@/;

/** Reads a rule; undefined if it is none, or more than one. */
export function parseHbaRule(rule: string): HbaRule | undefined {
  // A backslash at the end would make the next line, which may be CNPG's, a part of this one.
  if (/[^\S \t]|#|\\$/.test(rule) || (rule.match(/"/g)?.length ?? 0) % 2 === 1) return undefined;
  if (AMBIGUOUS.test(` ${rule} `.replace(QUOTED, "$1x"))) return undefined;
  const [type, databases, users, ...rest] = rule.match(WORD) ?? [];
  if (!type || !databases || !users || !isHbaType(type)) return undefined;
  const address = type === "local" ? undefined : takeAddress(rest);
  const [method, ...options] = rest;
  if (!method || /[^a-z0-9-]/.test(method) || (type !== "local" && address === undefined)) return undefined;
  if (options.some((option) => !/^\w+=/.test(option))) return undefined;
  return {
    type,
    databases: list(databases),
    users: list(users),
    ...(address === undefined ? {} : { address }),
    method,
    options: Object.fromEntries(options.map((option) => option.split(/=(.*)/s).slice(0, 2))),
  };
}

/** Takes the address off, and the mask that follows an address without bits. */
function takeAddress(words: string[]): string | undefined {
  const address = words.shift();
  const mask = /^[0-9a-fA-F:.]+$/.test(address ?? "") && /^[0-9a-fA-F:]*[.:][0-9a-fA-F:.]*$/.test(words[0] ?? "");
  return mask ? `${address} ${words.shift()}` : address;
}

function isHbaType(type: string): type is HbaType {
  return (HBA_TYPES as readonly string[]).includes(type);
}

/** Names without their quotes. A quoted `"all"` is a name, and stays quoted to tell it from the word. */
function list(words: string): string[] {
  return (words.match(/(?:"[^"]*"|[^",])+/g) ?? []).map((word) => {
    const bare = word.replace(/^"([^"]*)"$/, "$1");
    return /^(all|replication|same\w+|[+/].*)$/.test(bare) ? word : bare;
  });
}
