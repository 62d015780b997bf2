/** Vault policies: what a consumer may, and what this program may. Pure. */
import { consumerName, credentialsPath } from "./settings";

/**
 * A consumer fetches credentials of its role, renews and revokes those (and no other lease), and renews its own token.
 * Given together with `token_no_default_policy`, it is all that the token can.
 */
export function consumerPolicy(mount: string, role: string): string {
  const path = credentialsPath(mount, role);
  const lease = (action: "renew" | "revoke", also: string) => `
path "sys/leases/${action}" {
  capabilities = ["update"]
  allowed_parameters = { "lease_id" = ["${path}/*"]${also} }
}
path "sys/leases/${action}/${path}/*" { capabilities = ["update"] }`;
  return `path "${path}" { capabilities = ["read"] }
${lease("renew", `, "increment" = []`)}
${lease("revoke", `, "sync" = []`)}

path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
`.replace(/\n{3,}/g, "\n\n");
}

/** What the program makes in Vault. */
export interface RegistrarScope {
  /** Path of the database secrets engine. */
  mount: string;
  /** Whether the program makes the mount itself. */
  makesMount?: boolean;
  /** Name of the connection. */
  connection: string;
  /** Names of its roles. */
  roles: string[];
  /** Path of Kubernetes authentication, where consumers log in by it. */
  kubernetesAuth?: string;
  /** Whether the program makes it itself. */
  makesKubernetesAuth?: boolean;
}

const ALL = `["create", "read", "update", "delete"]`;

/**
 * What the program's login needs to make and remove one VaultDatabase. It can read no credentials of a role.
 *
 * Mind that whoever writes a policy and the role that gives it can give himself any right. So the policies that are
 * written by it are pinned to their text, and each role to its policy: what is more than that, Vault refuses.
 */
export function vaultDatabasePolicy(scope: RegistrarScope): string {
  const { mount, connection, roles, kubernetesAuth } = scope;
  const rules = [
    ...(scope.makesMount
      ? [
          `path "sys/mounts/${mount}" { capabilities = ${ALL} }`,
          `path "sys/mounts/${mount}/tune" { capabilities = ["read", "update"] }`,
        ]
      : []),
    `path "${mount}/config/${connection}" { capabilities = ${ALL} }`,
    `path "${mount}/rotate-root/${connection}" { capabilities = ["update"] }`,
    ...roles.flatMap((role) => roleRules(scope, role)),
    ...(kubernetesAuth !== undefined && scope.makesKubernetesAuth
      ? [
          `path "sys/auth/${kubernetesAuth}" { capabilities = ["create", "read", "update", "delete", "sudo"] }`,
          // @pulumi/vault enables a login below sys/auth, but reads and tunes it here.
          `path "sys/mounts/auth/${kubernetesAuth}" { capabilities = ["read"] }`,
          `path "sys/mounts/auth/${kubernetesAuth}/tune" { capabilities = ["read", "update"] }`,
          `path "auth/${kubernetesAuth}/config" { capabilities = ${ALL} }`,
        ]
      : []),
  ];
  return `${rules.join("\n")}\n`;
}

function roleRules({ mount, connection, kubernetesAuth }: RegistrarScope, role: string): string[] {
  const name = consumerName(connection, role);
  const revoke = (how: string) =>
    `path "sys/leases/${how}/${credentialsPath(mount, role)}" { capabilities = ["update", "sudo"] }`;
  const text = JSON.stringify(consumerPolicy(mount, role));
  return [
    `path "${mount}/roles/${role}" { capabilities = ${ALL} }`,
    revoke("revoke-prefix"),
    revoke("revoke-force"),
    `path "sys/policies/acl/${name}" {
  capabilities = ${ALL}
  allowed_parameters = { "policy" = [${text}] }
}`,
    ...(kubernetesAuth === undefined
      ? []
      : [
          `path "auth/${kubernetesAuth}/role/${name}" {
  capabilities = ${ALL}
  allowed_parameters = { "token_policies" = [["${name}"]], "token_no_default_policy" = [true], "*" = [] }
  denied_parameters = { "policies" = [] }
}`,
        ]),
  ];
}
