/** A root with two levels of intermediate CAs, in mounts of a test's own Vault. */
import { OwnVault } from "./own-vault";
import { clientRole, KEY, SERVER_ROLE } from "./signing-roles";

const CLIENT = clientRole(["streaming_replica", "cnpg_pooler_pgbouncer"]);

/**
 * Creates the mounts `root`, `between` and `pki`; `cut`, whose chain ends below the root; and `ending`, whose CA
 * expires in 600 h. In `pki` it creates the correct roles and roles with one mistake each.
 *
 * @returns PEM of the root
 */
export async function makeChain(vault: OwnVault): Promise<string> {
  for (const mount of ["root", "between", "pki", "cut", "ending"]) {
    await vault.request("POST", `sys/mounts/${mount}`, { type: "pki", config: { max_lease_ttl: "87600h" } });
  }
  const generated = await vault.request("POST", "root/root/generate/internal", {
    common_name: "root",
    ttl: "43800h",
    ...KEY,
  });
  const root = generated.data?.certificate as string;
  const between = await signedBy(vault, "root", "between");
  await setSigned(vault, "between", [between, root]);
  await setSigned(vault, "pki", [await signedBy(vault, "between", "pki"), between, root]);
  await setSigned(vault, "cut", [await signedBy(vault, "between", "cut"), between]);
  await setSigned(vault, "ending", [await signedBy(vault, "between", "ending", "600h"), between, root]);
  const roles = {
    "pki/roles/server": SERVER_ROLE,
    "pki/roles/client": CLIENT,
    "cut/roles/server": SERVER_ROLE,
    "cut/roles/client": CLIENT,
    "pki/roles/one-domain": {
      ...SERVER_ROLE,
      allow_any_name: false,
      allowed_domains: ["example.com"],
      allow_subdomains: true,
    },
    "pki/roles/rsa": { ...SERVER_ROLE, key_type: "rsa", key_bits: 3072 },
    "pki/roles/no-addresses": { ...SERVER_ROLE, allow_ip_sans: false },
    "ending/roles/server": SERVER_ROLE,
    "pki/roles/short": { ...SERVER_ROLE, max_ttl: "24h" },
    "pki/roles/for-clients": { ...SERVER_ROLE, server_flag: false, client_flag: true },
    "pki/roles/other-clients": clientRole(["somebody"]),
  };
  for (const [path, role] of Object.entries(roles)) await vault.request("POST", path, role);
  return root;
}

async function signedBy(vault: OwnVault, above: string, mount: string, ttl = "40000h"): Promise<string> {
  const generate = `${mount}/intermediate/generate/internal`;
  const { data } = await vault.request("POST", generate, { common_name: mount, ...KEY });
  const body = { csr: data?.csr, common_name: mount, ttl, format: "pem" };
  const signed = await vault.request("POST", `${above}/root/sign-intermediate`, body);
  return signed.data?.certificate as string;
}

/** The issuer with a key becomes the mount's default. */
async function setSigned(vault: OwnVault, mount: string, chain: string[]): Promise<void> {
  const { data } = await vault.request("POST", `${mount}/intermediate/set-signed`, { certificate: chain.join("\n") });
  const issuer = Object.entries((data?.mapping ?? {}) as Record<string, string>).find(([, key]) => key)?.[0];
  await vault.request("POST", `${mount}/config/issuers`, { default: issuer });
}

/** Sets how Vault treats a request that outlives the CA `ending`: `err`, which is Vault's default, or `truncate`. */
export async function setAtEnd(vault: OwnVault, behavior: "err" | "truncate"): Promise<void> {
  await vault.request("POST", "ending/issuer/default", { leaf_not_after_behavior: behavior });
}

/** An AppRole that may have requests signed by any role except `forbidden`, and read the roles of `pki`. */
export async function makeLogin(vault: OwnVault): Promise<{ VAULT_ROLE_ID: string; secretId: () => Promise<string> }> {
  const policy = ["pki", "cut", "ending", "nowhere"]
    .map((mount) => `path "${mount}/sign/*" { capabilities = ["update"] }`)
    .concat('path "pki/sign/forbidden" { capabilities = ["deny"] }', 'path "pki/roles/*" { capabilities = ["read"] }')
    .join("\n");
  await vault.request("POST", "sys/auth/approle", { type: "approle" });
  await vault.request("POST", "sys/policies/acl/program", { policy });
  await vault.request("POST", "auth/approle/role/program", { token_policies: ["program"], token_ttl: "30m" });
  const { data } = await vault.request("GET", "auth/approle/role/program/role-id");
  const secretId = async () => {
    const made = await vault.request("POST", "auth/approle/role/program/secret-id", {});
    return made.data?.secret_id as string;
  };
  return { VAULT_ROLE_ID: data?.role_id as string, secretId };
}
