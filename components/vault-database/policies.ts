/** Vault policies of consumers and of this program. Pure. */
import { consumerName, credentialsPath } from "./settings";

/**
 * A consumer reads credentials of its role, renews and revokes those leases and no others, and renews its own token.
 * Together with `token_no_default_policy`, this is all that the token allows.
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

/** What the program creates in Vault. */
export interface RegistrarScope {
  /** Path of the database secrets engine. */
  mount: string;
  /** Whether the program creates the mount. */
  makesMount?: boolean;
  /** Name of the connection. */
  connection: string;
  /** Names of the roles of the connection. */
  roles: string[];
  /** Path of the Kubernetes auth method, if consumers log in by it. */
  kubernetesAuth?: string;
  /** Whether the program creates this auth method. */
  makesKubernetesAuth?: boolean;
}

/** What a database secrets engine and a Kubernetes auth method can contain. A mount that contains any of it is not deleted. */
export const ENGINE_CONTENTS = ["config", "roles", "static-roles"];
export const AUTH_METHOD_CONTENTS = ["role"];

const listed = (path: string) => `path "${path}/" { capabilities = ["list"] }`;

const ALL = `["create", "read", "update", "delete"]`;

/**
 * The policy that the program's login needs to create and remove one VaultDatabase. It cannot read credentials of a
 * role.
 *
 * A login that may write both a policy and the role that uses it could give itself any right. So the policy pins the
 * text of the policies that the program may write, and the policy of each role. Vault refuses anything else.
 */
export function vaultDatabasePolicy(scope: RegistrarScope): string {
  const { mount, connection, roles, kubernetesAuth } = scope;
  const rules = [
    ...(scope.makesMount
      ? [
          `path "sys/mounts/${mount}" { capabilities = ${ALL} }`,
          `path "sys/mounts/${mount}/tune" { capabilities = ["read", "update"] }`,
          ...ENGINE_CONTENTS.map((kind) => listed(`${mount}/${kind}`)),
        ]
      : []),
    `path "${mount}/config/${connection}" { capabilities = ${ALL} }`,
    `path "${mount}/rotate-root/${connection}" { capabilities = ["update"] }`,
    ...roles.flatMap((role) => roleRules(scope, role)),
    ...(kubernetesAuth !== undefined && scope.makesKubernetesAuth
      ? [
          `path "sys/auth/${kubernetesAuth}" { capabilities = ["create", "read", "update", "delete", "sudo"] }`,
          // @pulumi/vault enables an auth method at sys/auth, but reads and tunes it here.
          `path "sys/mounts/auth/${kubernetesAuth}" { capabilities = ["read"] }`,
          `path "sys/mounts/auth/${kubernetesAuth}/tune" { capabilities = ["read", "update"] }`,
          `path "auth/${kubernetesAuth}/config" { capabilities = ${ALL} }`,
          ...AUTH_METHOD_CONTENTS.map((kind) => listed(`auth/${kubernetesAuth}/${kind}`)),
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
