/** The two roles that sign: one for servers only, one for two clients only. */
import * as vault from "@pulumi/vault";
import { Authority } from "./authorities";
import { ROLES } from "./settings";

/** 90 days, which is what the library asks for; in seconds, as Vault gives it back. */
const LEAF_MAX_TTL = String(90 * 86_400);

const LEAF = {
  // What the library makes: P-256.
  keyType: "ec",
  keyBits: 256,
  // Explicit, because Vault's own default is not known to the provider, which would see a change each time.
  keyUsages: ["DigitalSignature", "KeyEncipherment"],
  allowLocalhost: false,
  maxTtl: LEAF_MAX_TTL,
};

const NAMES = {
  /** Any name, because databases come and go; nothing else trusts this CA, and these are for servers only. */
  server: { allowAnyName: true, allowIpSans: true, enforceHostnames: false, serverFlag: true, clientFlag: false },
  /**
   * CloudNativePG's own users and nobody else. No host name has an underscore, hence enforceHostnames: false.
   * cnValidations stays as Vault has it: `disabled` would let any name pass, whatever allowedDomains says.
   */
  client: {
    allowBareDomains: true,
    allowIpSans: false,
    enforceHostnames: false,
    serverFlag: false,
    clientFlag: true,
  },
};

/** Makes the role of a use in the mount of its CA; `allowedDomains` are the clients' names. */
export function signingRole(use: keyof typeof ROLES, { mount, ready }: Authority, allowedDomains?: string[]): void {
  new vault.pkisecret.SecretBackendRole(
    use,
    { backend: mount, name: ROLES[use], allowedDomains, ...LEAF, ...NAMES[use] },
    { dependsOn: [ready] },
  );
}
