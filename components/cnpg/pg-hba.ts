/**
 * Who may log in, and how: rules of pg_hba.conf, and the maps of pg_ident.conf, from names in certificates (or in
 * Kerberos) to PostgreSQL users. The program adds rules for its users. The checks of the user's rules find invalid
 * rules, insecure rules, and rules that are never reached. Pure.
 */
import { TeleportUser } from "./roles";
import { BlockList, isIP } from "node:net";
import { SettingProblem } from "../problems";
import { wrong } from "../value-check";

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
interface HbaRule {
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
const QUOTED = /([\s,=])"[^"]*"(?=[\s,])/g;
/**
 * A quote inside a word, a list that continues after blanks, and a file of names: PostgreSQL may read them in another
 * way.
 */
const AMBIGUOUS = /"|,[\s,]|\s,|[\s,]@/;

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

/** Methods that need no proof of identity, or send a password in a reusable form. */
const WEAK: Record<string, string> = {
  trust: "accepts everybody without a password",
  password: "accepts passwords in clear text",
  md5: "accepts passwords as MD5, which can be broken",
  ident: "trusts the client's machine to name the user",
};
const METHODS = ["scram-sha-256", "cert", "reject", "ldap", "radius", "pam", "gss", "sspi", "oauth", "bsd", "peer"];
/** Users of CNPG itself. CNPG puts the rules for them before all others. */
const CNPG_USERS = /^(streaming_replica|cnpg_.*)$/;

/** Returns every problem with the rules. `users` are the Teleport users. */
export function checkPgHba(
  at: (setting: string) => string,
  rules: readonly string[] = [],
  users: readonly { name: string }[] = [],
): SettingProblem[] {
  const parsed = rules.map(parseHbaRule);
  const names = users.map(({ name }) => name);
  return rules.flatMap((text, index) => {
    const setting = at(`pgHba[${index}]`);
    const rule = parsed[index];
    if (!rule) {
      const fix = "Write one rule per list entry, without comments, e.g. hostssl all app 10.0.0.0/8 scram-sha-256.";
      return wrong(setting, text, "is not a valid rule of pg_hba.conf", fix);
    }
    const before = parsed.slice(0, index).findIndex((other) => other && covers(other, rule));
    return [
      ...checkMethod(setting, text, rule),
      ...checkReached(setting, text, rule, names),
      ...(before >= 0
        ? wrong(
            setting,
            text,
            `is never reached: pgHba[${before}] decides first`,
            "Move it before that rule, or remove it.",
          )
        : []),
    ];
  });
}

function checkMethod(setting: string, text: string, { method, users, address }: HbaRule): SettingProblem[] {
  const weak = WEAK[method];
  if (weak) return wrong(setting, text, weak, "Use scram-sha-256, or cert with the names of users.");
  if (!METHODS.includes(method)) {
    return wrong(setting, text, `has the unknown method ${method}`, "Use scram-sha-256, cert or reject.");
  }
  if (method === "peer" && address !== undefined) {
    return wrong(
      setting,
      text,
      "has the method peer, which works only on the server's own machine",
      "Use scram-sha-256, cert or reject.",
    );
  }
  const everybody = users.some((user) => user === "all" || user === "postgres" || /^[+/]/.test(user));
  if (method === "cert" && everybody) {
    return wrong(
      setting,
      text,
      "lets a certificate of any CA in the client-CA bundle, including Teleport's, log in as any of these roles",
      "Write the names of users, without postgres.",
    );
  }
  return [];
}

function checkReached(setting: string, text: string, { type, users }: HbaRule, teleport: string[]): SettingProblem[] {
  if (type === "local") {
    const why = "is never reached: CloudNativePG's rule for the pod's socket comes first";
    return wrong(setting, text, why, "Remove it.");
  }
  const cnpgs = users.find((user) => CNPG_USERS.test(user));
  if (cnpgs) return wrong(setting, text, `names ${cnpgs}, which is a user of CloudNativePG`, "Remove the user.");
  const person = users.find((user) => teleport.includes(user));
  if (!person) return [];
  return wrong(
    setting,
    text,
    `is never reached for ${person}: this user logs in through Teleport, only with a certificate over TLS`,
    "Remove the user, or use another role.",
  );
}

