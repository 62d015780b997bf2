/**
 * An administrator of Vault runs this program once (VAULT_ADDR, and VAULT_TOKEN or `vault login`). It creates the
 * CAs, the two roles, and a login that may only have requests signed and read the mounts and roles. The outputs are the
 * settings for `Pulumi.<env>.yaml`.
 *
 * In Teleport, the administrator creates the role in docs/permissions.md, "Teleport role", with `tctl create`.
 */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { clientAuthority, serverAuthority } from "./authorities";
import { signingRole } from "./roles";
import { BootstrapSettings, checked, clients, policy, ROLES } from "./settings";

const settings = readSettings();
// Protects every resource. If some were not protected, `destroy` would delete these before it refuses the rest.
pulumi.runtime.registerStackTransformation(({ props, opts }) => ({
  props,
  opts: { ...opts, protect: settings.protect },
}));
const serverCa = serverAuthority(settings);
const clientCa = clientAuthority(settings);
signingRole("server", serverCa);
signingRole("client", clientCa, clients(settings));

const login = settings.approleExists
  ? undefined
  : new vault.AuthBackend("approle", { type: "approle", path: settings.approleMount });
const signs = new vault.Policy("signs", { name: settings.name, policy: policy(settings) });
const approle = new vault.approle.AuthBackendRole("approle", {
  backend: login?.path ?? settings.approleMount,
  roleName: settings.name,
  tokenPolicies: [signs.name],
  // @pulumi/vault logs in once and does not renew its token. It can need the token until the end of an `up`: users from
  // Vault are created after the Clusters. Each Cluster, and then its Poolers, may take `readyMinutes`.
  tokenTtl: 2 * 60 * 60,
  tokenMaxTtl: 4 * 60 * 60,
});

/** For VAULT_ROLE_ID. It identifies the login, like a user name, and is not secret. */
export const roleId = approle.roleId;
/**
 * A command that prints a secret ID for VAULT_SECRET_ID. The secret ID is not created here, because it would be in
 * the state.
 */
export const secretIdCommand = pulumi.interpolate`vault write -f -field=secret_id auth/${approle.backend}/role/${approle.roleName}/secret-id`;
/** For `cnpg-teleport:vault`. */
export const vaultSettings = { auth: { method: "approle", mount: settings.approleMount } };
/** For `issuer` of a database, or of `cnpg-teleport:defaults`. */
export const issuer = {
  type: "vault",
  server: { mount: serverCa.mount, role: ROLES.server },
  client: { mount: clientCa.mount, role: ROLES.client },
};

function readSettings(): BootstrapSettings {
  const config = new pulumi.Config();
  try {
    return checked({
      rootMount: config.get("rootMount") ?? "pki_postgres_root",
      rootExists: config.getBoolean("rootExists") ?? false,
      serverMount: config.get("serverMount") ?? "pki_postgres",
      clientMount: config.get("clientMount") ?? "pki_postgres_clients",
      formerServerMount: config.get("formerServerMount"),
      formerClientMount: config.get("formerClientMount"),
      approleMount: config.get("approleMount") ?? "approle",
      approleExists: config.getBoolean("approleExists") ?? false,
      name: config.get("name") ?? "cnpg-teleport",
      explicitPoolers: config.getBoolean("explicitPoolers") ?? false,
      backupPlugin: config.getBoolean("backupPlugin") ?? false,
      protect: config.getBoolean("protect") ?? true,
    });
  } catch (error) {
    // A RunError is shown without a stack trace.
    throw new pulumi.RunError(error instanceof Error ? error.message : String(error));
  }
}
