/** The two signing roles: one only for servers, one only for two clients. */
import * as vault from "@pulumi/vault";
import { Authority } from "./authorities";
import { ROLES } from "./settings";

/** 90 days, the lifetime that the library requests. In seconds, as Vault returns it. */
const LEAF_MAX_TTL = String(90 * 86_400);

const LEAF = {
  // The library creates P-256 keys.
  keyType: "ec",
  keyBits: 256,
  // Set explicitly, because the provider does not know Vault's default, and would show a change in every run.
  keyUsages: ["DigitalSignature", "KeyEncipherment"],
  allowLocalhost: false,
  maxTtl: LEAF_MAX_TTL,
};

const NAMES = {
  /**
   * Any name, because databases are added and removed. Only clients of these databases trust this CA, and the role is
   * only for servers.
   */
  server: { allowAnyName: true, allowIpSans: true, enforceHostnames: false, serverFlag: true, clientFlag: false },
  /**
   * Only CloudNativePG's own clients. Names of its users have underscores, which host names must not have. So enforceHostnames
   * is false. cnValidations keeps Vault's default: `disabled` would allow any name, whatever allowedDomains says.
   */
  client: {
    allowBareDomains: true,
    allowIpSans: false,
    enforceHostnames: false,
    serverFlag: false,
    clientFlag: true,
  },
};

/** Creates the role for servers or for clients in the mount of its CA. `allowedDomains` are the names of clients. */
export function signingRole(use: keyof typeof ROLES, { mount, ready }: Authority, allowedDomains?: string[]): void {
  new vault.pkisecret.SecretBackendRole(
    use,
    { backend: mount, name: ROLES[use], allowedDomains, ...LEAF, ...NAMES[use] },
    { dependsOn: [ready] },
  );
}
