/** Checks the settings of a PostgresCluster before anything is created. Pure. */
import { checkAltNames, checkClusterDomain } from "../certificates/alt-names";
import { CaSource, checkCaSources } from "../certificates/ca-source";
import { checkIssuer } from "../certificates/issuer";
import { checkClusterSettings } from "../cnpg/cluster";
import { checkPoolers } from "../cnpg/pooler";
import { checkUsers } from "../cnpg/roles";
import { disabledServices } from "../cnpg/services";
import { stringsAt } from "../cnpg/spec";
import { checkNamespace } from "../kubernetes/names";
import { SettingProblem } from "../problems";
import { AUTO_USER_GROUP, checkAutoUsers } from "../teleport/auto-users/settings";
import { identityVariables } from "../teleport/client/identity";
import { checkOperatorDatabase } from "../teleport/kubernetes-operator";
import { checkProxyAddress, checkDynamicLabels, checkLabels, checkTeleportName, OUR_LABELS } from "../teleport/names";
import { checkDatabaseUsers } from "../teleport/resources/access-role";
import { valueIfKnown, wrong } from "../value-check";
import { checkVaultDatabaseOfCluster } from "../vault-database/check";
import { DEFAULT_READY_MINUTES, TeleportArgs } from "./args";
import { checkClusterName } from "../cnpg/names";
import type { ClusterPlan } from "./plan";
import type { TeleportPlan } from "./teleport-plan";

/** Returns every problem of the settings of a plan. `path` is the prefix of each setting's name. */
export function checkPostgresCluster(path: string, plan: ClusterPlan): SettingProblem[] {
  const at: At = (setting) => (path ? `${path}.${setting}` : setting);
  const { settings, teleport, clusterName, hasStandby } = plan;
  const { poolers = [], vaultDatabase, readyMinutes = DEFAULT_READY_MINUTES } = settings;
  // Default names consist of the names of the Cluster and of the environment. checkNames reports their problems.
  const defaultNames = [
    ...poolers.flatMap(({ name }, index) => (name === undefined ? [at(`poolers[${index}].name`)] : [])),
    ...(vaultDatabase?.connection === undefined ? [at("vaultDatabase.connection")] : []),
    ...(vaultDatabase?.mount === undefined ? [at("vaultDatabase.mount.path")] : []),
  ];
  const isWritten = ({ setting }: SettingProblem) => !defaultNames.includes(setting);
  return [
    ...checkNames(path, at, plan),
    ...checkNamespace(at("namespace"), valueIfKnown(settings.namespace)),
    ...checkAdopt(at, settings),
    ...checkClusterSettings(path, settings, {
      cluster: clusterName,
      users: plan.certificateUsers,
      registered: teleport.length > 0,
      standbyRegistered: teleport.length > 0 && hasStandby,
      replicaRegistered: teleport.length > 0 && settings.replica?.teleportName !== undefined,
    }),
    ...checkClusterDomain(at("clusterDomain"), plan.clusterDomain),
    ...checkAltNames(at("serverAltNames"), settings.serverAltNames),
    ...checkIssuer(at("issuer"), settings.issuer),
    ...teleport.flatMap((each, index) => checkTeleport(at(teleportSetting(plan, index)), each, plan)),
    ...checkReplicaInTeleport(at, plan),
    ...checkCredentials(at("teleport"), teleport),
    ...checkUsers(at("users"), plan.users, plan.owner),
    ...checkPoolers(at("poolers"), clusterName, plan.poolers, {
      hasStandby,
      disabledServices: disabledServices(settings.spec),
    }).filter(isWritten),
    ...checkAutoUsersOf(at, plan),
    ...checkReservedRoles(at, plan),
    ...checkImportedRoles(at, plan),
    ...(vaultDatabase && plan.vaultDatabase
      ? checkVaultDatabaseOfCluster(at("vaultDatabase"), vaultDatabase, plan.vaultDatabase, settings).filter(isWritten)
      : []),
    ...(readyMinutes > 0
      ? []
      : [
          {
            setting: at("readyMinutes"),
            value: readyMinutes,
            problem: "must be a number of minutes greater than 0",
            fix: "Write e.g. 15.",
          },
        ]),
  ];
}

type At = (setting: string) => string;

/** The setting of a Teleport cluster: `teleport`, or an element of this list. */
function teleportSetting({ settings }: ClusterPlan, index: number): string {
  return Array.isArray(settings.teleport) ? `teleport[${index}]` : "teleport";
}

/** A Cluster that is taken over exists already: in a namespace, and with its data. */
function checkAdopt(at: At, { adopt, namespace, recovery }: ClusterPlan["settings"]): SettingProblem[] {
  if (adopt !== true) return [];
  return [
    ...(namespace === undefined
      ? [
          {
            setting: at("namespace"),
            problem: "is missing, but adopt: true needs it",
            fix: "Write the namespace of the existing Cluster.",
          },
        ]
      : []),
    ...(recovery === undefined
      ? []
      : [
          {
            setting: at("recovery"),
            problem: "must not be set together with adopt: true, because the Cluster has its data already",
            fix: "Remove adopt to create a new Cluster from a backup, or remove recovery.",
          },
        ]),
  ];
}

