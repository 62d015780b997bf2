/**
 * The content of the lab's Vault: a PKI with a root and intermediates with their roles, KV, and the program's
 * AppRole.
 */
import { existsSync } from "node:fs";
import { VAULT } from "../layout";
import { readTrimmed, writeWhole } from "../host/private-file";
import { vaultRequest } from "./api";

const TEN_YEARS = "87600h";
const FIVE_YEARS = "43800h";
const NINETY_DAYS = "2160h";
const APPROLE = "cnpg-teleport";

/**
 * Intermediates below the root, and their roles. Servers and clients have separate CAs, as docs/vault.md describes: if
 * one CA signs for both, PostgreSQL completes the chain of its server certificate from the client-CA bundle, and
 * nobody notices that the chain is not sent. In `pki_int` one CA has both roles, as in some companies.
 */
const INTERMEDIATES: Record<string, { commonName: string; roles: ("postgres-server" | "postgres-client")[] }> = {
  pki_server: { commonName: "cnpg-teleport lab PostgreSQL servers", roles: ["postgres-server"] },
  pki_client: { commonName: "cnpg-teleport lab PostgreSQL clients", roles: ["postgres-client"] },
  pki_int: {
    commonName: "cnpg-teleport lab PostgreSQL intermediate",
    roles: ["postgres-server", "postgres-client"],
  },
};

/** The program's policy, as in docs/permissions.md: it may have requests signed, and read the mounts and roles. */
const POLICY = Object.entries(INTERMEDIATES)
  .flatMap(([mount, { roles }]) => [
    `path "sys/mounts/${mount}" { capabilities = ["read"] }`,
    ...roles.map((role) => `path "${mount}/sign/${role}" { capabilities = ["update"] }`),
    ...roles.map((role) => `path "${mount}/roles/${role}" { capabilities = ["read"] }`),
  ])
  .join("\n");

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
 * Allows only CloudNativePG's users, and PgBouncer's with explicit authentication. Names with an underscore are not
 * host names, and host names are not enforced. `cn_validations: disabled` would allow any name.
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

const ROLES = { "postgres-server": SERVER_ROLE, "postgres-client": CLIENT_ROLE };

/** Brings Vault to the desired state, and skips what is already done. */
export async function configureVault(token: string): Promise<void> {
  const write = <Answer>(path: string, body: unknown) => vaultRequest<Answer>("POST", path, body, token);
  const read = <Answer>(path: string) => vaultRequest<Answer>("GET", path, undefined, token);

  const mounts = (await read<{ data: Record<string, unknown> }>("sys/mounts"))?.data ?? {};
  const mount = async (path: string, body: unknown) => mounts[`${path}/`] ?? (await write(`sys/mounts/${path}`, body));
  await mount("pki", { type: "pki", config: { max_lease_ttl: TEN_YEARS } });
  await mount("secret", { type: "kv", options: { version: "2" } });

  if (!(await hasIssuer(read, "pki"))) await makeRoot(write);
  for (const [path, { commonName, roles }] of Object.entries(INTERMEDIATES)) {
    await mount(path, { type: "pki", config: { max_lease_ttl: FIVE_YEARS } });
    if (!(await hasIssuer(read, path))) await makeIntermediate(path, commonName, read, write);
    for (const role of roles) await write(`${path}/roles/${role}`, ROLES[role]);
  }

  const methods = (await read<{ data: Record<string, unknown> }>("sys/auth"))?.data ?? {};
  if (!methods["approle/"]) await write("sys/auth/approle", { type: "approle" });
  await write(`sys/policies/acl/${APPROLE}`, { policy: POLICY });
  await write(`auth/approle/role/${APPROLE}`, {
    token_policies: [APPROLE],
    token_ttl: "1h",
    token_max_ttl: "4h",
    secret_id_ttl: "0", // never: the lab's credentials are in files that only its owner can read
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
type Read = <Answer>(path: string) => Promise<Answer | undefined>;

const hasIssuer = (read: Read, mount: string) => read(`${mount}/issuer/default`).catch(() => undefined);

async function makeRoot(write: Write): Promise<void> {
  await write("pki/root/generate/internal", {
    common_name: "cnpg-teleport lab PostgreSQL root",
    issuer_name: "root",
    key_type: "ec",
    key_bits: 256,
    ttl: TEN_YEARS,
  });
}

/** Creates an intermediate signed by the root. The root is imported with it, so that `ca_chain` has both. */
async function makeIntermediate(mount: string, commonName: string, read: Read, write: Write): Promise<void> {
  const root = await read<{ data: { certificate: string } }>("pki/cert/ca");
  const request = await write<{ data: { csr: string } }>(`${mount}/intermediate/generate/internal`, {
    common_name: commonName,
    key_type: "ec",
    key_bits: 256,
  });
  const signed = await write<{ data: { certificate: string } }>("pki/root/sign-intermediate", {
    csr: request?.data.csr,
    common_name: commonName,
    ttl: FIVE_YEARS,
    format: "pem",
  });
  const chain = [signed?.data.certificate, root?.data.certificate].join("\n");
  const imported = await write<{ data: { mapping: Record<string, string> } }>(`${mount}/intermediate/set-signed`, {
    certificate: chain,
  });
  // Of the two imported issuers, the intermediate is the one with a key.
  const issuer = Object.entries(imported?.data.mapping ?? {}).find(([, key]) => key)?.[0];
  await write(`${mount}/config/issuers`, { default: issuer });
}

async function secretIdWorks(): Promise<boolean> {
  if (!existsSync(VAULT.secretId)) return false;
  const credentials = { role_id: readTrimmed(VAULT.roleId), secret_id: readTrimmed(VAULT.secretId) };
  return vaultRequest("POST", "auth/approle/login", credentials).then(Boolean, () => false);
}
