/**
 * A database of this program in Vault's database secrets engine, with what it creates in Vault for each of its roles:
 * the role, a policy, and the login of its consumer.
 */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { dynamicProvider } from "../dynamic/provider";
import { KubernetesInputs, KubernetesResource } from "../kubernetes/resource";
import { checkArgs } from "../known-outputs";
import { checkDatabaseOfCluster, checkVaultDatabase, seconds } from "./check";
import { planVaultDatabase } from "./plan";
import {
  DEFAULTS,
  grantedRoles,
  vaultUserNames,
  CredentialsConsumer,
  CredentialsRole,
  credentialsPath,
  VaultUserNames,
  type KubernetesAuth,
  type VaultConnection,
  type VaultDatabaseArgs,
  type VaultDatabaseOutputs,
  type CredentialsOutputs,
} from "./settings";
import { consumerPolicy } from "./policies";
import { roleStatements } from "./role-scripts";

const adminProvider = dynamicProvider("vaultAdmin");
const leasesProvider = dynamicProvider("vaultLeases");
const removalProvider = dynamicProvider("vaultMountRemoval");

class VaultAdmin extends KubernetesResource {
  declare readonly clusterUid: pulumi.Output<string>;
  constructor(name: string, inputs: KubernetesInputs, opts: pulumi.CustomResourceOptions) {
    super(adminProvider, name, { clusterUid: undefined, ...inputs }, opts, "vault", "DatabaseAdmin");
  }
}

class VaultLeases extends KubernetesResource {
  constructor(name: string, inputs: KubernetesInputs, opts: pulumi.CustomResourceOptions) {
    super(leasesProvider, name, inputs, opts, "vault", "DatabaseLeases");
  }
}

/**
 * Deletes a mount that this component created, if nothing is left in it. Otherwise the mount stays, and a message lists what is
 * in it. Pulumi itself never deletes the mount, because this would delete everything in it.
 */
class MountRemoval extends pulumi.dynamic.Resource {
  /** Path of the mount; for an auth method, without `auth/`. */
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, inputs: MountRemovalArgs, opts: pulumi.CustomResourceOptions) {
    super(removalProvider, name, inputs, opts, "vault", inputs.kind === "auth" ? "AuthMethodRemoval" : "MountRemoval");
  }
}

interface MountRemovalArgs {
  vault: VaultConnection;
  kind: "engine" | "auth";
  path: pulumi.Output<string>;
  /** Vault's ID of the mount. */
  accessor: pulumi.Output<string>;
}

/**
 * Short-lived users of one database, created by Vault. The component creates Vault's own user in PostgreSQL, with a
 * password that only Vault knows; the connection, which verifies the server's name and CA; for each role its
 * statements, a policy, and the login of its consumer; and in PostgreSQL, what keeps the users' objects usable after
 * the users are dropped. Deleting the component revokes all credentials first.
 *
 * Needs a Vault provider, and the same login in the environment (VAULT_ADDR, and VAULT_TOKEN or VAULT_ROLE_ID and
 * VAULT_SECRET_ID). `vaultDatabasePolicy` gives the policy of that login. Needs the Kubernetes rights `get` on the
 * Cluster and `get` and `create` on `pods/exec`.
 *
 * @throws SettingsError in the constructor, with every problem found
 */
export class VaultDatabase extends pulumi.ComponentResource {
  /** Known once credentials can be read. */
  readonly outputs: pulumi.Output<VaultDatabaseOutputs>;
  /**
   * Path of the database secrets engine. If another VaultDatabase gets it as `mount.path`, that one is created after the mount,
   * and deleted before it.
   */
  readonly mount: pulumi.Output<string>;
  /** The same for the path of the Kubernetes auth method. Undefined without one. */
  readonly kubernetesAuth?: pulumi.Output<string>;