/** Patterns of the environment, which is the end of a default name in Teleport or Vault. */
const ENVIRONMENT_IN_TELEPORT = /^[-a-z0-9]*[a-z0-9]$/;
const ENVIRONMENT_IN_VAULT = /^[-_a-z0-9]*[a-z0-9]$/;
const MAX_VAULT_NAME_LENGTH = 64;

/** Checks the names of the Cluster and of the environment, and the default names that consist of both. */
function checkNames(path: string, at: At, plan: ClusterPlan): SettingProblem[] {
  const { settings, clusterName, environment } = plan;
  // A key of the configuration is the Cluster's name by default.
  const ofKey = settings.clusterName === undefined && path !== "";
  const cluster = checkClusterName(at("clusterName"), clusterName).map((problem) =>
    ofKey ? { ...problem, setting: path, value: undefined, fix: `${problem.fix} Or set clusterName.` } : problem,
  );
  if (cluster.length > 0) return cluster;
  const inTeleport = plan.teleport.some(({ settings: { name } }) => name === undefined);
  const inVault = settings.vaultDatabase !== undefined && settings.vaultDatabase.connection === undefined;
  const remedy = [...(inTeleport ? ["teleport.name"] : []), ...(inVault ? ["vaultDatabase.connection"] : [])];
  if (remedy.length === 0) return [];
  if (!(inTeleport ? ENVIRONMENT_IN_TELEPORT : ENVIRONMENT_IN_VAULT).test(environment)) {
    const problem = `cannot be part of a name in ${inTeleport ? "Teleport" : "Vault"}`;
    const allowed = "only lower-case letters, digits and hyphens";
    const alternative = `or set ${remedy.join(" and ")}`;
    return settings.environment === undefined
      ? [
          {
            setting: "the stack's name",
            value: environment,
            problem,
            fix: `Set environment to a name with ${allowed}, ${alternative}.`,
          },
        ]
      : [{ setting: at("environment"), value: environment, problem, fix: `Use ${allowed}, ${alternative}.` }];
  }
  const { standby = "" } = plan.teleport.find(({ settings: { name } }) => name === undefined) ?? {};
  const { connection = "" } = plan.vaultDatabase ?? {};
  const tooLong = inTeleport ? checkTeleportName("", standby).length > 0 : connection.length > MAX_VAULT_NAME_LENGTH;
  if (!tooLong) return [];
  const name = inTeleport ? `${standby} in Teleport` : `${connection} in Vault`;
  const problem = `would be called ${name}, which is too long`;
  return [{ setting: ofKey ? path : at("clusterName"), problem, fix: `Set ${remedy.join(" and ")}.` }];
}

/**
 * Refuses roles that mark users of Teleport and Vault: their members would count as such users, and would be dropped.
 */
