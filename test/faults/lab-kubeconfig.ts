/** Kubeconfigs for the lab's Kubernetes that differ from the lab's own: through a proxy, or as another user. */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Kubeconfig {
  clusters: { name: string; cluster: { server: string; "certificate-authority": string } }[];
  users: { name: string; user: { token: string } }[];
}

export interface OwnKubeconfig {
  path: string;
  remove(): void;
}

function ofLab(): Kubeconfig {
  assert.ok(process.env.KUBECONFIG);
  return JSON.parse(readFileSync(process.env.KUBECONFIG, "utf8")) as Kubeconfig;
}

/** `host:port` of the lab's API server. */
export function apiServer(): string {
  return new URL(ofLab().clusters[0]?.cluster.server ?? "").host;
}

/** URL of the lab's API server, the file of its CA, and the token of its administrator. */
export function labOf(): { server: string; ca: string; token: string } {
  const { clusters, users } = ofLab();
  const { server, "certificate-authority": ca } = clusters[0]!.cluster;
  return { server, ca, token: users[0]!.user.token };
}

/**
 * @param address `host:port` to use instead; `url` of a gateway without TLS, which authenticates itself; `token` of
 * another user than the lab's administrator
 */
export function ownKubeconfig({
  address,
  url,
  token,
}: {
  address?: string;
  url?: string;
  token?: string;
}): OwnKubeconfig {
  const folder = mkdtempSync(join(tmpdir(), "own-kubeconfig-"));
  const path = join(folder, "kubeconfig");
  const { clusters, users, ...rest } = ofLab();
  // The server's certificate does not contain the proxy's name.
  const proxied = address && { server: `https://${address}`, "tls-server-name": "kubernetes.default.svc" };
  const text = JSON.stringify({
    ...rest,
    clusters: clusters.map(({ name, cluster }) => ({
      name,
      // HTTP without TLS must be allowed explicitly: @kubernetes/client-node refuses it otherwise.
      cluster: url === undefined ? { ...cluster, ...proxied } : { server: url, "insecure-skip-tls-verify": true },
    })),
    users: users.map(({ name, user }) => ({ name, user: { ...user, ...(token && { token }) } })),
  });
  writeFileSync(path, text, { mode: 0o600 });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
