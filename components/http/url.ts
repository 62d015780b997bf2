/** URLs of HTTP servers. Pure. */

/**
 * Whether the text is a URL that begins with http:// or https://. `localhost:8200` is a URL too, with the scheme
 * `localhost`.
 */
export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^/]/i.test(text);
}