/** Whether a rule matches every connection that another rule matches. */
function covers(rule: HbaRule, other: HbaRule): boolean {
  return (
    (rule.type === other.type || (rule.type === "host" && other.type !== "local")) &&
    (other.databases.every((name) => rule.databases.includes(name)) ||
      // `all` does not include replication.
      (rule.databases.includes("all") && !other.databases.includes("replication"))) &&
    (rule.users.includes("all") || other.users.every((name) => rule.users.includes(name))) &&
    coversAddress(rule.address, other.address)
  );
}

function coversAddress(range: string | undefined, other: string | undefined): boolean {
  if (range === other || range === "all") return true;
  const [outer, inner] = [subnet(range), subnet(other)];
  if (!outer || !inner || outer.family !== inner.family || outer.bits > inner.bits) return false;
  const block = new BlockList();
  block.addSubnet(outer.address, outer.bits, outer.family);
  return block.check(inner.address, inner.family);
}

/** Reads `address/bits`. A rule with a separate mask is not compared. */
function subnet(range = ""): { address: string; bits: number; family: "ipv4" | "ipv6" } | undefined {
  const [address = "", bits = ""] = range.split("/");
  const family = isIP(address);
  if (family === 0 || !/^[0-9]{1,3}$/.test(bits)) return undefined;
  const most = family === 4 ? 32 : 128;
  return Number(bits) > most ? undefined : { address, bits: Number(bits), family: family === 4 ? "ipv4" : "ipv6" };
}

/**
 * Maps of CNPG itself. An additional line in one of them would allow logins as the server's administrator or as a
 * standby.
 */
const CNPG_MAPS = /^(local|cnpg_.*)$/;
/** Users that no map may name. */
const NEVER_MAPPED = /^(postgres|streaming_replica|cnpg_.*|pg_.*|all|[+/].*)$/;
const EXAMPLE = "Write map, name and PostgreSQL user, e.g. partners CN-of-the-certificate orders_app.";

/** Returns every problem with the lines. `pgHba` are the rules that use them. */
export function checkPgIdent(
  at: (setting: string) => string,
  lines: readonly string[] = [],
  pgHba: readonly string[] = [],
): SettingProblem[] {
  const used = pgHba.map((rule) => parseHbaRule(rule)?.options.map?.replace(/^"(.*)"$/, "$1"));
  const maps = lines.map((line) => parseLine(line)?.map);
  return [
    ...lines.flatMap((line, index) => checkLine(at(`pgIdent[${index}]`), line, used)),
    ...used.flatMap((map, index) =>
      map === undefined || maps.includes(map)
        ? []
        : wrong(
            at(`pgHba[${index}]`),
            pgHba[index],
            `uses the map ${map}, which is not in pgIdent`,
            "Add the lines of this map to pgIdent.",
          ),
    ),
  ];
}

function checkLine(setting: string, line: string, used: (string | undefined)[]): SettingProblem[] {
  const parsed = parseLine(line);
  if (!parsed) return wrong(setting, line, "is not a valid line of pg_ident.conf", EXAMPLE);
  if (CNPG_MAPS.test(parsed.map)) {
    return wrong(
      setting,
      line,
      `adds to the map ${parsed.map}, which CloudNativePG reserves`,
      "Choose another name for the map.",
    );
  }
  if (NEVER_MAPPED.test(parsed.user)) {
    const why = `maps to ${parsed.user}, which is reserved, or stands for more than one user`;
    return wrong(setting, line, why, "Write the name of one of your users.");
  }
  if (used.includes(parsed.map)) return [];
  return wrong(
    setting,
    line,
    "belongs to a map that no rule of pgHba uses",
    `Add map=${parsed.map} to a rule, or remove this line.`,
  );
}

function parseLine(line: string): { map: string; name: string; user: string } | undefined {
  if (/[^\S \t]|#|\\$/.test(line)) return undefined;
  if (AMBIGUOUS.test(` ${line} `.replace(QUOTED, "$1x")) || /,/.test(line.replace(/"[^"]*"/g, ""))) return undefined;
  const words = (line.match(/(?:"[^"]*"|[^\s"])+/g) ?? []).map((word) => word.replace(/^"([^"]*)"$/, "$1"));
  const [map, name, user] = words;
  return words.length === 3 && map && name && user ? { map, name, user } : undefined;
}
