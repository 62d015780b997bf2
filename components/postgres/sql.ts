/** Quoting, so that every accepted name becomes valid SQL and nothing else. Pure. */

/** `"name"`: an identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'`: a string constant, whatever standard_conforming_strings says. */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? ` E${quoted}` : quoted;
}

/** A text in dollar quotes, with a tag that the text does not contain: names in it may contain any tag. */
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

/** A PL/pgSQL block that runs at once. */
export function doBlock(body: string): string {
  return `DO ${dollarQuoted(`\n${body}\n`, "do")};`;
}
