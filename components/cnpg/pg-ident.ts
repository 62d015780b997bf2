/** The maps of pg_ident.conf, from names in certificates (or of Kerberos) to PostgreSQL users. Pure. */
import { SettingProblem } from "../problems";
import { AMBIGUOUS, parseHbaRule, QUOTED } from "./pg-hba";
import { wrong } from "../value-check";

/** Maps of CNPG itself: a line more in one of them is a way in as the server's administrator or a standby. */
const CNPGS = /^(local|cnpg_.*)$/;
/** Users that no map may lead to. */
const RESERVED = /^(postgres|streaming_replica|cnpg_.*|pg_.*|all|[+/].*)$/;
const EXAMPLE = "Write e.g. partners CN-of-the-certificate orders_app: map, name, PostgreSQL user.";

/** All that is wrong with the lines, given the rules that use them. */
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
        : wrong(at(`pgHba[${index}]`), pgHba[index], `uses the map ${map}, which pgIdent has not`, "Add its lines."),
    ),
  ];
}

function checkLine(setting: string, line: string, used: (string | undefined)[]): SettingProblem[] {
  const parsed = parseLine(line);
  if (!parsed) return wrong(setting, line, "is no line of pg_ident.conf", EXAMPLE);
  if (CNPGS.test(parsed.map)) {
    return wrong(setting, line, `is in the map ${parsed.map}, CloudNativePG's own`, "Choose another name for the map.");
  }
  if (RESERVED.test(parsed.user)) {
    const why = `lets others in as ${parsed.user}, which is for the server itself or more than one user`;
    return wrong(setting, line, why, "Name one user of yours.");
  }
  if (used.includes(parsed.map)) return [];
  return wrong(
    setting,
    line,
    "is in a map that no rule of pgHba uses",
    `Add map=${parsed.map} to a rule, or remove it.`,
  );
}

function parseLine(line: string): { map: string; name: string; user: string } | undefined {
  if (/[^\S \t]|#|\\$/.test(line)) return undefined;
  if (AMBIGUOUS.test(` ${line} `.replace(QUOTED, "$1x")) || /,/.test(line.replace(/"[^"]*"/g, ""))) return undefined;
  const words = (line.match(/(?:"[^"]*"|[^\s"])+/g) ?? []).map((word) => word.replace(/^"([^"]*)"$/, "$1"));
  const [map, name, user] = words;
  return words.length === 3 && map && name && user ? { map, name, user } : undefined;
}
