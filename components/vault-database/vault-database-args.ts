/** What a VaultDatabase is told, and what it tells. */
import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesArgs } from "../kubernetes/resource";
import type { CredentialsRole, DatabaseOfCluster, VaultConnection, VaultUsersSettings } from "./settings";

/** Kubernetes authentication in Vault. */
export interface KubernetesAuth {
  /** Path of the auth method, without `auth/`. */
  path: string;
  /**
   * Makes it. Tokens are then reviewed with Vault's own service account, where Vault runs in that cluster, or with the
   * token that is presented; whose service account then needs the ClusterRole `system:auth-delegator`. A token of a
   * reviewer is not taken: it would lie in the state. Default: it is there already.
   */
  make?: {
    /** URL of the Kubernetes API as Vault reaches it. Becomes `kubernetes_host`. */
    host: string;
    /** CA of the Kubernetes API, in PEM. Becomes `kubernetes_ca_cert`. Default: that of Vault's own pod. */
    caCert?: pulumi.Input<string>;
  };
}

export interface VaultDatabaseArgs extends VaultUsersSettings {
  /** The database: `outputs` of a PostgresCluster, or the same from a StackReference; parts may be put over it. */
  database: pulumi.Input<DatabaseOfCluster>;
  /** The Cluster's `metadata.uid`, where the program makes it, too. Default: whichever has the name. */
  uid?: pulumi.Input<string>;
  /** How the Kubernetes cluster is reached; must be the Kubernetes provider's. */
  kubernetes?: KubernetesArgs;
  /**
   * How Vault is reached for what its provider cannot do. Default: by the environment; in a configuration, as its `vault`
   * says.
   */
  vault?: VaultConnection;
  /**
   * Path of the database secrets engine; `exists`: somebody else's, with other connections in it. Default: one of its
   * own, `postgres/<name>`.
   */
  mount?: {
    /** Path, without a slash at its end. */
    path: string;
    /** It is somebody else's: nothing but the connection and its roles is made in it. Default: false. */
    exists?: boolean;
  };
  /** Name of the connection in Vault. Default: the resource's. */
  connection?: string;
  /** Credentials, by the name of their role in Vault. Roles belong to the mount, in which no two have one name. */
  roles: Record<string, CredentialsRole>;
  /** How consumers log in. Needed where a role has one. */
  kubernetesAuth?: KubernetesAuth;
  /** Seconds that a delete waits for Vault to end a role's credentials, before they are ended without it. Default: 60. */
  revokeWithin?: number;
}

/** What an application's stack needs of a role. Not secret. */
export interface CredentialsOutputs {
  /** Where credentials are read: `<mount>/creds/<role>`, with `username` and `password` in the answer. */
  path: string;
  /** The policy that allows that, and to renew and revoke them. */
  policy: string;
  /** How the consumer logs in, where one was named. */
  login?: {
    /** Path of Kubernetes authentication, without `auth/`. */
    mount: string;
    /** Role to log in with, named as the policy. */
    role: string;
    /** Namespace of the pods that may. */
    namespace: string;
    /** Service account that they run as. */
    serviceAccount: string;
    /** Audience that its token must have; any, if there is none. */
    audience?: string;
  };
  /** How long credentials live without being renewed, in seconds. */
  defaultTtl: number;
  /** How long they live at most, in seconds. */
  maxTtl: number;
}

/** What application stacks need. Nothing in it is secret. */
export interface VaultDatabaseOutputs {
  /** Path of the database secrets engine. */
  mount: string;
  /** Name of the connection in it. */
  connection: string;
  /** Where Vault reaches the primary. */
  host: string;
  /** Port there. */
  port: number;
  /** The database that the users are for. */
  database: string;
  /** CA that its certificate is verified with, in PEM. */
  serverCa: string;
  /** Role that owns what the users make. */
  group: string;
  /** By the name of the role in Vault. */
  roles: Record<string, CredentialsOutputs>;
}
