/** Names that somebody could give to break out of where they stand, and those among them that the checks accept. */
import * as fc from "fast-check";

/** What means something to PostgreSQL, psql, PL/pgSQL's `format`, Vault, pg_hba.conf, YAML or a regular expression. */
const FRAGMENTS = [
  ..."'\"\\$;:%@#+/,*=(){}[]|&!?-_. \n\r\t",
  ...["$do$", "$body$", "$$", "$1", "--", "/*", "*/", "''", '""', "\\'", "E'", 'U&"', "%I", "%s", "%%", "::text"],
  ...[":foo", ":'foo'", ':"foo"', "\\gexec", "\n\\! id\n", "\n\\q\n", "\\set x 1", "{{name}}", "{{password}}", "${x}"],
  ...["a", "B", "7", "é", "\u{1f600}", "\u2028", "\u0000", "END", "DROP ROLE app", "pg_", "cnpg_", "\ud800"],
];
const KEYWORDS = ["all", "public", "none", "replication", "sameuser", "samerole", "samegroup", "current_user", "user"];

/** Any text, most of it hostile. */
export const hostile = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...FRAGMENTS), { minLength: 1, maxLength: 6 }).map(joined) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom(...KEYWORDS, "__proto__", "constructor", "") },
);

/** What a name in PostgreSQL can be: anything but nothing and NUL; and half a character cannot be sent. */
export const inPostgres = hostile.filter((text) => text !== "" && !/[\0\ud800-\udfff]/u.test(text));

/** Close to plain names, so that many of them are accepted. */
export const plain = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(fc.constantFrom("a", "z", "0", "9", "_", "-", "$", "$do$", "$body$", "A", ".", "x1", ...KEYWORDS), {
        minLength: 1,
        maxLength: 5,
      })
      .map(joined),
  },
  { weight: 1, arbitrary: fc.constantFrom(...KEYWORDS) },
  { weight: 1, arbitrary: hostile },
);

function joined(parts: readonly string[]): string {
  return parts.join("");
}
