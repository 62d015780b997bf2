/** The settings of a PostgresCluster, and their checks. */
import * as pulumi from "@pulumi/pulumi";
import { EXPLICIT_LOGIN } from "../postgres/pooler-login";
import {
  AUTO_USER_GROUP,
  AutoUsers,
  autoUserHbaRules,
  autoUsersAdmin,
  checkAutoUsers,
} from "../teleport/auto-users/settings";
import { checkAltNames, checkClusterDomain } from "../certificates/alt-names";
import { CaSource, checkCaSources } from "../certificates/ca-source";
import type { IssuerArgs } from "../certificates/issuer";
import { checkIssuer } from "../certificates/issuer-check";
import { ClusterSettings, databaseAndOwner, DEFAULT_INSTANCES } from "../cnpg/cluster-spec";
import { checkClusterSettings } from "../cnpg/cluster-check";
import { DatabaseRoleManifest, databaseRoleManifests, UsersAs } from "../cnpg/database-roles";
import { poolerLogins, PoolerSettings } from "../cnpg/pooler";
import { checkPoolers } from "../cnpg/pooler-check";
import { checkUsers, DEFAULT_USERS, TeleportUser } from "../cnpg/roles";
import { disabledServices } from "../cnpg/spec-fields";
import { checkOneOf } from "../value-check";
import type { KubernetesArgs } from "../kubernetes/resource";
import { checkClusterName, checkTeleportName, OUR_LABELS, teleportNames } from "./names";
import type { ProtectionSettings } from "../protection/deletion-protection";
import { SettingProblem } from "../problems";
import type { AgentJoin } from "../teleport/agent";
import type { DatabaseAdminUser, DynamicLabel } from "../teleport/resources/database";
import { identityVariables } from "../teleport/client/identity";
import { checkDynamicLabels, checkLabels } from "../teleport/resources/labels";
import { checkOperatorDatabase } from "../teleport/kubernetes-operator";
import { checkDatabaseUsers } from "../teleport/resources/reserved-users";
import { vaultHbaRules } from "../vault-database/pg-hba";
import { vaultUserNames } from "../vault-database/settings";
import { checkVaultDatabaseOfCluster, VaultDatabaseOfCluster } from "../vault-database/of-cluster";

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
  proxy: string;
  /** Name of a set of credentials, which tells several Teleport clusters apart. Default: the unnamed set. */
  credentials?: string;
  /** Name of the primary in Teleport; the standby's is that with `-ro`. Default: `<cluster>-<environment>`. */
  name?: string;
  /** Labels besides `provisioned_by`, `environment`, `cluster`, `namespace`, `primary` and `sql_type`. */
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
  /** Becomes the annotation `kubernetes.io/description`, and the description in Teleport. */
  description?: string;
  /** The Kubernetes cluster's DNS domain, without a dot at its end. Default: `cluster.local`. */
  clusterDomain?: string;
  /** Who signs certificates. */
  issuer: IssuerArgs;
  /**
   * Further DNS names and IP addresses of the server certificate, in addition to the twelve names of the Services. Write
   * them without scheme and port. `*.db.example.com` covers all names of that domain.
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

/** PostgreSQL roles that people log in as. */
export function teleportUsers(args: Pick<PostgresClusterArgs, "teleport" | "users">): readonly TeleportUser[] {
  return args.users ?? (teleportClusters(args).length > 0 ? DEFAULT_USERS : []);
}

/** All roles that log in by certificate: people, and PgBouncer with a role that CNPG has no rule for. */
export function certificateUsers(args: PostgresClusterArgs): readonly TeleportUser[] {
  const explicit = poolerLogins(args.poolers).includes("explicit");
  return [...teleportUsers(args), ...(explicit ? [EXPLICIT_LOGIN] : [])];
}

/** The DatabaseRoles of all roles that log in by certificate. Empty if the Cluster declares these roles. */
export function databaseRolesOf<Namespace>(
  cluster: string,
  namespace: Namespace,
  args: PostgresClusterArgs,
): DatabaseRoleManifest<Namespace>[] {
  return args.usersAs === "databaseRole" ? databaseRoleManifests(cluster, namespace, certificateUsers(args)) : [];
}

