/**
 * The settings of `Pulumi.<env>.yaml`, declared once: the JSON Schema that checks them, the reference page and what an
 * editor shows all come from these types and their comments.
 */
import type { MachineIdSettings, PostgresClusterArgs, WorkloadJoin } from "../components";

/** The keys of the configuration. In the file each has the project's name before it: `cnpg-teleport:databases`. */
export interface EnvironmentSettings {
  /** How the Kubernetes cluster is reached, for databases that do not say. Default: the kubeconfig's current context. */
  kubernetes?: KubernetesSettings;
  /** How the program logs in to Vault. Needed where an `issuer` is `vault`, and for `vaultDatabase`. Default: none. */
  vault?: VaultSettings;
  /** Settings of every database, which its own settings override. Mappings are merged. Default: none. */
  defaults?: Partial<DatabaseSettings>;
  /** The databases, by name. What is required may come from `defaults`. */
  databases: Record<string, DatabaseSettings>;
  /** Applications that reach databases through Teleport with an identity of their own (Machine ID), by name. Default: none. */
  applications?: Record<string, ApplicationSettings>;
}

/** A database as it is configured. */
export interface DatabaseSettings extends Omit<PostgresClusterArgs, "namespace" | "kubernetes"> {
  /** Namespace to put everything in. Default: one of the Cluster's name is made. */
  namespace?: string;
  /**
   * Whether to make the Namespace. It is deleted after the last database in it, unless it contains something else.
   * Default: true if `namespace` is not set, else false.
   */
  createNamespace?: boolean;
  /** How its Kubernetes cluster is reached. Default: as the key `kubernetes` says. */
  kubernetes?: KubernetesSettings;
}

/** How a Kubernetes cluster is reached, and was before. */
export interface KubernetesSettings {
  /** Context of the kubeconfig. Default: the current one. */
  context?: string;
  /** Former names of this context. With them, a renamed context keeps its objects. Default: none. */
  formerContexts?: string[];
}

/** How the program reaches Vault, and logs in. */
export interface VaultSettings {
  /**
   * URL of Vault. Default: VAULT_ADDR.
   *
   * @format url
   */
  address?: string;
  /**
   * Vault Enterprise: the namespace that everything is in, the login as well. Default: VAULT_NAMESPACE.
   *
   * @minLength 1
   */
  namespace?: string;
  /** How the program logs in. */
  auth: AppRoleLogin | TokenLogin;
}

/** `role_id` and `secret_id` come from VAULT_ROLE_ID and VAULT_SECRET_ID. */
export interface AppRoleLogin {
  method: "approle";
  /** Path of the login method; another one must be in VAULT_APPROLE_MOUNT as well. Default: `approle`. */
  mount?: string;
}

/** VAULT_TOKEN, or the file that `vault login` leaves. */
export interface TokenLogin {
  method: "token";
}

/** A database of the configuration that an application may use. */
export interface ApplicationDatabase {
  /** Name of the database in the configuration: a key of `databases`. */
  database: string;
  /** Reach the standby in place of the primary. Default: false. */
  standby?: boolean;
  /** Database in PostgreSQL. Default: the one that `initdb` makes. */
  databaseName?: string;
  /** PostgreSQL user to log in as, one of the database's `users`. Default: one that Teleport makes, with `roles`. */
  user?: string;
  /**
   * PostgreSQL roles of the user that Teleport makes for the application, in place of `user`: some of `autoUsers.roles`.
   * Default: none.
   */
  roles?: string[];
  /** Port on localhost where the application finds it. Default: 5432, and the next ones for further databases. */
  port?: number;
}

/** An application that reaches its databases through Teleport, with an identity of its own. */
export interface ApplicationSettings extends Pick<
  MachineIdSettings,
  "certificateTtl" | "renewalInterval" | "endExpiredSessions"
> {
  /**
   * Name of the bot and the join token in Teleport, and the beginning of its roles' names. Default:
   * `<application>-<stack>`.
   */
  name?: string;
  /** How its pods prove who they are. */
  join: WorkloadJoin;
  /** The databases that it may use, by its own names for them. */
  databases: Record<string, ApplicationDatabase>;
  /** Which of the databases' Teleport clusters, by their `credentials`. Default: the unnamed set. */
  credentials?: string;
  /** Take over a bot, roles and a token of these names that exist and are not ours. Default: false, which refuses. */
  adopt?: boolean;
}
