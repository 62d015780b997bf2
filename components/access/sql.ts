/** Quoting, so that every name that is accepted yields valid SQL and nothing but. Pure. */

/** `"name"`: an identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`: a string constant, whatever standard_conforming_strings says. */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? ` E${quoted}` : quoted;
}

/** `ARRAY['a','b']::text[]`. */
export function textArray(texts: readonly string[]): string {
  return `ARRAY[${texts.map(literal).join(", ")}]::text[]`;
}
