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

/** A text in dollar quotes, with a tag that is not in it: names in a body may hold any tag. */
export function dollarQuoted(text: string, name: string): string {
  for (let count = 0; ; count++) {
    const tag = `$${name}${count || ""}$`;
    if (!text.includes(tag)) return `${tag}${text}${tag}`;
  }
}

/** `ARRAY['a','b']::text[]`. */
export function textArray(texts: readonly string[]): string {
  return `ARRAY[${texts.map(literal).join(", ")}]::text[]`;
}

/** A block of PL/pgSQL that is run at once. */
export function doBlock(body: string): string {
  return `DO ${dollarQuoted(`\n${body}\n`, "do")};`;
}
