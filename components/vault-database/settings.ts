/** What a database in Vault's database secrets engine is made from, and the names that follow from it. Pure. */

/** One of our databases, as PostgresClusterOutputs describes it. */
export interface DatabaseOfCluster {
  /** Namespace of the Cluster. */
  namespace: string;
  /** Name of CNPG's Cluster. */
  cluster: string;
  /** Where Vault reaches the primary: a name that Vault can resolve and that the server's certificate holds. */
  hostReadWrite: string;
  port: number;
  /** The database that credentials are for. */
  database: string;
  /** Role that owns it. */
  owner: string;
  /** CA of the server's certificate, in PEM. */
  serverCa: string;
}

/** The pods that may fetch the credentials of a role, by the service account that they run as. */
export interface CredentialsConsumer {
  /** Namespace of the pods. Becomes `bound_service_account_namespaces`. */
  namespace: string;
  /** Service account that they run as. Becomes `bound_service_account_names`. */
  serviceAccount: string;
  /** Audience that its token must have. Becomes `audience`. Default: any, as Vault's own. */
  audience?: string;
  /**
   * How long the consumer's token for Vault lives without being renewed, in hours, minutes and seconds; credentials end
   * with the token that fetched them. Becomes `token_ttl`. Default: `1h`.
   */
  tokenTtl?: string;
  /**
   * How long it lives at most, in hours, minutes and seconds. Becomes `token_max_ttl`. Default: the role's `maxTtl`, or
   * `tokenTtl` if that is longer.
   */
  tokenMaxTtl?: string;
}

/** Credentials of one kind. */
export interface CredentialsRole {
  /**
   * PostgreSQL roles that the users are members of. Default: the group that owns the objects, so that the users have its
   * rights. For reading only: `[pg_read_all_data]`. If the users are not members of the group, their objects go to the first
   * of these roles that is not PostgreSQL's own, and never to a role with more rights.
   */
  memberOf?: string[];
  /**
   * How long credentials live without being renewed, in hours, minutes and seconds, e.g. `1h30m`. Becomes `default_ttl`.
   * Default: `1h`.
   */
  defaultTtl?: string;
  /** How long they live at most, in hours, minutes and seconds. Becomes `max_ttl`. Default: `24h`. */
  maxTtl?: string;
  /** Connections that one user may have open. Becomes CONNECTION LIMIT. Default: 20; -1 is no limit. */
  connectionLimit?: number;
  /** Who gets them by Kubernetes authentication. Default: nobody; then only the policy is made. */
  consumer?: CredentialsConsumer;
}

/** How PostgreSQL is set up for Vault. */
export interface VaultUsersSettings {
  /**
   * Name of Vault's own user in PostgreSQL. The group of the users that it makes is `<admin>_users`, the schema of its
   * functions has its name. Default: `vault_<database>`.
   */
  admin?: string;
  /**
   * The role that owns the objects that the users make, so that the objects stay usable when the users are gone. If the
   * role does not exist, the program makes it, and lets it create objects in `schemas`. Default: the database's owner.
   *
   * Members of a role can set its password, as the role itself can. If the role may log in, as an owner may, a user can
   * set a password that still works after the user's credentials have ended. If you do not trust the users that far, name
   * a group that may not log in.
   */
  group?: string;
  /** Schemas in which a group that is not the database's owner may create. Default: `[public]`. */
  schemas?: string[];
}

/** How Vault is reached for what its Pulumi provider cannot do; credentials come from the environment. */
export interface VaultConnection {
  /**
   * URL of Vault: must be that of the provider. Default: VAULT_ADDR.
   *
   * @format url
   */
  address?: string;
  /** Vault Enterprise. Default: VAULT_NAMESPACE. */
  namespace?: string;
}

export const DEFAULTS = {
  defaultTtl: "1h",
  maxTtl: "24h",
  tokenTtl: "1h",
  connectionLimit: 20,
  schemas: ["public"],
  /** Seconds that a destroy waits for Vault to end credentials, before it ends them itself. */
  revokeWithin: 60,
} as const;

/** The names in PostgreSQL. */
export interface VaultUserNames {
  admin: string;
  /** All users that Vault made are members of it, and nobody else. */
  users: string;
  /** Schema with the functions that end a user and hand over what it makes. */
  schema: string;
  /** The event trigger. */
  trigger: string;
  group: string;
}

export function vaultUserNames(settings: VaultUsersSettings, database: string, owner: string): VaultUserNames {
  const admin = settings.admin ?? defaultAdmin(database);
  return { admin, users: `${admin}_users`, schema: admin, trigger: `${admin}_owner`, group: settings.group ?? owner };
}

/** Letters, digits and underscores, whatever the database is called: the name stands in pg_hba.conf without quotes. */
function defaultAdmin(database: string): string {
  return `vault_${database.toLowerCase().replace(/[^a-z0-9]/g, "_")}`.slice(0, LONGEST_ADMIN);
}

/** `<admin>_users` is an identifier of PostgreSQL, which has 63 bytes. */
export const LONGEST_ADMIN = 48;

/** Every role that users become members of, besides the group of all of them. */
export function grantedRoles(names: VaultUserNames, roles: Readonly<Record<string, CredentialsRole>>): string[] {
  return [...new Set([names.group, ...Object.values(roles).flatMap(({ memberOf = [] }) => memberOf)])];
}

/** Name of a policy, and of a role of Kubernetes authentication: one name in each for a role of a connection. */
export function consumerName(connection: string, role: string): string {
  return `database-${connection}-${role}`;
}

/** Where credentials are read. */
export function credentialsPath(mount: string, role: string): string {
  return `${mount}/creds/${role}`;
}

/** Becomes `username_template`: the role's name is in the user's, and who asked is in Vault's audit log. */
export const USERNAME_TEMPLATE = `{{printf "v-%s-%s-%s" .RoleName (random 20) (unix_time) | truncate 63}}`;
/** The names of a role's users, and of no other role's: a regular expression of PostgreSQL. */
export function usernamePattern(role: string): string {
  return `^v-${role}-[A-Za-z0-9]{20}-[0-9]+$`;
}
/** "v-", "-", 20 random letters, "-" and ten digits leave this much of 63. */
export const LONGEST_ROLE = 29;
