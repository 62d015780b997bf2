/**
 * The settings and outputs of a database in Vault's database secrets engine, and the names that follow from them. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesArgs } from "../kubernetes/resource";

/** A database of this program, as PostgresClusterOutputs describes it. */
export interface DatabaseOfCluster {
  /** Namespace of the Cluster. */
  namespace: string;
  /** Name of the Cluster. */
  cluster: string;
  /**
   * Host at which Vault reaches the primary. Vault must be able to resolve it, and the server's certificate must
   * include it.
   */
  hostReadWrite: string;
  port: number;
  /** The database of the credentials. */
  database: string;
  /** Role that owns the database. */
  owner: string;
  /** CA of the server's certificate, in PEM. */
  serverCa: string;
}

/** The pods that may read the credentials of a role, identified by their service account. */
export interface CredentialsConsumer {
  /** Namespace of the pods. Becomes `bound_service_account_namespaces`. */
  namespace: string;
  /** Service account of the pods. Becomes `bound_service_account_names`. */
  serviceAccount: string;
  /**
   * Audience that the service account's token must have. Becomes `audience`. Default: any audience, as in Vault
   * itself.
   */
  audience?: string;
  /**
   * How long the consumer's token for Vault lives without being renewed, in hours, minutes and seconds. Credentials end
   * with the token that fetched them. Becomes `token_ttl`. Default: `1h`.
   */
  tokenTtl?: string;
  /**
   * How long the token lives at most, in hours, minutes and seconds. Becomes `token_max_ttl`. Default: the role's `maxTtl`, or
   * `tokenTtl` if that is longer.
   */
  tokenMaxTtl?: string;
}

/** A role in Vault: the credentials of one kind of user. */
export interface CredentialsRole {
  /**
   * PostgreSQL roles that the users are members of. Default: the group that owns the objects, so that the users have
   * its rights. For read-only access: `[pg_read_all_data]`. If the users are not members of the group, their objects
   * are reassigned to the first of these roles that is not PostgreSQL's own, and never to a role with more rights.
   */
  memberOf?: string[];
  /**
   * How long credentials live without being renewed, in hours, minutes and seconds, e.g. `1h30m`. Becomes `default_ttl`.
   * Default: `1h`.
   */
  defaultTtl?: string;
  /** How long credentials live at most, in hours, minutes and seconds. Becomes `max_ttl`. Default: `24h`. */
  maxTtl?: string;
  /**
   * Connections that one user may have open at the same time. Becomes CONNECTION LIMIT. Default: 20; -1 means no
   * limit.
   */
  connectionLimit?: number;
  /**
   * The pods that get these credentials by Kubernetes authentication. Default: none; then only the policy is created.
   */
  consumer?: CredentialsConsumer;
}

/** How PostgreSQL is set up for Vault. */
export interface VaultUsersSettings {
  /**
   * Name of Vault's own user in PostgreSQL. The group of the users that it creates is `<admin>_users`. The schema of
   * its functions has the same name as the user. Default: `vault_<database>`.
   */
  admin?: string;
  /**
   * The role that owns the objects that the users create, so that the objects stay usable after the users are
   * dropped. If the role does not exist, the program creates it and lets it create objects in `schemas`. Default: the
   * database's owner.
   *
   * Members of a role can set its password, as the role itself can. If the role may log in, as an owner may, a user
   * can set a password that still works after the user's credentials have ended. If you do not trust the users that
   * far, name a group that may not log in.
   */
  group?: string;
  /** Schemas in which the group may create objects, if it is not the database's owner. Default: `[public]`. */
  schemas?: string[];
}

/** How the program reaches Vault for what Vault's Pulumi provider cannot do. Credentials come from the environment. */
export interface VaultConnection {
  /**
   * URL of Vault. Must be the same as the provider's. Default: VAULT_ADDR.
   *
   * @format url
   */
  address?: string;
  /** Namespace of Vault Enterprise. Default: VAULT_NAMESPACE. */
  namespace?: string;
}

