/** Reads certificates that are served, and certificates in a bundle. */
import { X509Certificate } from "node:crypto";
import { attempt } from "../../lab/host/command";
import { kubectl } from "../lab/lab";

/** The certificate that a Service in the namespace of a Cluster shows to PostgreSQL's clients. */
export async function servedCertificate(namespace: string, service: string): Promise<X509Certificate> {
  const address = await kubectl("-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}");
  const args = ["s_client", "-starttls", "postgres", "-connect", `${address}:5432`];
  return new X509Certificate((await attempt("openssl", args, { input: "" })).stdout);
}

/** The issuer of the certificate that is served, in one line. */
export async function servedBy(namespace: string, service: string): Promise<string> {
  return (await servedCertificate(namespace, service)).issuer.replace(/\n/g, ", ");
}

/** Subjects of the certificates in PEM, sorted. */
export function certificatesIn(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block).subject.replace(/\n/g, ", ")).sort();
}
