/** Prepares the lab's Vault for an application and the platform's program: logins, and the address of the database. */
import { readFileSync } from "node:fs";
import { connect, createServer, Server, Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { parse } from "yaml";
import { RegistrarScope, vaultDatabasePolicy } from "../../components/vault-database/policies";
import { VAULT } from "../../lab/layout";
import { vaultRequest } from "../../lab/vault/api";
import { kubectl } from "./lab";

export function asRoot<Answer>(
  method: "GET" | "POST" | "DELETE" | "LIST",
  path: string,
  body?: unknown,
): Promise<Answer | undefined> {
  const token = readFileSync(VAULT.rootToken, "utf8").trim();
  return vaultRequest<Answer>(method as "GET", path, body, token);
}

/** A Kubernetes auth method that reviews tokens as the service account `reviewer` of the namespace. */
export async function makeKubernetesAuth(path: string, namespace: string): Promise<void> {
  const kubeconfig = parse(readFileSync(process.env.KUBECONFIG ?? "", "utf8")) as {
    clusters: { cluster: Record<string, string> }[];
  };
  const { server, ...trust } = kubeconfig.clusters[0]!.cluster;
  const inline = trust["certificate-authority-data"];
  const ca = inline ? Buffer.from(inline, "base64").toString() : readFileSync(trust["certificate-authority"]!, "utf8");
  const reviewer = `${path}-reviewer`;
  await kubectl("-n", namespace, "create", "serviceaccount", "reviewer");
  const account = `--serviceaccount=${namespace}:reviewer`;
  await kubectl("create", "clusterrolebinding", reviewer, "--clusterrole=system:auth-delegator", account);
  const token = (await kubectl("-n", namespace, "create", "token", "reviewer", "--duration=2h")).trim();
  await asRoot("POST", `sys/auth/${path}`, { type: "kubernetes" });
  await asRoot("POST", `auth/${path}/config`, {
    kubernetes_host: server,
    kubernetes_ca_cert: ca,
    token_reviewer_jwt: token,
  });
}

export async function removeKubernetesAuth(path: string): Promise<void> {
  await asRoot("DELETE", `sys/auth/${path}`);
  await kubectl("delete", "clusterrolebinding", `${path}-reviewer`, "--ignore-not-found");
}

/** An AppRole with exactly the documented policy of the program. Returns its credentials. */
export async function makeProgram(name: string, scope: RegistrarScope): Promise<NodeJS.ProcessEnv> {
  await asRoot("POST", `sys/policies/acl/${name}`, { policy: vaultDatabasePolicy(scope) });
  await asRoot("POST", `auth/approle/role/${name}`, { token_policies: [name], token_ttl: "30m" });
  const id = await asRoot<{ data: { role_id: string } }>("GET", `auth/approle/role/${name}/role-id`);
  const secret = await asRoot<{ data: { secret_id: string } }>("POST", `auth/approle/role/${name}/secret-id`, {});
  return { VAULT_ROLE_ID: id!.data.role_id, VAULT_SECRET_ID: secret!.data.secret_id };
}

export async function removeProgram(name: string): Promise<void> {
  await asRoot("DELETE", `auth/approle/role/${name}`);
  await asRoot("DELETE", `sys/policies/acl/${name}`);
}

/**
 * Lets the lab's Vault, which cannot resolve names of the cluster, reach a host as `localhost`. The host is looked up
 * for each connection, so it need not exist yet.
 */
export async function forwardTo(host: string): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(5432, host);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => [client, upstream].forEach((each) => each.destroy()));
      socket.on("close", () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  };
  return { port: (server.address() as AddressInfo).port, close };
}
