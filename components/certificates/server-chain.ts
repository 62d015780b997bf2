/**
 * The chain that a server sends: its certificate and the intermediate CAs, which clients need if they know only the root
 * (RFC 8446, 4.4.2). The root is left out: a client that does not have it would not trust it. Pure.
 */
import { X509Certificate } from "node:crypto";
import { isIssuer } from "./ca-bundle";
import { readPem, toPem } from "./pem";

/**
 * The unchanged certificate if its CA is a root. Otherwise the certificate and the CAs above it, without the root.
 *
 * @param caChain PEM of the CAs above the certificate
 */
export function serverChain(certificate: string, caChain: string): string {
  const known = readPem(caChain).certificates;
  const above: X509Certificate[] = [];
  let last = new X509Certificate(certificate);
  for (;;) {
    const issuers = known.filter((other) => isIssuer(other, last) && !above.includes(other));
    // If a CA has its own root and is also cross-signed by another CA, clients know the root.
    if (issuers.length === 0 || issuers.some((issuer) => isIssuer(issuer, issuer))) break;
    last = issuers[0] as X509Certificate;
    above.push(last);
  }
  return above.length === 0 ? certificate : `${certificate.trim()}\n${toPem(above)}`;
}