/** The Kubernetes auth method in Vault. */
export interface KubernetesAuth {
  /** Path of the auth method, without `auth/`. */
  path: pulumi.Input<string>;
  /**
   * Set this to let the program create the auth method. Vault then reviews tokens with its own service account if it
   * runs in that cluster. Otherwise it uses the token that is presented, whose service account then needs the
   * ClusterRole `system:auth-delegator`. There is no setting for a reviewer's token, because it would be stored in
   * the state. When the auth method leaves the stack, it is deleted only if no role is left in it. Default: the auth
   * method exists already.
   */
  make?: {
    /** URL of the Kubernetes API as Vault reaches it. Becomes `kubernetes_host`. */
    host: pulumi.Input<string>;
    /** CA of the Kubernetes API, in PEM. Becomes `kubernetes_ca_cert`. Default: that of Vault's own pod. */
    caCert?: pulumi.Input<string>;
  };
}

export interface VaultDatabaseArgs extends VaultUsersSettings {
  /** The database: `outputs` of a PostgresCluster, or the same from a StackReference. You may override parts of it. */
  database: pulumi.Input<DatabaseOfCluster>;
  /** The Cluster's `metadata.uid`, if the program creates the Cluster too. Default: any Cluster of that name. */
  uid?: pulumi.Input<string>;
  /** How the program reaches the Kubernetes cluster. Must be the cluster of the Kubernetes provider. */
  kubernetes?: KubernetesArgs;
  /**
   * How the program reaches Vault for what Vault's provider cannot do. Default: the environment; in a configuration,
   * the key `vault`.
   */
  vault?: VaultConnection;
  /**
   * Mount of the database secrets engine. Set `exists: true` for a mount that exists already and may have other connections.
   * When a mount that the program created leaves the stack, it is deleted only if it is empty.
   * Default: a new mount `postgres/<connection>`; for a VaultDatabase in a program, `postgres/<resource>`.
   */
  mount?: {
    /** Path, without a slash at its end. */
    path: pulumi.Input<string>;
    /** The mount exists already. The program creates only the connection and its roles in it. Default: false. */
    exists?: boolean;
  };
  /** Name of the connection in Vault. Default: the name of the resource. */
  connection?: string;
  /**
   * Credentials, by the name of their role in Vault. Roles belong to the mount: no two roles of a mount may have the
   * same name.
   */
  roles: Record<string, CredentialsRole>;
  /** How consumers log in. Required if a role has a `consumer`. Default: none. */
  kubernetesAuth?: KubernetesAuth;
  /**
   * Seconds that a delete waits for Vault to revoke a role's credentials. After that, the program drops the users
   * itself. Default: 60.
   */
  revokeWithin?: number;
  /**
   * The Cluster belongs to a distributed topology. Vault's users in its data may be those of another connection, which this
   * connection takes over when the Cluster is promoted. Default: false.
   */
  replicated?: boolean;
}

/** Short-lived users of the application's database, created by Vault's database secrets engine. */
export interface VaultDatabaseOfCluster extends Omit<
  VaultDatabaseArgs,
  "database" | "uid" | "kubernetes" | "replicated"
> {
  /**
   * Host at which Vault reaches the primary: a name that Vault can resolve, or an IP address, without a port. The
   * server's certificate must include it. For a Vault outside of the Kubernetes cluster, use one of `serverAltNames`.
   * Default: the Service of the primary.
   */
  host?: string;
  /** Port at which Vault reaches the primary. Default: 5432. */
  port?: number;
  /** Name of the connection in Vault. Default: `<cluster>-<environment>`. */
  connection?: string;
}

