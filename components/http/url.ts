/** Addresses of servers that are reached over HTTP. Pure. */

/** Whether it names a server with its scheme. `localhost:8200` is a URL, too: of the scheme `localhost`. */
export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^/]/i.test(text);
}
