/** Checks of the user's rules of pg_hba.conf: what is no rule, lets in too many, or is never reached. Pure. */
import { BlockList, isIP } from "node:net";
import { SettingProblem } from "../problems";
import { HbaRule, parseHbaRule } from "./pg-hba";
import { wrong } from "../value-check";

/** Methods that let in without proof, or send a password in a form that can be used again. */
const WEAK: Record<string, string> = {
  trust: "lets everybody in without a password",
  password: "takes passwords in clear",
  md5: "takes passwords by MD5, which can be broken",
  ident: "believes whatever the client's machine says",
};
const METHODS = ["scram-sha-256", "cert", "reject", "ldap", "radius", "pam", "gss", "sspi", "oauth", "bsd", "peer"];
/** Users of CNPG itself, with rules of their own before all others. */
const CNPGS = /^(streaming_replica|cnpg_.*)$/;

/** All that is wrong with the rules; `users` are the Teleport users. */
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
      const fix = "Write e.g. hostssl all app 10.0.0.0/8 scram-sha-256, one rule each and without comments.";
      return wrong(setting, text, "is no rule of pg_hba.conf", fix);
    }
    const before = parsed.slice(0, index).findIndex((other) => other && covers(other, rule));
    return [
      ...checkMethod(setting, text, rule),
      ...checkReached(setting, text, rule, names),
      ...(before >= 0
        ? wrong(setting, text, `is never reached: pgHba[${before}] decides first`, "Put it before, or remove it.")
        : []),
    ];
  });
}

function checkMethod(setting: string, text: string, { method, users, address }: HbaRule): SettingProblem[] {
  const weak = WEAK[method];
  if (weak) return wrong(setting, text, weak, "Use scram-sha-256, or cert for named users.");
  if (!METHODS.includes(method)) {
    return wrong(setting, text, `has no method that PostgreSQL knows: ${method}`, "Use scram-sha-256, cert or reject.");
  }
  if (method === "peer" && address !== undefined) {
    return wrong(setting, text, "has a method for the server's own machine", "Use scram-sha-256, cert or reject.");
  }
  const everybody = users.some((user) => user === "all" || user === "postgres" || /^[+/]/.test(user));
  if (method === "cert" && everybody) {
    return wrong(
      setting,
      text,
      "lets certificates of every CA in the client-CA bundle, including Teleport's, log in as roles that the CA is not meant for",
      "Name the users, and not postgres.",
    );
  }
  return [];
}

function checkReached(setting: string, text: string, { type, users }: HbaRule, teleport: string[]): SettingProblem[] {
  if (type === "local") {
    const why = "is never reached: CloudNativePG's own rule for the pod's socket comes first";
    return wrong(setting, text, why, "Remove it.");
  }
  const cnpgs = users.find((user) => CNPGS.test(user));
  if (cnpgs) return wrong(setting, text, `is about ${cnpgs}, CloudNativePG's own user`, "Remove the user.");
  const person = users.find((user) => teleport.includes(user));
  if (!person) return [];
  return wrong(
    setting,
    text,
    `is never reached for ${person}, who comes through Teleport: by certificate over TLS, and in no other way`,
    "Remove the user, or use another role.",
  );
}

/** Whether a rule decides about every connection that another one is for. */
function covers(rule: HbaRule, other: HbaRule): boolean {
  return (
    (rule.type === other.type || (rule.type === "host" && other.type !== "local")) &&
    (other.databases.every((name) => rule.databases.includes(name)) ||
      // `all` does not stand for replication.
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

/** `address/bits`; a mask in dots is not read, so that its rule is not compared. */
function subnet(range = ""): { address: string; bits: number; family: "ipv4" | "ipv6" } | undefined {
  const [address = "", bits = ""] = range.split("/");
  const family = isIP(address);
  if (family === 0 || !/^[0-9]{1,3}$/.test(bits)) return undefined;
  const most = family === 4 ? 32 : 128;
  return Number(bits) > most ? undefined : { address, bits: Number(bits), family: family === 4 ? "ipv4" : "ipv6" };
}
