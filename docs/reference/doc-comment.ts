/** What a doc comment says of a setting: its meaning, and after `Default:` its default. Pure. */
export interface Described {
  meaning: string;
  default?: string;
}

/** The sentence that begins with `Default:` is the default; everything else is the meaning. */
export function describe(comment: string): Described {
  const text = comment.replace(/\{@link\s+([^}\s|]+)[^}]*\}/g, "`$1`");
  const start = /(^|\s)Default: /.exec(text);
  if (!start) return { meaning: text };
  const rest = text.slice(start.index + start[0].length);
  const end = sentenceEnd(rest);
  const meaning = `${text.slice(0, start.index)} ${rest.slice(end + 1).trim()}`.trim();
  return { meaning, default: rest.slice(0, end) };
}

/** Where the first sentence's full stop is: one at the end or before a space, outside of code, and not in `e.g. `. */
function sentenceEnd(text: string): number {
  let code = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "`") code = !code;
    const stop = text[at] === "." && !code && (at + 1 === text.length || text[at + 1] === " ");
    if (stop && !/\b(e\.g|i\.e)$/.test(text.slice(0, at))) return at;
  }
  return text.length;
}
