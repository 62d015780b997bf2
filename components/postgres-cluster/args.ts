/** The settings of a PostgresCluster. */
import type * as pulumi from "@pulumi/pulumi";
import type { CaSource } from "../certificates/ca-source";
import type { IssuerArgs } from "../certificates/issuer";
import type { ClusterSettings } from "../cnpg/cluster";
import type { UsersAs, TeleportUser } from "../cnpg/roles";
import type { PoolerSettings } from "../cnpg/pooler";
import type { KubernetesArgs } from "../kubernetes/resource";
import type { ProtectionSettings } from "../protection/deletion-settings";
import type { AgentJoin } from "../teleport/agent";
import type { AutoUsers } from "../teleport/auto-users/settings";
import type { DatabaseAdminUser, DynamicLabel } from "../teleport/resources/database";
import type { VaultDatabaseOfCluster } from "../vault-database/settings";

/** How the databases are registered in Teleport. */
export type TeleportRegistration =
  | {
      /** `program`: the program registers the databases. Agents find them by their labels. */
      by: "program";
    }
  | {
      /**
       * `agent`: the configuration of an agent lists the databases. The output `teleportAgents` has this configuration.
       */
      by: "agent";
      /** How the agent joins the Teleport cluster. */
      join: AgentJoin;
      /**
       * Namespace of the agent. A ConfigMap with the server's CA is created there. Default: none, without a ConfigMap.
       */
      namespace?: string;
    }
  | {
      /** `operator`: Teleport's Kubernetes operator registers the databases, from custom resources. */
      by: "operator";
      /** Namespace of the operator. It watches no other namespace. */
      namespace: string;
    };

/** A Teleport cluster through which people reach the database. */
export interface TeleportArgs {
  /**
   * `host:port` of Teleport's proxy. The program's identity comes from the environment: see
   * docs/teleport.md, "Teleport identity".
   */
  proxy: pulumi.Input<string>;
  /** Name of a set of credentials. It distinguishes several Teleport clusters. Default: the set without a name. */
  credentials?: string;
  /**
   * Name of the primary in Teleport. The standby's name is this name with `-ro`. Default: `<cluster>-<environment>`.
   */
  name?: string;
  /**
   * Labels in addition to `provisioned_by`, `environment`, `cluster`, `namespace`, `primary` and `sql_type`. Default:
   * none.
   */
  labels?: Record<string, string>;
  /**
   * Sources of the CA that signs the certificates of Teleport's agents. Default: Teleport itself, with the program's
   * identity.
   */
  clientCas?: CaSource[];
  /** How the databases are registered in Teleport. Default: `by: program`. */
  registration?: TeleportRegistration;
  /** Labels that the agent computes, by name. Becomes `dynamic_labels`. Default: none. */
  dynamicLabels?: Record<string, DynamicLabel>;
  /**
   * PostgreSQL user with which Teleport creates users for people. Set it only if you create this user yourself:
   * `autoUsers` creates its own. Becomes `admin_user`. Default: the admin user of `autoUsers`.
   */
  adminUser?: DatabaseAdminUser;
  /**
   * Also trust the CAs of the agent's system, in addition to the server's CA. Teleport releases before June 2024 drop
   * this field. Default: false.
   */
  trustSystemPool?: boolean;
  /**
   * Create a role in Teleport for each of `users`, e.g. `orders-prod-reader` for the primary `orders-prod` and the user
   * `reader`. Its members can log in to this database as that user. Also create a role for each of `autoUsers.roles`,
   * e.g. `orders-prod-auto-reader`. Its members get their own user with that role. The program's identity then needs
   * the right to write roles. Default: false.
   */
  accessRoles?: boolean;
  /**
   * Take over existing databases with these names that this stack did not register. Default: false, which refuses them.
   */
  adopt?: boolean;
}

/** Settings of a PostgresCluster. */
export interface PostgresClusterArgs extends ClusterSettings, ProtectionSettings {
  /**
   * Name of CNPG's Cluster. It cannot change while the database is protected from deletion. Default: in a
   * configuration, the key of the database; in a program, the name of the component.
   */
  clusterName?: string;
  /**
   * Former names of this database. A renamed database keeps its Cluster if this list contains the former key, and
   * `clusterName` is the name of the Cluster. Default: none.
   */
  formerNames?: string[];
  /**
   * Take over a Cluster that exists already, e.g. one made with Helm or kubectl. It keeps its data. The preview lists what will
   * change. See docs/take-over.md. Needs `namespace`. Without effect once the Cluster belongs to this stack. Default: false, which
   * refuses a Cluster that this stack did not create.
   */
  adopt?: boolean;
  /** Namespace of all objects of the database. Default: a new namespace with the name of the Cluster. */
  namespace?: pulumi.Input<string>;
  /** Environment, e.g. `dev`. It is a part of the name in Teleport, and a label. Default: the stack's name. */
  environment?: string;
  /**
   * Purpose of the database. Becomes the annotation `kubernetes.io/description`, and the description in Teleport.
   * Default: none.
   */
  description?: string;
  /** DNS domain of the Kubernetes cluster, without a dot at the end. Default: `cluster.local`. */
  clusterDomain?: string;
  /** Issuer of the certificates. */
  issuer: IssuerArgs;
  /**
   * DNS names and IP addresses of the server certificate, in addition to the twelve names of the Services. Write them
   * without scheme and port. `*.db.example.com` covers all names of that domain. Default: none.
   */
  serverAltNames?: string[];
  /** The Teleport clusters through which people reach the database. Default: none. */
  teleport?: TeleportArgs | TeleportArgs[];
  /**
   * PostgreSQL users for people who log in through Teleport. Default: teleport_user_read and teleport_user_write; none
   * without `teleport`.
   */
  users?: TeleportUser[];
  /**
   * How `users` are declared to CloudNativePG. `inline`: in the Cluster's `spec.managed.roles`. `databaseRole`: by a
   * DatabaseRole object for each user, which requires CloudNativePG 1.30 or later. You can change this setting at any
   * time. The users stay as they are, and can log in during the change. Default: `inline`.
   */
  usersAs?: UsersAs;
  /** Individual users for people and applications, which Teleport creates at login. Default: none. */
  autoUsers?: AutoUsers;
  /** Short-lived users of the application's database, which Vault creates. Default: none. */
  vaultDatabase?: VaultDatabaseOfCluster;
  /** PgBouncer poolers in front of the Cluster. Default: none. */
  poolers?: PoolerSettings[];
  /**
   * How `up` reaches the Kubernetes cluster to grant rights and to check readiness. It must be the cluster of the
   * Kubernetes provider. Default: the current context of KUBECONFIG or ~/.kube/config.
   */
  kubernetes?: KubernetesArgs;
  /** Minutes that `up` waits until the Cluster is ready, and until each Pooler is ready. Default: 15. */
  readyMinutes?: number;
}

export const DEFAULT_READY_MINUTES = 15;

/** The Teleport clusters as a list. Empty if there are none. */
export function teleportClusters({ teleport }: Pick<PostgresClusterArgs, "teleport">): readonly TeleportArgs[] {
  return teleport === undefined ? [] : Array.isArray(teleport) ? teleport : [teleport];
}
