/**
 * PostgreSQL's lexical rules, as far as a name could break out of them, and psql's on top: scripts go through psql's
 * stdin. Written from the documentation ("Lexical Structure"; psql, "Meta-Commands" and "SQL Interpolation") and not
 * from the code under test.
 */

export interface Token {
  kind: "word" | "identifier" | "string" | "dollar" | "end-dollar" | "other" | "command" | "variable";
  /** What it stands for: without quotes and escapes. The tag of a dollar quote is nothing that matters. */
  value: string;
}

export interface Reader {
  /** psql's meta-commands and variables; not in what is inside of dollar quotes, nor in what Vault sends. */
  psql: boolean;
  /** `standard_conforming_strings`: off, a backslash escapes in every string. */
  standardStrings: boolean;
}

const START = /[A-Za-z_\u0080-\u{10ffff}]/u;
const PART = /[A-Za-z0-9_$\u0080-\u{10ffff}]/u;
const DOLLAR = /\$([A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_\u0080-\u{10ffff}]*)?\$/uy;
const VARIABLE = /:([A-Za-z0-9_\u0080-\u{10ffff}]+|'[^']*'|"[^"]*"|\{\?[^}]*\})/uy;

/** The tokens of a script, those in dollar quotes included. @throws Error where a quote or comment has no end */
export function tokensOf(script: string, { psql = true, standardStrings = true }: Partial<Reader> = {}): Token[] {
  // psql reads lines as C does: the rest of a line is lost. PostgreSQL has no such character at all.
  if (script.includes("\0")) throw new Error("holds a NUL");
  const tokens: Token[] = [];
  let at = 0;
  const end = (text: string, from: number, what: string) => {
    const found = script.indexOf(text, from);
    if (found < 0) throw new Error(`${what} without an end: ${script.slice(at, at + 60)}`);
    return found;
  };
  /** Reads to the closing quote. */
  const quoted = (quote: string, escapes: boolean): string => {
    let value = "";
    for (let place = at + 1; place < script.length; place++) {
      const character = script[place] as string;
      if (escapes && character === "\\") {
        value += script[++place] ?? "";
      } else if (character !== quote) {
        value += character;
      } else if (script[place + 1] === quote) {
        value += quote;
        place++;
      } else {
        at = place + 1;
        return value;
      }
    }
    throw new Error(`quote without an end: ${script.slice(at, at + 60)}`);
  };
  while (at < script.length) {
    const character = String.fromCodePoint(script.codePointAt(at) as number);
    const next = script[at + 1];
    if (/\s/.test(character)) {
      at++;
    } else if (character === "-" && next === "-") {
      const line = script.indexOf("\n", at);
      at = line < 0 ? script.length : line;
    } else if (character === "/" && next === "*") {
      at = end("*/", at, "comment") + 2; // ours are not nested; one that is leaves an end, and so another shape
    } else if (character === "'") {
      tokens.push({ kind: "string", value: quoted("'", !standardStrings) });
    } else if ((character === "E" || character === "e") && next === "'") {
      at++;
      tokens.push({ kind: "string", value: quoted("'", true) });
    } else if (character === '"') {
      const value = quoted('"', false);
      if (value === "") throw new Error("an identifier of no length");
      tokens.push({ kind: "identifier", value });
    } else if (character === "$" && match(DOLLAR, script, at) !== undefined) {
      const tag = match(DOLLAR, script, at) as string;
      const close = end(tag, at + tag.length, "dollar quote");
      const body = script.slice(at + tag.length, close);
      tokens.push({ kind: "dollar", value: "" }, ...tokensOf(body, { psql: false, standardStrings }));
      tokens.push({ kind: "end-dollar", value: "" });
      at = close + tag.length;
    } else if (START.test(character)) {
      let place = at;
      while (place < script.length && PART.test(script[place] as string)) place++;
      tokens.push({ kind: "word", value: script.slice(at, place) });
      at = place;
    } else if (psql && character === "\\") {
      const line = script.indexOf("\n", at);
      const stop = line < 0 ? script.length : line;
      tokens.push({ kind: "command", value: script.slice(at, stop) });
      at = stop;
    } else if (character === ":" && next === ":") {
      tokens.push({ kind: "other", value: "::" });
      at += 2;
    } else if (psql && match(VARIABLE, script, at) !== undefined) {
      const variable = match(VARIABLE, script, at) as string;
      tokens.push({ kind: "variable", value: variable });
      at += variable.length;
    } else {
      tokens.push({ kind: "other", value: character });
      at += character.length;
    }
  }
  return tokens;
}

function match(sticky: RegExp, text: string, at: number): string | undefined {
  sticky.lastIndex = at;
  return sticky.exec(text)?.[0];
}
