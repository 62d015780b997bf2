/** What a VaultDatabase creates in Vault for each of its roles: the role, a policy, and the login of its consumer. */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { seconds } from "./check";
import { consumerPolicy } from "./policies";
import { roleStatements } from "./role-scripts";
import { CredentialsConsumer, CredentialsRole, credentialsPath, DEFAULTS, VaultUserNames } from "./settings";
import type { CredentialsOutputs } from "./vault-database-args";

/** Arguments for the resources of one role. */
interface RoleArgs {
  role: string;
  /** Name of its policy. */
  policy: string;
  settings: CredentialsRole;
  mount: pulumi.Output<string>;
  connection: string;
  names: pulumi.Output<VaultUserNames>;
  /** Path of the Kubernetes auth method. */
  auth: pulumi.Output<string> | undefined;
  parent: pulumi.Resource;
}

/**
 * Creates the resources of one role. At destroy, the role is deleted before the leases are revoked, so that Vault
 * gives out no new ones meanwhile.
 */
export function createRole(
  name: string,
  made: RoleArgs,
  leases: pulumi.Resource,
): pulumi.Output<[string, CredentialsOutputs]> {
  const { role, policy: policyName, settings, mount, connection, names, auth, parent } = made;
  const statements = names.apply((known) => roleStatements(known, settings));
  const ttls = {
    defaultTtl: seconds(settings.defaultTtl ?? DEFAULTS.defaultTtl),
    maxTtl: seconds(settings.maxTtl ?? DEFAULTS.maxTtl),
  };
  const resource = `${name}@${role}`; // no role's name contains "@", so no two resources have the same name
  const inVault = new vault.database.SecretBackendRole(
    resource,
    {
      name: role,
      backend: mount,
      dbName: connection,
      creationStatements: statements.creationStatements,
      renewStatements: statements.renewStatements,
      revocationStatements: statements.revocationStatements,
      rollbackStatements: statements.rollbackStatements,
      ...ttls,
    },
    { parent, dependsOn: leases },
  );
  const policy = new vault.Policy(
    resource,
    { name: policyName, policy: mount.apply((path) => consumerPolicy(path, role)) },
    { parent },
  );
  const { consumer } = settings;
  const login =
    consumer && auth
      ? createLogin(resource, { consumer, auth, policy, maxTtl: ttls.maxTtl }, { parent, dependsOn: inVault })
      : undefined;
  return pulumi.all([mount, inVault.id, policy.name, login]).apply(([path, , , known]) => {
    const outputs = {
      path: credentialsPath(path, role),
      policy: policyName,
      ...(known ? { login: known } : {}),
      ...ttls,
    };
    return [role, outputs] as [string, CredentialsOutputs];
  });
}

/** Arguments for the login of a consumer. */
interface LoginArgs {
  consumer: CredentialsConsumer;
  auth: pulumi.Output<string>;
  policy: vault.Policy;
  /** Maximum lifetime of the role's credentials, in seconds. */
  maxTtl: number;
}

function createLogin(
  name: string,
  { consumer, auth, policy, maxTtl }: LoginArgs,
  opts: pulumi.CustomResourceOptions,
): pulumi.Output<CredentialsOutputs["login"]> {
  const { namespace, serviceAccount, audience, tokenTtl = DEFAULTS.tokenTtl, tokenMaxTtl } = consumer;
  const made = new vault.kubernetes.AuthBackendRole(
    name,
    {
      backend: auth,
      roleName: policy.name,
      boundServiceAccountNamespaces: [namespace],
      boundServiceAccountNames: [serviceAccount],
      ...(audience === undefined ? {} : { audience }),
      tokenPolicies: [policy.name],
      tokenNoDefaultPolicy: true,
      tokenTtl: seconds(tokenTtl),
      tokenMaxTtl: tokenMaxTtl === undefined ? Math.max(maxTtl, seconds(tokenTtl)) : seconds(tokenMaxTtl),
    },
    opts,
  );
  return pulumi.all([auth, made.roleName]).apply(([mount, role]) => ({
    mount,
    role,
    namespace,
    serviceAccount,
    ...(audience === undefined ? {} : { audience }),
  }));
}
