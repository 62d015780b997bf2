/** The settings of a PostgresCluster, and their checks. */
import * as pulumi from "@pulumi/pulumi";
import { checkIssuer, IssuerArgs, suitsPoolers } from "./certificates/issuer";
import { ClusterSettings, databaseAndOwner, DEFAULT_INSTANCES } from "./cnpg/cluster-spec";
import { checkClusterSettings } from "./cnpg/cluster-check";
import { isExplicit, POOLER_AUTHENTICATION, PoolerSettings } from "./cnpg/pooler";
import { checkPoolers } from "./cnpg/pooler-check";
import { checkUsers, DEFAULT_USERS, TeleportUser } from "./cnpg/roles";
import type { KubernetesConnection } from "./kubernetes/client";
import { checkClusterName, checkTeleportName, teleportNames } from "./names";
import { SettingProblem } from "./settings";

/** How people reach the database through Teleport. */
export interface TeleportArgs {
  /** `host:port` of Teleport's proxy. The identity comes from the environment: see README, "Teleport identity". */
  proxy: string;
  /** Name of a set of credentials, which tells several Teleport clusters apart. Default: the unnamed set. */
  credentials?: string;
  /** Name of the primary in Teleport; the standby's is that with `-ro`. Default: `<cluster>-<environment>`. */
  name?: string;
  /** Labels besides `provisioned_by`, `environment`, `cluster`, `namespace` and `sql_type`. */
  labels?: Record<string, string>;
  /** Take over databases of these names that exist and are not ours. Default: false, which refuses. */
  adopt?: boolean;
}

/** Settings of a PostgresCluster. */
export interface PostgresClusterArgs extends ClusterSettings {
  /** Name of CNPG's Cluster. Default: the component's name. */
  clusterName?: string;
  /** Namespace to put everything in. Default: one of the Cluster's name is made. */
  namespace?: pulumi.Input<string>;
  /** Where this runs, e.g. `dev`: part of the name in Teleport, and a label. Default: the stack's name. */
  environment?: string;
  /** Becomes the annotation `kubernetes.io/description`, and the description in Teleport. */
  description?: string;
  /** The Kubernetes cluster's DNS domain. Default: `cluster.local`. */
  clusterDomain?: string;
  /** Who signs certificates. */
  issuer: IssuerArgs;
  /** DNS names of the server certificate besides the twelve of the Services. */
  serverAltNames?: string[];
  /** The Teleport clusters through which people come. Default: none. */
  teleport?: TeleportArgs | TeleportArgs[];
  /**
   * PostgreSQL roles that people from Teleport log in as. Default: teleport_user_read and teleport_user_write; none
   * without `teleport`.
   */
  users?: TeleportUser[];
  /** PgBouncer in front of the Cluster. Default: none. */
  poolers?: PoolerSettings[];
  /**
   * How `up` reaches the Kubernetes cluster to grant rights and to see what is served; must be the Kubernetes
   * provider's cluster. Default: the current context of KUBECONFIG or ~/.kube/config.
   */
  kubernetes?: KubernetesConnection;
  /** Minutes that `up` waits for the Cluster, and for each Pooler, to serve. Default: 15. */
  readyMinutes?: number;
}

export const DEFAULT_READY_MINUTES = 15;

/** The Teleport clusters, none included, as a list. */
export function teleportClusters({ teleport }: Pick<PostgresClusterArgs, "teleport">): readonly TeleportArgs[] {
  return teleport === undefined ? [] : Array.isArray(teleport) ? teleport : [teleport];
}

/** PostgreSQL roles that people log in as. */
export function teleportUsers(args: Pick<PostgresClusterArgs, "teleport" | "users">): readonly TeleportUser[] {
  return args.users ?? (teleportClusters(args).length > 0 ? DEFAULT_USERS : []);
}

/** All roles that log in by certificate: people, and PgBouncer where it looks up passwords by itself. */
export function certificateUsers(args: PostgresClusterArgs): readonly TeleportUser[] {
  const pooler = (args.poolers ?? []).some(isExplicit);
  return [
    ...teleportUsers(args),
    ...(pooler ? [{ name: POOLER_AUTHENTICATION.role, access: "none", connectionLimit: -1 } as const] : []),
  ];
}

/** Whether there is a standby, so that `-ro` leads somewhere. */
export function hasStandby({ instances = DEFAULT_INSTANCES }: ClusterSettings): boolean {
  return instances > 1;
}

/** All that is wrong with the settings; `path` is put before each setting's name. */
export function checkPostgresCluster(
  path: string,
  clusterName: string,
  environment: string,
  args: PostgresClusterArgs,
): SettingProblem[] {
  const at = (setting: string) => (path ? `${path}.${setting}` : setting);
  const teleports = teleportClusters(args);
  const isList = Array.isArray(args.teleport);
  const { poolers = [], readyMinutes = DEFAULT_READY_MINUTES } = args;
  return [
    ...checkClusterName(at("clusterName"), clusterName),
    ...checkClusterSettings(path, args),
    ...checkIssuer(at("issuer"), args.issuer),
    ...teleports.flatMap((teleport, index) =>
      checkTeleport(at(isList ? `teleport[${index}]` : "teleport"), clusterName, environment, teleport),
    ),
    ...checkCredentials(at("teleport"), teleports),
    ...checkUsers(at("users"), teleportUsers(args), databaseAndOwner(args.initdb).owner),
    ...checkPoolers(at("poolers"), clusterName, poolers),
    ...checkPoolerCertificates(at("issuer.renewBefore"), args),
    ...(readyMinutes > 0
      ? []
      : [
          {
            setting: at("readyMinutes"),
            value: readyMinutes,
            problem: "is no time to wait",
            fix: "Use a number of minutes above 0, e.g. 15.",
          },
        ]),
  ];
}

const HOST_PORT = /^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$/;

function checkTeleport(
  path: string,
  clusterName: string,
  environment: string,
  teleport: TeleportArgs,
): SettingProblem[] {
  const port = Number(HOST_PORT.exec(teleport.proxy)?.[2] ?? NaN);
  const proxy = port > 0 && port < 65_536;
  const names = teleportNames(clusterName, environment, teleport.name);
  return [
    ...(proxy
      ? []
      : [
          {
            setting: `${path}.proxy`,
            value: teleport.proxy,
            problem: "is no address of a Teleport proxy",
            fix: "Write host:port without a scheme, e.g. teleport.example.com:443.",
          },
        ]),
    ...checkTeleportName(`${path}.name`, names.standby),
  ];
}

/** One identity belongs to one Teleport cluster. */
function checkCredentials(path: string, teleports: readonly TeleportArgs[]): SettingProblem[] {
  return teleports.flatMap(({ credentials }, index) => {
    if (teleports.findIndex((other) => other.credentials === credentials) === index) return [];
    return [
      {
        setting: `${path}[${index}].credentials`,
        value: credentials,
        problem: "is that of another Teleport cluster of this database",
        fix: "Name a set of credentials for each, e.g. emea: its identity is then in TELEPORT_EMEA_IDENTITY_FILE.",
      },
    ];
  });
}

function checkPoolerCertificates(setting: string, { issuer, poolers = [] }: PostgresClusterArgs): SettingProblem[] {
  if (poolers.every(isExplicit) || checkIssuer("", issuer).length > 0 || suitsPoolers(issuer)) return [];
  return [
    {
      setting,
      value: issuer.renewBefore ?? "30d",
      problem:
        "is later than CloudNativePG tries to renew its pooler's certificate, which it cannot without the CA's key",
      fix: "Use at least 8d, or authentication: explicit for every Pooler.",
    },
  ];
}
