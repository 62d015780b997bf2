/** Arguments and outputs of a VaultDatabase. */
import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesArgs } from "../kubernetes/resource";
import type { CredentialsRole, DatabaseOfCluster, VaultConnection, VaultUsersSettings } from "./settings";

/** The Kubernetes auth method in Vault. */
export interface KubernetesAuth {
  /** Path of the auth method, without `auth/`. */
  path: pulumi.Input<string>;
  /**
   * Set this to let the program create the auth method. Vault then reviews tokens with its own service account if it
   * runs in that cluster. Otherwise it uses the token that is presented, whose service account then needs the
   * ClusterRole `system:auth-delegator`. There is no setting for a reviewer's token, because it would be stored in
   * the state. Default: the auth method exists already.
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
   * Path of the database secrets engine; `exists`: somebody else's, with other connections in it. Default: one of its
   * own, `postgres/<connection>`; of a VaultDatabase in a program, `postgres/<resource>`.
   */
  mount?: {
    /** Path, without a slash at its end. */
    path: pulumi.Input<string>;
    /** It is somebody else's: nothing but the connection and its roles is made in it. Default: false. */
    exists?: boolean;
  };
  /** Name of the connection in Vault. Default: the name of the resource. */
  connection?: string;
  /**
   * Credentials, by the name of their role in Vault. Roles belong to the mount: no two roles of a mount may have the
   * same name.
   */
  roles: Record<string, CredentialsRole>;
  /** How consumers log in. Needed where a role has one. Default: none. */
  kubernetesAuth?: KubernetesAuth;
  /**
   * Seconds that a delete waits for Vault to revoke a role's credentials. After that, the program drops the users
   * itself. Default: 60.
   */
  revokeWithin?: number;
}

/** The outputs of a role, for an application's stack. Not secret. */
export interface CredentialsOutputs {
  /** Path at which credentials are read: `<mount>/creds/<role>`. The answer has `username` and `password`. */
  path: string;
  /** The policy that allows to read, renew and revoke these credentials. */
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
