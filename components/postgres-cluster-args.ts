/** The settings of a PostgresCluster, and their checks. */
import * as pulumi from "@pulumi/pulumi";
import { checkIssuer, IssuerArgs } from "./certificates/issuer";
import { ClusterSettings, databaseAndOwner, DEFAULT_INSTANCES } from "./cnpg/cluster-spec";
import { checkClusterSettings } from "./cnpg/cluster-check";
import { checkUsers, DEFAULT_USERS, TeleportUser } from "./cnpg/roles";
import { checkClusterName, checkTeleportName, teleportNames } from "./names";
import { SettingProblem } from "./settings";

/** How people reach the database through Teleport. */
export interface TeleportArgs {
  /** `host:port` of Teleport's proxy. The identity comes from the environment: see README, "Teleport identity". */
  proxy: string;
  /** Name of a set of credentials, for several Teleport clusters. Default: the unnamed set. */
  credentials?: string;
  /** Name of the primary in Teleport; the standby's is that with `-ro`. Default: `<cluster>-<environment>`. */
  name?: string;
  /** Labels besides `provisioned_by`, `environment`, `cluster`, `namespace` and `sql_type`. */
  labels?: Record<string, string>;
  /** PostgreSQL roles that Teleport users may log in as. Default: teleport_user_read and teleport_user_write. */
  users?: TeleportUser[];
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
  /** Registration in Teleport. Default: none. */
  teleport?: TeleportArgs;
  /** How long `up` waits for the Cluster to become ready, in Pulumi's notation. Default: `15m`. */
  readyTimeout?: string;
}

/** Users that come through Teleport; none without Teleport. */
export function teleportUsers(teleport: TeleportArgs | undefined): readonly TeleportUser[] {
  return teleport ? (teleport.users ?? DEFAULT_USERS) : [];
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
  return [
    ...checkClusterName(at("clusterName"), clusterName),
    ...checkClusterSettings(path, args),
    ...checkIssuer(at("issuer"), args.issuer),
    ...(args.teleport ? checkTeleport(at("teleport"), clusterName, environment, args.teleport, args) : []),
  ];
}

const HOST_PORT = /^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$/;

function checkTeleport(
  path: string,
  clusterName: string,
  environment: string,
  teleport: TeleportArgs,
  { initdb }: ClusterSettings,
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
    ...checkUsers(`${path}.users`, teleportUsers(teleport), databaseAndOwner(initdb).owner),
  ];
}
