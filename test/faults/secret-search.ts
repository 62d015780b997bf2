/** Finds secrets in what was written, in whatever form: as they are, in another encoding of the key, in base64. */
import { createPrivateKey } from "node:crypto";

/** A secret by a name that a failure may show. */
export interface Secret {
  name: string;
  value: string;
}

/** A text that holds a secret. */
export interface Leak {
  secret: string;
  /** Where: the name of the text. */
  where: string;
  /** The characters before it, which say what printed it. */
  before: string;
}

/** Shorter ones would be found by chance. */
const SHORTEST = 12;
const SHOWN = 160;

/** Secrets that a text holds. Line ends do not count, escaped or not. */
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

/** What a secret may look like. */
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

/** Its secret number, wherever it stands in a PEM of whatever kind. */
function keyForms(pem: string): string[] {
  const block = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0] ?? "";
  const { d = "" } = createPrivateKey(block).export({ format: "jwk" });
  return inBase64(Buffer.from(d, "base64url"));
}

/** The part of it that is the same in whatever bytes it stands among: bytes and characters meet at every third. */
function inBase64(bytes: Buffer): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    return encoded.slice(offset === 0 ? 0 : 4, -4);
  });
}
