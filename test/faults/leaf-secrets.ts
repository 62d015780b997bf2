/** Certificates and keys in Secrets, and the certificates that are served from them. */
import { X509Certificate } from "node:crypto";
import { eventually, kubectl } from "../lab/lab";
import type { KeyPair } from "./expired-certificate";
import { servedCertificate } from "./served-certificate";

/** The Secret of each certificate of a Cluster with a read-write pooler and one with its own login. */
export function leafSecrets(cluster: string, explicitPooler: string): string[] {
  const ofCluster = ["server-tls", "replication-tls", "pooler", "pooler-authentication"];
  return [...ofCluster.map((name) => `${cluster}-${name}`), `pooler-${cluster}-rw-tls`, `${explicitPooler}-tls`];
}

export async function serialNumbers(namespace: string, secrets: readonly string[]): Promise<string[]> {
  const leaves = await Promise.all(secrets.map((secret) => leafOf(namespace, secret)));
  return leaves.map(({ certificate }) => new X509Certificate(certificate).serialNumber);
}

/** Waits until the primary and both poolers of `leafSecrets` show their clients the certificates of the Secrets. */
export async function eventuallyServed(cluster: string, explicitPooler: string): Promise<void> {
  for (const [service, secret] of [
    [`${cluster}-rw`, `${cluster}-server-tls`],
    [`pooler-${cluster}-rw`, `pooler-${cluster}-rw-tls`],
    [explicitPooler, `${explicitPooler}-tls`],
  ] as const) {
    const [serial] = await serialNumbers(cluster, [secret]);
    await eventually(
      `${service} serves the certificate of ${secret}`,
      async () => (await servedCertificate(cluster, service)).serialNumber === serial,
      // The operator notifies poolers, and `up` does not wait for it.
      300_000,
    );
  }
}

export async function leafOf(namespace: string, secret: string): Promise<KeyPair> {
  const answer = await kubectl("-n", namespace, "get", "secret", secret, "-o", "json");
  const { data } = JSON.parse(answer) as { data: Record<string, string> };
  const text = (key: string) => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  return { certificate: text("tls.crt"), key: text("tls.key") };
}

/** Replaces a certificate without the program; the key stays. */
export async function replaceCertificate(namespace: string, secret: string, certificate: string): Promise<void> {
  const patch = JSON.stringify({ data: { "tls.crt": Buffer.from(certificate).toString("base64") } });
  await kubectl("-n", namespace, "patch", "secret", secret, "--patch", patch);
}
