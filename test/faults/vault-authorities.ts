/** Separate CAs for a test in mounts of the lab's Vault, signing roles, and a login that may have requests signed. */
import { asRoot } from "../lab/app-vault";
import { clientRole, KEY, SERVER_ROLE } from "./signing-roles";

const ROLES = {
  server: SERVER_ROLE,
  client: {
    ...clientRole(["streaming_replica", "cnpg_pooler_pgbouncer", "pooler_authentication"]),
    allow_localhost: false,
  },
};

export async function makeMount(path: string): Promise<void> {
  await asRoot("POST", `sys/mounts/${path}`, { type: "pki", config: { max_lease_ttl: "87600h" } });
}

/** A root of the mount. The first is the default; roles name others as `issuer`. */
export async function makeRoot(mount: string, commonName: string, issuer: string): Promise<void> {
  const root = { common_name: commonName, issuer_name: issuer, exclude_cn_from_sans: true, ttl: "43800h", ...KEY };
  await asRoot("POST", `${mount}/root/generate/internal`, root);
}

/** A role for a use. It signs with the named issuer, otherwise with the mount's default. */
export async function makeRole(mount: string, role: string, use: "server" | "client", issuer?: string): Promise<void> {
  await asRoot("POST", `${mount}/roles/${role}`, { ...ROLES[use], ...(issuer && { issuer_ref: issuer }) });
}

/** An AppRole that may only have requests signed, by the roles at `<mount>/sign/<role>`. */
export async function makeSigningProgram(name: string, roles: readonly string[]): Promise<NodeJS.ProcessEnv> {
  const policy = roles.map((path) => `path "${path}" { capabilities = ["update"] }`).join("\n");
  await asRoot("POST", `sys/policies/acl/${name}`, { policy });
  await asRoot("POST", `auth/approle/role/${name}`, { token_policies: [name], token_ttl: "30m" });
  const id = await asRoot<{ data: { role_id: string } }>("GET", `auth/approle/role/${name}/role-id`);
  const secret = await asRoot<{ data: { secret_id: string } }>("POST", `auth/approle/role/${name}/secret-id`, {});
  return { VAULT_ROLE_ID: id?.data.role_id, VAULT_SECRET_ID: secret?.data.secret_id };
}

export async function removeMounts(paths: readonly string[]): Promise<void> {
  for (const path of paths) await asRoot("DELETE", `sys/mounts/${path}`);
}