  constructor(name: string, args: VaultDatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    const { roles, kubernetesAuth } = args;
    const plan = planVaultDatabase(name, { ...args, mount: args.mount ?? { path: `postgres/${name}` } });
    const { connection } = plan;
    const { path } = plan.mount;
    const inputs = { mount: path, auth: kubernetesAuth?.path, database: args.database };
    const { opts: ownOpts, checked } = checkArgs(opts, args, inputs, ({ mount = "", auth = "", database: known }) => [
      ...checkVaultDatabase("", { ...args, mount, connection, kubernetesAuth: kubernetesAuth && { path: auth } }),
      ...checkDatabaseOfCluster("database", known),
    ]);
    super("cnpg-teleport:vault:VaultDatabase", name, {}, ownOpts);
    const child = { parent: this };
    const database = pulumi.all([args.database, checked]).apply(([known]) => known);
    const names = database.apply((known) => vaultUserNames(args, known.database, known.owner));

    const ownsMount = !plan.mount.exists;
    const connect = args.vault ?? {};
    const mount = ownsMount ? this.createMount(name, path, connect) : pulumi.output(path);
    const auth = kubernetesAuth ? this.createAuthMethod(name, kubernetesAuth, connect) : undefined;
    this.mount = mount;
    this.kubernetesAuth = auth;
    const admin = new VaultAdmin(
      name,
      {
        kubernetes: args.kubernetes,
        uid: args.uid,
        vault: connect,
        mount,
        ownsMount,
        connection,
        host: database.hostReadWrite,
        port: database.port,
        serverCa: database.serverCa,
        namespace: database.namespace,
        cluster: database.cluster,
        database: database.database,
        names,
        grantedRoles: names.apply((known) => grantedRoles(known, roles)),
        schemas: args.schemas ?? [...DEFAULTS.schemas],
        allowedRoles: Object.keys(roles),
        ...(args.replicated ? { replicated: true } : {}),
      },
      child,
    );
    const made = plan.roles.map(({ role, policy, settings }) => {
      const leases = new VaultLeases(
        `${name}@${role}`,
        {
          kubernetes: args.kubernetes,
          namespace: database.namespace,
          cluster: database.cluster,
          uid: admin.clusterUid,
          vault: connect,
          mount,
          connection,
          role,
          database: database.database,
          names,
          revokeWithin: args.revokeWithin ?? DEFAULTS.revokeWithin,
        },
        { parent: this, dependsOn: admin },
      );
      return createRole(name, { role, policy, settings, mount, connection, names, auth, parent: this }, leases);
    });
    this.outputs = pulumi
      .all([database, mount, names, pulumi.all(made)])
      .apply(([known, atMount, { group }, each]) => ({
        mount: atMount,
        connection,
        host: known.hostReadWrite,
        port: known.port,
        database: known.database,
        serverCa: known.serverCa,
        group,
        roles: Object.fromEntries(each),
      }));
    this.registerOutputs({ outputs: this.outputs });
  }

  private createMount(name: string, path: pulumi.Input<string>, connect: VaultConnection): pulumi.Output<string> {
    const made = new vault.Mount(
      name,
      { path, type: "database", description: `PostgreSQL users of ${name}` },
      { parent: this, ...NOT_DELETED_BY_PULUMI },
    );
    const { path: at, accessor } = made;
    return new MountRemoval(name, { vault: connect, kind: "engine", path: at, accessor }, { parent: this }).path;
  }

  private createAuthMethod(
    name: string,
    { path, make }: KubernetesAuth,
    connect: VaultConnection,
  ): pulumi.Output<string> {
    if (!make) return pulumi.output(path);
    const child = { parent: this };
    const made = new vault.AuthBackend(name, { type: "kubernetes", path }, { ...child, ...NOT_DELETED_BY_PULUMI });
    const { host, caCert } = make;
    const config = new vault.kubernetes.AuthBackendConfig(
      name,
      { backend: made.path, kubernetesHost: host, kubernetesCaCert: caCert },
      child,
    );
    const { path: at, accessor } = made;
    const removal = new MountRemoval(name, { vault: connect, kind: "auth", path: at, accessor }, child);
    return pulumi.all([removal.path, config.id]).apply(([known]) => known);
  }
}

/** A MountRemoval deletes the mount. It is never moved either, because that would need the right to move any mount. */
const NOT_DELETED_BY_PULUMI = { retainOnDelete: true, replaceOnChanges: ["path"] };

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
function createRole(
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
