/** The maps of pg_ident.conf, from names in certificates (or in Kerberos) to PostgreSQL users. Pure. */
import { SettingProblem } from "../problems";
import { AMBIGUOUS, parseHbaRule, QUOTED } from "./pg-hba";
import { wrong } from "../value-check";

/**
 * Maps of CNPG itself. An additional line in one of them would allow logins as the server's administrator or as a
 * standby.
 */
const CNPGS = /^(local|cnpg_.*)$/;
/** Users that no map may name. */
const RESERVED = /^(postgres|streaming_replica|cnpg_.*|pg_.*|all|[+/].*)$/;
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
  if (CNPGS.test(parsed.map)) {
    return wrong(
      setting,
      line,
      `adds to the map ${parsed.map}, which CloudNativePG reserves`,
      "Choose another name for the map.",
    );
  }
  if (RESERVED.test(parsed.user)) {
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
