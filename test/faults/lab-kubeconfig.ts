/** Kubeconfigs that lead to the lab's Kubernetes otherwise than the lab's own: through a proxy, or as somebody else. */
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

/** @param address `host:port` that is asked instead; `token` of another user than the lab's administrator */
export function ownKubeconfig({ address, token }: { address?: string; token?: string }): OwnKubeconfig {
  const folder = mkdtempSync(join(tmpdir(), "own-kubeconfig-"));
  const path = join(folder, "kubeconfig");
  const { clusters, users, ...rest } = ofLab();
  // The server's certificate has no name of a proxy's.
  const proxied = address && { server: `https://${address}`, "tls-server-name": "kubernetes.default.svc" };
  const text = JSON.stringify({
    ...rest,
    clusters: clusters.map(({ name, cluster }) => ({ name, cluster: { ...cluster, ...proxied } })),
    users: users.map(({ name, user }) => ({ name, user: { ...user, ...(token && { token }) } })),
  });
  writeFileSync(path, text, { mode: 0o600 });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
