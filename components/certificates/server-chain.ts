/**
 * What a server sends: its certificate, and the CAs between it and the root, which clients that know only the root need
 * (RFC 8446, 4.4.2). The root itself is of no use to anybody: who does not have it does not trust it. Pure.
 */
import { X509Certificate } from "node:crypto";
import { isIssuer } from "./ca-bundle";
import { readPem, toPem } from "./pem";

/**
 * The certificate as it came where its CA is a root; else with the CAs above it, up to but not including the root.
 *
 * @param caChain PEM that holds the CAs above the certificate
 */
export function serverChain(certificate: string, caChain: string): string {
  const known = readPem(caChain).certificates;
  const above: X509Certificate[] = [];
  let last = new X509Certificate(certificate);
  for (;;) {
    const issuers = known.filter((other) => isIssuer(other, last) && !above.includes(other));
    // Where a CA has a root of its own and is signed by another one too, clients know the root.
    if (issuers.length === 0 || issuers.some((issuer) => isIssuer(issuer, issuer))) break;
    last = issuers[0] as X509Certificate;
    above.push(last);
  }
  return above.length === 0 ? certificate : `${certificate.trim()}\n${toPem(above)}`;
}
