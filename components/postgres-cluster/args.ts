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

/** How Teleport gets to know the databases. */
export type TeleportRegistration =
  | {
      /** `program`: this program registers them, and agents pick them up by their labels. */
      by: "program";
    }
  | {
      /** `agent`: an agent's own configuration names them; the output `teleportAgents` has it. */
      by: "agent";
      /** How the agent joins the Teleport cluster. */
      join: AgentJoin;
      /** Namespace of the agent: a ConfigMap with the server's CA is put there. Default: none is made. */
      namespace?: string;
    }
  | {
      /** `operator`: Teleport's Kubernetes operator registers them, from custom resources. */
      by: "operator";
      /** Namespace that the operator watches: its own. */
      namespace: string;
    };

/** How people reach the database through Teleport. */
export interface TeleportArgs {
  /** `host:port` of Teleport's proxy. The identity comes from the environment: see docs/teleport.md, "Teleport identity". */
  proxy: pulumi.Input<string>;
  /** Name of a set of credentials, which tells several Teleport clusters apart. Default: the unnamed set. */
  credentials?: string;
  /** Name of the primary in Teleport; the standby's is that with `-ro`. Default: `<cluster>-<environment>`. */
  name?: string;
  /**
   * Labels besides `provisioned_by`, `environment`, `cluster`, `namespace`, `primary` and `sql_type`. Default: none.
   */
  labels?: Record<string, string>;
  /** Where the CA comes from that Teleport's agents log in with. Default: Teleport itself, by the program's identity. */
  clientCas?: CaSource[];
  /** How Teleport gets to know the databases. Default: `by: program`. */
  registration?: TeleportRegistration;
  /** Labels that the agent computes, by name. Becomes `dynamic_labels`. Default: none. */
  dynamicLabels?: Record<string, DynamicLabel>;
  /**
   * PostgreSQL user that Teleport logs in as to make users for people. Set it only if you make this user yourself:
   * `autoUsers` makes its own. Becomes `admin_user`. Default: that of `autoUsers`.
   */
  adminUser?: DatabaseAdminUser;
  /** Trust the CAs of the agent's system as well as the server's CA. Default: false. Teleport releases before June 2024 drop it. */
  trustSystemPool?: boolean;
  /**
   * Make a role in Teleport for each of `users`, named after the primary and the user, e.g. `orders-prod-reader`. Its
   * members may log in to this database as that user. For each role of `autoUsers` likewise, with `auto-` before it: its
   * members get a user of their own with that role. The program's identity then needs the right to write roles.
   * Default: false.
   */
  accessRoles?: boolean;
  /** Take over databases of these names that exist and are not ours. Default: false, which refuses. */
  adopt?: boolean;
}

/** Settings of a PostgresCluster. */
export interface PostgresClusterArgs extends ClusterSettings, ProtectionSettings {
  /** Name of CNPG's Cluster. It cannot change while the database is protected. Default: the component's name. */
  clusterName?: string;
  /**
   * Former names of this database. A renamed database keeps its Cluster if this names the former key, and `clusterName`
   * names the Cluster. Default: none.
   */
  formerNames?: string[];
  /** Namespace to put everything in. Default: one of the Cluster's name is made. */
  namespace?: pulumi.Input<string>;
  /** Where this runs, e.g. `dev`: part of the name in Teleport, and a label. Default: the stack's name. */
  environment?: string;
  /**
   * What the database is for. Becomes the annotation `kubernetes.io/description`, and the description in Teleport.
   * Default: none.
   */
  description?: string;
  /** The Kubernetes cluster's DNS domain, without a dot at its end. Default: `cluster.local`. */
  clusterDomain?: string;
  /** Who signs certificates. */
  issuer: IssuerArgs;
  /**
   * Further DNS names and IP addresses of the server certificate, in addition to the twelve names of the Services. Write
   * them without scheme and port. `*.db.example.com` covers all names of that domain. Default: none.
   */
  serverAltNames?: string[];
  /** The Teleport clusters through which people come. Default: none. */
  teleport?: TeleportArgs | TeleportArgs[];
  /**
   * PostgreSQL roles that people from Teleport log in as. Default: teleport_user_read and teleport_user_write; none
   * without `teleport`.
   */
  users?: TeleportUser[];
  /**
   * How `users` are declared to CloudNativePG. `inline`: in the Cluster's `spec.managed.roles`. `databaseRole`: by a DatabaseRole
   * object for each user. This needs CloudNativePG 1.30 or later. You can change the setting at any time: every user stays as it
   * is, and can log in meanwhile. Default: `inline`.
   */
  usersAs?: UsersAs;
  /** Users of their own for people and applications, made by Teleport at login. Default: none. */
  autoUsers?: AutoUsers;
  /** Short-lived users of the application's database, made by Vault. Default: none. */
  vaultDatabase?: VaultDatabaseOfCluster;
  /** PgBouncer in front of the Cluster. Default: none. */
  poolers?: PoolerSettings[];
  /**
   * How `up` reaches the Kubernetes cluster to grant rights and to see what is served; must be the Kubernetes
   * provider's cluster. Default: the current context of KUBECONFIG or ~/.kube/config.
   */
  kubernetes?: KubernetesArgs;
  /** Minutes that `up` waits for the Cluster, and for each Pooler, to serve. Default: 15. */
  readyMinutes?: number;
}

export const DEFAULT_READY_MINUTES = 15;

/** The Teleport clusters, none included, as a list. */
export function teleportClusters({ teleport }: Pick<PostgresClusterArgs, "teleport">): readonly TeleportArgs[] {
  return teleport === undefined ? [] : Array.isArray(teleport) ? teleport : [teleport];
}
