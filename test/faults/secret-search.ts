/** Finds secrets in texts, in every form: unchanged, in another encoding of the key, or in base64. */
import { createPrivateKey } from "node:crypto";

/** A secret, and a name for it that a failure may show. */
export interface Secret {
  name: string;
  value: string;
}

/** A text that contains a secret. */
export interface Leak {
  secret: string;
  /** Where: the name of the text. */
  where: string;
  /** The characters before it, which show what printed it. */
  before: string;
}

/** Shorter secrets would be found by chance. */
const SHORTEST = 12;
const SHOWN = 160;

/** Secrets that a text contains. Line ends are ignored, escaped or not. */
export function leaksIn(where: string, text: string, secrets: readonly Secret[]): Leak[] {
  const flat = text.replace(/(\\+[nr])|\s+/g, "");
  return secrets.flatMap(({ name, value }) => {
    const found = formsOf(value).find((form) => flat.includes(form));
    if (found === undefined) return [];
    const at = flat.indexOf(found);
    return [{ secret: name, where, before: flat.slice(Math.max(0, at - SHOWN), at) }];
  });
}

const known = new Map<string, string[]>();

/** The forms of a secret. */
export function formsOf(value: string): string[] {
  const forms = known.get(value) ?? computeForms(value);
  known.set(value, forms);
  return forms;
}

function computeForms(value: string): string[] {
  const kept = value.trim();
  if (kept.length < SHORTEST) throw new Error("a secret is too short to be looked for");
  const plain = /PRIVATE KEY-----/.test(kept) ? keyForms(kept) : [kept.replace(/\s+/g, "")];
  return [...plain, ...inBase64(Buffer.from(kept))];
}

/** Its private number, wherever it is in any kind of PEM. */
function keyForms(pem: string): string[] {
  const block = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0] ?? "";
  const { d = "" } = createPrivateKey(block).export({ format: "jwk" });
  return inBase64(Buffer.from(d, "base64url"));
}

/**
 * The part of its base64 form that does not depend on the surrounding bytes: bytes and characters align every three
 * bytes.
 */
function inBase64(bytes: Buffer): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    return encoded.slice(offset === 0 ? 0 : 4, -4);
  });
}