/** The outputs of a role, for an application's stack. Not secret. */
export interface CredentialsOutputs {
  /** Path at which credentials are read: `<mount>/creds/<role>`. The answer has `username` and `password`. */
  path: string;
  /** The policy that allows reading, renewing and revoking these credentials. */
  policy: string;
  /** How the consumer logs in, if one is declared. */
  login?: {
    /** Path of the Kubernetes auth method, without `auth/`. */
    mount: string;
    /** Role to log in with. It has the same name as the policy. */
    role: string;
    /** Namespace of the pods that may log in. */
    namespace: string;
    /** Service account of these pods. */
    serviceAccount: string;
    /** Audience that the service account's token must have. Undefined: any audience. */
    audience?: string;
  };
  /** Lifetime of credentials without a renewal, in seconds. */
  defaultTtl: number;
  /** Maximum lifetime of credentials, in seconds. */
  maxTtl: number;
}

/** Outputs for application stacks. They contain no secret. */
export interface VaultDatabaseOutputs {
  /** Path of the database secrets engine. */
  mount: string;
  /** Name of the connection in that mount. */
  connection: string;
  /** Host at which Vault reaches the primary. */
  host: string;
  /** Port on that host. */
  port: number;
  /** The database of the users. */
  database: string;
  /** CA of the server's certificate, in PEM. */
  serverCa: string;
  /** Role that owns the objects that the users create. */
  group: string;
  /** The outputs of each role, by its name in Vault. */
  roles: Record<string, CredentialsOutputs>;
}

export const DEFAULTS = {
  defaultTtl: "1h",
  maxTtl: "24h",
  tokenTtl: "1h",
  connectionLimit: 20,
  schemas: ["public"],
  /** Seconds that a destroy waits for Vault to revoke credentials before the program drops the users itself. */
  revokeWithin: 60,
} as const;

/** Names in PostgreSQL. */
export interface VaultUserNames {
  admin: string;
  /** Group of exactly the users that Vault created. */
  users: string;
  /** Schema of the functions that drop a user and reassign objects. */
  schema: string;
  /** Name of the event trigger. */
  trigger: string;
  group: string;
}

export function vaultUserNames(settings: VaultUsersSettings, database: string, owner: string): VaultUserNames {
  const admin = settings.admin ?? defaultAdmin(database);
  return { admin, users: `${admin}_users`, schema: admin, trigger: `${admin}_owner`, group: settings.group ?? owner };
}

/**
 * Contains only letters, digits and underscores, whatever the name of the database: the result is used in pg_hba.conf
 * without quotes.
 */
function defaultAdmin(database: string): string {
  return `vault_${database.toLowerCase().replace(/[^a-z0-9]/g, "_")}`.slice(0, LONGEST_ADMIN);
}

/** `<admin>_users` must fit into an identifier of PostgreSQL, which has 63 bytes. */
export const LONGEST_ADMIN = 48;

/** Every role that users become members of, except the group of all users. */
export function grantedRoles(names: VaultUserNames, roles: Readonly<Record<string, CredentialsRole>>): string[] {
  return [...new Set([names.group, ...Object.values(roles).flatMap(({ memberOf = [] }) => memberOf)])];
}

/** Name of the policy and of the Kubernetes auth role for a role of a connection. */
export function consumerName(connection: string, role: string): string {
  return `database-${connection}-${role}`;
}

/** Path at which credentials are read. */
export function credentialsPath(mount: string, role: string): string {
  return `${mount}/creds/${role}`;
}

/** Becomes `username_template`. The username contains the role's name. Vault's audit log shows who requested it. */
export const USERNAME_TEMPLATE = `{{printf "v-%s-%s-%s" .RoleName (random 20) (unix_time) | truncate 63}}`;
/** A regular expression of PostgreSQL for the names of one role's users, and of no other role's users. */
export function usernamePattern(role: string): string {
  return `^v-${role}-[A-Za-z0-9]{20}-[0-9]+$`;
}
/** "v-", "-", 20 random characters, "-" and ten digits leave this many of 63 characters. */
export const LONGEST_ROLE = 29;
