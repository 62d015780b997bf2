/** Limits messages to what a person can read and what Pulumi's engine can receive. Pure. */

/**
 * Maximum length of an error message, in bytes of UTF-8. grpc-js never sends an error of more than about 64 KiB, and the
 * engine would wait for it for ever. On the way, each byte that is not ASCII becomes three bytes.
 */
const MESSAGE_BYTES = 8 * 1024;
/** Maximum number of lines, or of parts of a message, that are shown. */
export const MAX_SHOWN = 20;

/** Control characters, and characters that change the direction of text. Names from other systems may contain them. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** The text in one line, with every control character written as an escape sequence (`\n`, `\x1b`). */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

function escaped(character: string): string {
  const short: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const code = character.charCodeAt(0);
  return short[character] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** The first items, and how many more there are (`and 39980 more`). */
export function firstOf(items: readonly string[], shown = MAX_SHOWN): string[] {
  return items.length <= shown ? [...items] : [...items.slice(0, shown), `and ${items.length - shown} more`];
}

/** The text, cut to a maximum length. Line ends stay; other control characters become escape sequences. */
export function limited(text: string, bytes = MESSAGE_BYTES): string {
  const clean = text.replace(UNPRINTABLE, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
  if (Buffer.byteLength(clean) <= bytes) return clean;
  // The rest of a character that was cut in the middle is decoded as a replacement character.
  const kept = Buffer.from(clean)
    .subarray(0, bytes)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return `${kept}… and ${clean.length - kept.length} more characters`;
}
