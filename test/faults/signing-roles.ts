/** Keys and roles of Vault's PKI as in docs/vault.md. */

export const KEY = { key_type: "ec", key_bits: 256 };
const LEAF = {
  key_type: "any",
  key_usage: ["DigitalSignature", "KeyEncipherment"],
  enforce_hostnames: false,
  max_ttl: "2160h",
};

/** Signs for servers of any name. */
export const SERVER_ROLE = { ...LEAF, allow_any_name: true, server_flag: true, client_flag: false };

/** Signs for clients of these names. */
export function clientRole(allowed: readonly string[]): object {
  return { ...LEAF, allowed_domains: allowed, allow_bare_domains: true, server_flag: false, client_flag: true };
}
