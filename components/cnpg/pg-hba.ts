/** The rules of pg_hba.conf that the program adds, and a parser for rules. Pure. */
import { TeleportUser } from "./roles";

/** Every address of both families. With `0.0.0.0/0` alone, later rules would decide about IPv6 clients. */
export const ANYWHERE = ["0.0.0.0/0", "::/0"];

/**
 * CNPG puts its own rules first, then these, then LDAP, and a `host all all all` line last. Teleport users can log in only
 * over TLS, with a certificate in their own name. The first rules accept certificates. The `reject` rules keep connections
 * without TLS from reaching later rules.
 */
export function pgHbaRules(users: readonly TeleportUser[], extra: readonly string[] = []): string[] {
  if (users.length === 0) return [...extra];
  return [...certificateRules(users.map(({ name }) => name)), ...extra];
}

/** Rules that accept only a certificate over TLS. */
export function certificateRules(names: readonly string[]): string[] {
  const users = names.join(",");
  return [
    ...ANYWHERE.map((address) => `hostssl all ${users} ${address} cert`),
    ...ANYWHERE.map((address) => `hostnossl all ${users} ${address} reject`),
  ];
}

export const HBA_TYPES = ["local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"] as const;
export type HbaType = (typeof HBA_TYPES)[number];

/** A parsed rule of pg_hba.conf. */
export interface HbaRule {
  type: HbaType;
  databases: string[];
  users: string[];
  /** As written, with its mask. Undefined for `local`. */
  address?: string;
  method: string;
  options: Record<string, string>;
}

/** A word, with parts in double quotes: `all`, `a,b`, `"my db",c`. */
const WORD = /(?:"[^"]*"|[^\s"#])+/g;

/** A whole word in quotes, or the quoted value of an option. */
export const QUOTED = /([\s,=])"[^"]*"(?=[\s,])/g;
/**
 * A quote inside a word, a list that continues after blanks, and a file of names: PostgreSQL may read them in another
 * way.
 */
export const AMBIGUOUS = /"|,[\s,]|\s,|[\s,]@/;

/** Parses a rule. Undefined if the text is not a rule, or more than one. */
export function parseHbaRule(rule: string): HbaRule | undefined {
  // A backslash at the end would join the next line, which may be CNPG's, to this one.
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

/** Takes the address from the words, and the mask that follows an address without bits. */
function takeAddress(words: string[]): string | undefined {
  const address = words.shift();
  const mask = /^[0-9a-fA-F:.]+$/.test(address ?? "") && /^[0-9a-fA-F:]*[.:][0-9a-fA-F:.]*$/.test(words[0] ?? "");
  return mask ? `${address} ${words.shift()}` : address;
}

function isHbaType(type: string): type is HbaType {
  return (HBA_TYPES as readonly string[]).includes(type);
}

/** Names without their quotes. A quoted `"all"` is a name, and stays quoted to distinguish it from the keyword. */
function list(words: string): string[] {
  return (words.match(/(?:"[^"]*"|[^",])+/g) ?? []).map((word) => {
    const bare = word.replace(/^"([^"]*)"$/, "$1");
    return /^(all|replication|same\w+|[+/].*)$/.test(bare) ? word : bare;
  });
}