/** Rules of pg_hba.conf that stand before LDAP: for users that others make, and then the declared ones. */
export function pgHbaOf({ autoUsers, vaultDatabase, initdb, pgHba = [] }: PostgresClusterArgs): string[] {
  return [
    ...(autoUsers ? autoUserHbaRules(autoUsers) : []),
    ...(vaultDatabase ? vaultHbaRules(vaultDatabase, databaseAndOwner(initdb).database) : []),
    ...pgHba,
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
  const users = teleportUsers(args).map(({ name }) => name);
  const isList = Array.isArray(args.teleport);
  const { poolers = [], readyMinutes = DEFAULT_READY_MINUTES } = args;
  // Names that nobody wrote are made of the Cluster's and the environment's, and told there (checkNames).
  const derived = [
    ...poolers.flatMap(({ name }, index) => (name === undefined ? [at(`poolers[${index}].name`)] : [])),
    ...(args.vaultDatabase?.connection === undefined ? [at("vaultDatabase.connection")] : []),
    ...(args.vaultDatabase?.mount === undefined ? [at("vaultDatabase.mount.path")] : []),
  ];
  const isWritten = ({ setting }: SettingProblem) => !derived.includes(setting);
  return [
    ...checkNames(path, clusterName, environment, args),
    ...checkClusterSettings(path, args, {
      cluster: clusterName,
      users: certificateUsers(args),
      registered: teleports.length > 0,
      standbyRegistered: teleports.length > 0 && hasStandby(args),
    }),
    ...checkClusterDomain(at("clusterDomain"), args.clusterDomain ?? "cluster.local"),
    ...checkAltNames(at("serverAltNames"), args.serverAltNames),
    ...checkIssuer(at("issuer"), args.issuer),
    ...teleports.flatMap((teleport, index) =>
      checkTeleport(at(isList ? `teleport[${index}]` : "teleport"), teleport, users),
    ),
    ...checkCredentials(at("teleport"), teleports),
    ...checkUsers(at("users"), teleportUsers(args), databaseAndOwner(args.initdb).owner),
    ...checkOneOf(at("usersAs"), args.usersAs, ["inline", "databaseRole"]),
    ...checkPoolers(at("poolers"), clusterName, poolers, {
      hasStandby: hasStandby(args),
      disabledServices: disabledServices(args.spec),
    }).filter(isWritten),
    ...checkAutoUsersOf(at, args),
    ...checkForeignRoles(at, args),
    ...(args.vaultDatabase
      ? checkVaultDatabaseOfCluster(at("vaultDatabase"), clusterName, environment, args.vaultDatabase, args).filter(
          isWritten,
        )
      : []),
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

/** What names in Teleport, and in Vault, may end with. */
const IN_TELEPORT = /^[-a-z0-9]*[a-z0-9]$/;
const IN_VAULT = /^[-_a-z0-9]*[a-z0-9]$/;
const LONGEST_IN_VAULT = 64;

/** The names of the Cluster and of the environment, and those that are made of both. */
function checkNames(
  path: string,
  clusterName: string,
  environment: string,
  args: PostgresClusterArgs,
): SettingProblem[] {
  const at = (setting: string) => (path ? `${path}.${setting}` : setting);
  // A key of the configuration is the Cluster's name by default.
  const ofKey = args.clusterName === undefined && path !== "";
  const cluster = checkClusterName(at("clusterName"), clusterName).map((problem) =>
    ofKey ? { ...problem, setting: path, value: undefined, fix: `${problem.fix} Or set clusterName.` } : problem,
  );
  if (cluster.length > 0) return cluster;
  const inTeleport = teleportClusters(args).some(({ name }) => name === undefined);
  const inVault = args.vaultDatabase !== undefined && args.vaultDatabase.connection === undefined;
  const remedy = [...(inTeleport ? ["teleport.name"] : []), ...(inVault ? ["vaultDatabase.connection"] : [])];
  if (remedy.length === 0) return [];
  if (!(inTeleport ? IN_TELEPORT : IN_VAULT).test(environment)) {
    const problem = `cannot be part of a name in ${inTeleport ? "Teleport" : "Vault"}`;
    const fix = `Use lower-case letters, digits and hyphens, or set ${remedy.join(" and ")}.`;
    return args.environment === undefined
      ? [{ setting: "the stack's name", value: environment, problem, fix: `Set environment. ${fix}` }]
      : [{ setting: at("environment"), value: environment, problem, fix }];
  }
  const { primary, standby } = teleportNames(clusterName, environment);
  const tooLong = inTeleport ? checkTeleportName("", standby).length > 0 : primary.length > LONGEST_IN_VAULT;
  if (!tooLong) return [];
  const name = inTeleport ? `${standby} in Teleport` : `${primary} in Vault`;
  const problem = `would be called ${name}, which is too long`;
  return [{ setting: ofKey ? path : at("clusterName"), problem, fix: `Set ${remedy.join(" and ")}.` }];
}

/** Roles that Vault's and Teleport's users are told by: members of them would be taken for such a user, and dropped. */
function checkForeignRoles(at: (setting: string) => string, args: PostgresClusterArgs): SettingProblem[] {
  const { database, owner } = databaseAndOwner(args.initdb);
  const vault = args.vaultDatabase ? vaultUserNames(args.vaultDatabase, database, owner) : undefined;
  const taken = [
    AUTO_USER_GROUP,
    ...(args.autoUsers ? [autoUsersAdmin(args.autoUsers).name] : []),
    ...(vault ? [vault.admin, vault.users] : []),
  ];
  const problem = "is a role that Teleport or Vault uses to make users";
  const names = teleportUsers(args).flatMap(({ name, memberOf = [] }, index) => [
    { setting: at(`users[${index}].name`), value: name },
    ...memberOf.map((role, place) => ({ setting: at(`users[${index}].memberOf[${place}]`), value: role })),
  ]);
  const given = (args.autoUsers?.roles ?? []).map((role, index) => ({
    setting: at(`autoUsers.roles[${index}]`),
    value: role,
  }));
  const vaultRoles = vault ? given.filter(({ value }) => [vault.admin, vault.users].includes(value)) : [];
  return [...names.filter(({ value }) => taken.includes(value)), ...vaultRoles].map((found) => ({
    ...found,
    problem,
    fix: "Choose another role.",
  }));
}

function checkAutoUsersOf(at: (setting: string) => string, args: PostgresClusterArgs): SettingProblem[] {
  if (!args.autoUsers) return [];
  const { database, owner } = databaseAndOwner(args.initdb);
  const vault = args.vaultDatabase && vaultUserNames(args.vaultDatabase, database, owner);
  const taken = [owner, ...teleportUsers(args).map(({ name }) => name), ...(vault ? [vault.admin, vault.users] : [])];
  const isList = Array.isArray(args.teleport);
  return [
    ...checkAutoUsers(at("autoUsers"), args.autoUsers, taken),
    ...(teleportClusters(args).length > 0
      ? []
      : [
          {
            setting: at("autoUsers"),
            problem: "is of no use without teleport, which makes the users",
            fix: "Add teleport.proxy, or remove it.",
          },
        ]),
    ...teleportClusters(args).flatMap(({ adminUser }, index) =>
      adminUser === undefined
        ? []
        : [
            {
              setting: at(isList ? `teleport[${index}].adminUser` : "teleport.adminUser"),
              value: adminUser.name,
              problem: "is another admin user than that of autoUsers",
              fix: `Remove it; autoUsers makes ${autoUsersAdmin(args.autoUsers as AutoUsers).name}.`,
            },
          ],
    ),
  ];
}

const HOST_PORT = /^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})$/;

function checkTeleport(path: string, teleport: TeleportArgs, users: readonly string[]): SettingProblem[] {
  const port = Number(HOST_PORT.exec(teleport.proxy)?.[2] ?? NaN);
  const proxy = port > 0 && port < 65_536;
  const { name } = teleport;
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
    // The standby's name is longer.
    ...(name === undefined
      ? []
      : checkTeleportName(`${path}.name`, teleportNames("", "", name).standby).map((problem) => ({
          ...problem,
          value: name,
          fix: "Use at most 60 lower-case letters, digits and hyphens, beginning with a letter.",
        }))),
    ...checkClientCas(`${path}.clientCas`, teleport.clientCas),
    ...checkLabels(`${path}.labels`, teleport.labels),
    ...Object.keys(teleport.labels ?? {})
      .filter((label) => OUR_LABELS.includes(label))
      .map((label) => ({
        setting: `${path}.labels.${label}`,
        problem: "is set by this project",
        fix: "Choose another key; environment has a setting of its own.",
      })),
    ...checkDynamicLabels(`${path}.dynamicLabels`, teleport.dynamicLabels),
    ...(teleport.registration?.by === "operator"
      ? checkOperatorDatabase(path, { ...teleport, name: "checked-above", namespace: "", owner: "", uri: "" })
      : []),
    ...(teleport.accessRoles ? checkDatabaseUsers(`${path}.accessRoles`, users) : []),
  ];
}

function checkClientCas(path: string, sources: readonly CaSource[] | undefined): SettingProblem[] {
  if (sources?.length !== 0) return checkCaSources(path, sources ?? []);
  const fix = "Name a source, or leave it out for Teleport itself.";
  return [{ setting: path, problem: "is empty, so that nobody could log in through Teleport", fix }];
}

/** One identity belongs to one Teleport cluster. */
function checkCredentials(path: string, teleports: readonly TeleportArgs[]): SettingProblem[] {
  // As the variables have it, in which they are looked up.
  const variable = (teleport: TeleportArgs) => identityVariables(teleport.credentials).file;
  return teleports.flatMap((teleport, index) => {
    const { credentials } = teleport;
    if (teleports.findIndex((other) => variable(other) === variable(teleport)) === index) return [];
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
