/** What the lab's Vault holds: a PKI of root and intermediate with two roles, KV, and the program's AppRole. */
import { existsSync } from "node:fs";
import { VAULT } from "../layout";
import { readTrimmed, writeWhole } from "../host/private-file";
import { vaultRequest } from "./api";

const TEN_YEARS = "87600h";
const FIVE_YEARS = "43800h";
const NINETY_DAYS = "2160h";
const APPROLE = "cnpg-teleport";

/** All that the program may, as in the project's README: have its requests signed. */
const POLICY = `
path "pki_int/sign/postgres-server" { capabilities = ["update"] }
path "pki_int/sign/postgres-client" { capabilities = ["update"] }
`;

const leaf = {
  key_type: "any",
  key_usage: ["DigitalSignature", "KeyEncipherment"],
  enforce_hostnames: false,
  max_ttl: NINETY_DAYS,
  use_csr_common_name: true,
  use_csr_sans: true,
};

const SERVER_ROLE = { ...leaf, allow_any_name: true, server_flag: true, client_flag: false };

/**
 * Only CloudNativePG's users, and PgBouncer's with explicit authentication. Names with an underscore are no host names,
 * which are not enforced; `cn_validations: disabled` would let any name pass.
 */
const CLIENT_ROLE = {
  ...leaf,
  allowed_domains: ["streaming_replica", "cnpg_pooler_pgbouncer", "pooler_authentication"],
  allow_bare_domains: true,
  allow_localhost: false,
  allow_ip_sans: false,
  server_flag: false,
  client_flag: true,
};

/** Brings Vault to the wanted state; does nothing that is done already. */
export async function configureVault(token: string): Promise<void> {
  const write = <Answer>(path: string, body: unknown) => vaultRequest<Answer>("POST", path, body, token);
  const read = <Answer>(path: string) => vaultRequest<Answer>("GET", path, undefined, token);

  const mounts = (await read<{ data: Record<string, unknown> }>("sys/mounts"))?.data ?? {};
  const mount = async (path: string, body: unknown) => mounts[`${path}/`] ?? (await write(`sys/mounts/${path}`, body));
  await mount("pki", { type: "pki", config: { max_lease_ttl: TEN_YEARS } });
  await mount("pki_int", { type: "pki", config: { max_lease_ttl: FIVE_YEARS } });
  await mount("secret", { type: "kv", options: { version: "2" } });

  if (!(await read("pki_int/issuer/default").catch(() => undefined))) await makeAuthorities(write);
  await write("pki_int/roles/postgres-server", SERVER_ROLE);
  await write("pki_int/roles/postgres-client", CLIENT_ROLE);

  const methods = (await read<{ data: Record<string, unknown> }>("sys/auth"))?.data ?? {};
  if (!methods["approle/"]) await write("sys/auth/approle", { type: "approle" });
  await write(`sys/policies/acl/${APPROLE}`, { policy: POLICY });
  await write(`auth/approle/role/${APPROLE}`, {
    token_policies: [APPROLE],
    token_ttl: "1h",
    token_max_ttl: "4h",
    secret_id_ttl: "0", // never: a lab's credentials lie in files of its owner alone
    secret_id_num_uses: 0,
  });
  const role = await read<{ data: { role_id: string } }>(`auth/approle/role/${APPROLE}/role-id`);
  writeWhole(VAULT.roleId, `${role?.data.role_id}\n`);
  if (!(await secretIdWorks())) {
    const made = await write<{ data: { secret_id: string } }>(`auth/approle/role/${APPROLE}/secret-id`, {});
    writeWhole(VAULT.secretId, `${made?.data.secret_id}\n`);
  }
}

type Write = <Answer>(path: string, body: unknown) => Promise<Answer | undefined>;

/** A root, and an intermediate signed by it. The root is imported with it, so that `ca_chain` has both. */
async function makeAuthorities(write: Write): Promise<void> {
  const root = await write<{ data: { certificate: string } }>("pki/root/generate/internal", {
    common_name: "cnpg-teleport lab PostgreSQL root",
    issuer_name: "root",
    key_type: "ec",
    key_bits: 256,
    ttl: TEN_YEARS,
  });
  const request = await write<{ data: { csr: string } }>("pki_int/intermediate/generate/internal", {
    common_name: "cnpg-teleport lab PostgreSQL intermediate",
    key_type: "ec",
    key_bits: 256,
  });
  const signed = await write<{ data: { certificate: string } }>("pki/root/sign-intermediate", {
    csr: request?.data.csr,
    common_name: "cnpg-teleport lab PostgreSQL intermediate",
    ttl: FIVE_YEARS,
    format: "pem",
  });
  const chain = [signed?.data.certificate, root?.data.certificate].join("\n");
  const imported = await write<{ data: { mapping: Record<string, string> } }>("pki_int/intermediate/set-signed", {
    certificate: chain,
  });
  // Of the two imported issuers, the one that has a key is the intermediate.
  const issuer = Object.entries(imported?.data.mapping ?? {}).find(([, key]) => key)?.[0];
  await write("pki_int/config/issuers", { default: issuer });
}

async function secretIdWorks(): Promise<boolean> {
  if (!existsSync(VAULT.secretId)) return false;
  const credentials = { role_id: readTrimmed(VAULT.roleId), secret_id: readTrimmed(VAULT.secretId) };
  return vaultRequest("POST", "auth/approle/login", credentials).then(Boolean, () => false);
}
