/**
 * The settings of `Pulumi.<env>.yaml`. The JSON Schema that checks them and the reference page are generated from these
 * types and their comments. Editors show the comments too.
 */
import type { MachineIdSettings, PostgresClusterArgs, WorkloadJoin } from "../components";

/** The keys of the configuration. In the file, each has the project's name as prefix: `cnpg-teleport:databases`. */
export interface EnvironmentSettings {
  /**
   * How to reach the Kubernetes cluster of databases without their own `kubernetes`. Default: the kubeconfig's current
   * context.
   */
  kubernetes?: KubernetesSettings;
  /**
   * Vault's address, and the program's login. Required for an `issuer` of type `vault`, for `vaultDatabase`, and for
   * `clientCas` from Vault. Default: none.
   */
  vault?: VaultSettings;
  /**
   * Default settings of all databases. A database's own settings override them, and mappings are merged. Default: none.
   */
  defaults?: Partial<DatabaseSettings>;
  /** The databases, by name. Required settings may also be in `defaults`. */
  databases: Record<string, DatabaseSettings>;
  /**
   * Applications that reach databases through Teleport, each with its own identity (Machine ID), by name. Default:
   * none.
   */
  applications?: Record<string, ApplicationSettings>;
}

/** A database of the configuration. */
export interface DatabaseSettings extends Omit<PostgresClusterArgs, "namespace" | "kubernetes"> {
  /** Namespace of all objects of the database. Default: a new namespace with the name of the Cluster. */
  namespace?: string;
  /**
   * Whether the program creates the Namespace. The Namespace is deleted after the last database in it, unless it
   * contains other objects. Default: true if `namespace` is not set, else false.
   */
  createNamespace?: boolean;
  /** How to reach the Kubernetes cluster of the database. Default: the value of the key `kubernetes`. */
  kubernetes?: KubernetesSettings;
}

/** How to reach a Kubernetes cluster. */
export interface KubernetesSettings {
  /**
   * Context of the kubeconfig. Default: the current one.
   *
   * @minLength 1
   */
  context?: string;
  /** Former names of this context. With them, a renamed context keeps its objects. Default: none. */
  formerContexts?: string[];
}

/** Vault's address, and the program's login. */
export interface VaultSettings {
  /**
   * URL of Vault. Default: the environment variable VAULT_ADDR.
   *
   * @format url
   */
  address?: string;
  /**
   * Namespace in Vault Enterprise. The login uses it too. Default: the environment variable VAULT_NAMESPACE.
   *
   * @minLength 1
   */
  namespace?: string;
  /** How the program logs in. */
  auth: AppRoleLogin | TokenLogin;
}

/** Login by AppRole. The environment variables VAULT_ROLE_ID and VAULT_SECRET_ID contain the credentials. */
export interface AppRoleLogin {
  method: "approle";
  /**
   * Path of the auth method. If it is not the default, set the environment variable VAULT_APPROLE_MOUNT to the same
   * path. Default: `approle`.
   */
  mount?: string;
}

/** Login by token: the environment variable VAULT_TOKEN, or the file that `vault login` writes. */
export interface TokenLogin {
  method: "token";
}

/** A database that an application may use. */
export interface ApplicationDatabase {
  /** Name of the database in the configuration: a key of `databases`. */
  database: string;
  /** Connect to the standby instead of the primary. Default: false. */
  standby?: boolean;
  /** Name of the database in PostgreSQL. Default: the database of `initdb`. */
  databaseName?: string;
  /**
   * PostgreSQL user to log in as: one of the database's `users`. Default: a user that Teleport creates, with `roles`.
   */
  user?: string;
  /**
   * PostgreSQL roles of the user that Teleport creates if `user` is not set. Each must be one of the database's
   * `autoUsers.roles`. Default: none.
   */
  roles?: string[];
  /**
   * Port on localhost at which the application reaches the database. Default: 5432, and the next ports for further
   * databases.
   */
  port?: number;
}

/** An application that reaches its databases through Teleport with its own identity. */
export interface ApplicationSettings extends Pick<
  MachineIdSettings,
  "certificateTtl" | "renewalInterval" | "endExpiredSessions"
> {
  /**
   * Name of the bot and of the join token in Teleport, and prefix of the names of its roles. Default:
   * `<application>-<stack>`.
   */
  name?: string;
  /** How the application's pods prove their identity. */
  join: WorkloadJoin;
  /** The databases that the application may use. The keys are the application's own names for them. */
  databases: Record<string, ApplicationDatabase>;
  /** `credentials` of the Teleport cluster to use, if the databases are in several. Default: the set without a name. */
  credentials?: string;
  /**
   * Take over an existing bot, token and roles with these names that this stack did not create. Default: false, which
   * refuses them.
   */
  adopt?: boolean;
}