function checkReservedRoles(
  at: At,
  { settings, users, autoUsersAdmin, vaultUsers: vault }: ClusterPlan,
): SettingProblem[] {
  const taken = [
    AUTO_USER_GROUP,
    ...(autoUsersAdmin ? [autoUsersAdmin.name] : []),
    ...(vault ? [vault.admin, vault.users] : []),
  ];
  const problem = "is reserved, because Teleport or Vault uses this role to create users";
  const names = users.flatMap(({ name, memberOf = [] }, index) => [
    { setting: at(`users[${index}].name`), value: name },
    ...memberOf.map((role, place) => ({ setting: at(`users[${index}].memberOf[${place}]`), value: role })),
  ]);
  const given = (settings.autoUsers?.roles ?? []).map((role, index) => ({
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

/**
 * Refuses to import roles that the program creates itself. An import loses the comment by which the program recognizes its
 * roles, so `up` would refuse them, but only after the import. The roles of `*` are known only then.
 */
function checkImportedRoles(at: At, { settings, autoUsersAdmin, vaultUsers }: ClusterPlan): SettingProblem[] {
  const field = "bootstrap.initdb.import.roles";
  return stringsAt(settings.spec, field).flatMap((role, index) => {
    const isOfVault = vaultUsers !== undefined && [vaultUsers.admin, vaultUsers.users].includes(role);
    if (!isOfVault && role !== autoUsersAdmin?.name) return [];
    const [whose, setting] = isOfVault
      ? ["a role with which Vault", "vaultDatabase.admin"]
      : ["the role with which Teleport", "autoUsers.adminUser"];
    return wrong(
      at(`spec.${field}[${index}]`),
      role,
      `is ${whose} creates users, so it must not exist already`,
      `Set ${setting} to another name, or remove the role here.`,
    );
  });
}

function checkAutoUsersOf(at: At, plan: ClusterPlan): SettingProblem[] {
  const { settings, autoUsersAdmin, vaultUsers } = plan;
  if (!settings.autoUsers || !autoUsersAdmin) return [];
  const taken = [
    plan.owner,
    ...plan.users.map(({ name }) => name),
    ...(vaultUsers ? [vaultUsers.admin, vaultUsers.users] : []),
  ];
  return [
    ...checkAutoUsers(at("autoUsers"), settings.autoUsers, taken),
    ...(plan.teleport.length > 0
      ? []
      : [
          {
            setting: at("autoUsers"),
            problem: "requires teleport, because Teleport creates these users",
            fix: "Add teleport.proxy, or remove autoUsers.",
          },
        ]),
    ...plan.teleport.flatMap(({ settings: { adminUser } }, index) =>
      adminUser === undefined
        ? []
        : [
            {
              setting: at(`${teleportSetting(plan, index)}.adminUser`),
              value: adminUser.name,
              problem: "cannot be used with autoUsers, which creates its own admin user",
              fix: `Remove adminUser. autoUsers creates ${autoUsersAdmin.name}.`,
            },
          ],
    ),
  ];
}

function checkTeleport(
  path: string,
  { settings: teleport, standby }: TeleportPlan,
  { users }: ClusterPlan,
): SettingProblem[] {
  const { name, registration = { by: "program" } } = teleport;
  return [
    ...checkProxyAddress(`${path}.proxy`, valueIfKnown(teleport.proxy)),
    // The standby's name is longer.
    ...(name === undefined
      ? []
      : checkTeleportName(`${path}.name`, standby).map((problem) => ({
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
        problem: "is reserved, because the program sets this label",
        fix: label === "environment" ? "Use the setting environment of the database." : "Choose another key.",
      })),
    ...checkDynamicLabels(`${path}.dynamicLabels`, teleport.dynamicLabels),
    ...(registration.by === "program" ? [] : checkNamespace(`${path}.registration.namespace`, registration.namespace)),
    ...(registration.by === "operator"
      ? checkOperatorDatabase(path, { ...teleport, name: "checked-above", namespace: "", owner: "", uri: "" })
      : []),
    ...(teleport.accessRoles
      ? checkDatabaseUsers(
          `${path}.accessRoles`,
          users.map(({ name: user }) => user),
        )
      : []),
  ];
}

/**
 * All Clusters of a topology register the same name, and only the primary cluster has it at a time. The default name consists of
 * the Cluster's and the environment's, which differ.
 */
function checkReplicaInTeleport(at: At, plan: ClusterPlan): SettingProblem[] {
  const { replica, teleport } = plan;
  if (!replica) return [];
  const { teleportName } = replica.settings;
  const setting = at("replica.teleportName");
  const unnamed = teleport.flatMap(({ settings: { name }, primary }, index) =>
    name === undefined ? [{ setting: at(`${teleportSetting(plan, index)}.name`), primary }] : [],
  );
  return [
    ...unnamed.map(({ setting: name, primary }) => ({
      setting: name,
      problem: "is missing, but all Clusters of a topology must register the same name",
      fix: `Write the name that people use, e.g. ${primary}, in the settings of each Cluster.`,
    })),
    ...(teleportName === undefined
      ? []
      : teleport.length === 0
        ? [
            {
              setting,
              value: teleportName,
              problem: "requires teleport",
              fix: "Add teleport.proxy, or remove teleportName.",
            },
          ]
        : teleport.some(({ primary, standby }) => [primary, standby].includes(teleportName))
          ? [
              {
                setting,
                value: teleportName,
                problem: "is a name of the primary cluster",
                fix: "Choose a name that only this Cluster has.",
              },
            ]
          : checkTeleportName(setting, teleportName).map((problem) => ({
              ...problem,
              fix: "Use at most 63 lower-case letters, digits and hyphens, beginning with a letter.",
            }))),
  ];
}

function checkClientCas(path: string, sources: readonly CaSource[] | undefined): SettingProblem[] {
  if (sources?.length !== 0) return checkCaSources(path, sources ?? []);
  const fix = "Add a source, or remove clientCas to use the CA from Teleport.";
  return [{ setting: path, problem: "must not be empty, because nobody could log in through Teleport", fix }];
}

/** Checks that each Teleport cluster has its own identity. */
function checkCredentials(path: string, plans: readonly TeleportPlan[]): SettingProblem[] {
  const teleports = plans.map(({ settings }) => settings);
  // Different names can have the same environment variable.
  const variable = (teleport: TeleportArgs) => identityVariables(teleport.credentials).file;
  return teleports.flatMap((teleport, index) => {
    const { credentials } = teleport;
    if (teleports.findIndex((other) => variable(other) === variable(teleport)) === index) return [];
    return [
      {
        setting: `${path}[${index}].credentials`,
        value: credentials,
        problem: "must be unique, but another Teleport cluster of this database has the same credentials",
        fix: "Choose a name for each, e.g. emea. Its identity is then in TELEPORT_EMEA_IDENTITY_FILE.",
      },
    ];
  });
}
