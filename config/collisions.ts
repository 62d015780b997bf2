/** What only one database or application of a configuration can have: two with the same overwrite each other. Pure. */
import { applicationOf } from "./applications";
import { poolerName } from "../components/cnpg/pooler";
import { agentConfigMap, teleportNames } from "../components/teleport/names";
import { hasStandby, TeleportArgs, teleportClusters, teleportUsers } from "../components/postgres-cluster/args";
import type { SettingProblem } from "../components/problems";
import { botAccountName } from "../components/teleport/resources/bot-document";
import { vaultPlace } from "../components/vault-database/of-cluster";
import { consumerName } from "../components/vault-database/settings";
import { workloadRole } from "../components/workload/machine-id";
import type { DatabaseSettings, EnvironmentConfig } from "./settings";

type Declared = Pick<EnvironmentConfig, "databases" | "applications">;

/** Databases and applications that would get in each other's way. */
export function checkCollisions({ databases, applications }: Declared, stack: string): SettingProblem[] {
  const taken = new Map<string, string>();
  const all = [
    ...Object.entries(databases).map(([name, settings]) => ({
      setting: `databases.${name}`,
      claims: ofDatabase(name, settings, stack),
    })),
    ...Object.keys(applications).map((name) => ({
      setting: `applications.${name}`,
      claims: ofApplication(name, { databases, applications }, stack),
    })),
  ];
  return all.flatMap(({ setting, claims }) =>
    claims.flatMap((claim) => {
      const other = taken.get(claim);
      taken.set(claim, setting);
      if (other === undefined) return [];
      return [{ setting, problem: `would take ${claim}, as ${other} does`, fix: "Rename one of the two." }];
    }),
  );
}

function ofDatabase(name: string, settings: DatabaseSettings, stack: string): string[] {
  const cluster = settings.clusterName ?? name;
  const environment = settings.environment ?? stack;
  const context = settings.kubernetes?.context;
  const where = `namespace ${settings.namespace ?? cluster}${context === undefined ? "" : ` of ${context}`}`;
  const poolers = (settings.poolers ?? []).map((pooler) => `the Pooler ${poolerName(cluster, pooler)} in ${where}`);
  return [
    `the Cluster ${cluster} in ${where}`,
    ...poolers,
    ...teleportClusters(settings).flatMap((teleport) => inTeleport(cluster, environment, settings, teleport)),
    ...inVault(cluster, environment, settings),
  ];
}

function inTeleport(cluster: string, environment: string, settings: DatabaseSettings, teleport: TeleportArgs) {
  const { primary, standby } = teleportNames(cluster, environment, teleport.name);
  const { registration, proxy } = teleport;
  const agent = registration?.by === "agent" ? registration.namespace : undefined;
  const roles = [
    ...teleportUsers(settings).map((user) => `${primary}-${user.name}`),
    ...(settings.autoUsers?.roles ?? []).map((role) => `${primary}-auto-${role}`),
  ];
  return [
    ...[primary, ...(hasStandby(settings) ? [standby] : [])].map((name) => `the Teleport name ${name} at ${proxy}`),
    ...(agent === undefined ? [] : [`the ConfigMap ${agentConfigMap(primary)} in namespace ${agent}`]),
    ...(teleport.accessRoles ? roles.map((role) => roleAt(role, proxy)) : []),
  ];
}

/** The program has one Vault. Roles of its database engine belong to the mount, and not to the connection. */
function inVault(cluster: string, environment: string, { vaultDatabase }: DatabaseSettings): string[] {
  if (!vaultDatabase) return [];
  const { connection, mount } = vaultPlace(cluster, environment, vaultDatabase);
  const { roles, kubernetesAuth } = vaultDatabase;
  return [
    ...(mount.exists ? [] : [`the mount ${mount.path} of Vault`]),
    `the connection ${connection} in Vault's mount ${mount.path}`,
    ...(kubernetesAuth?.make ? [`the login method ${kubernetesAuth.path} of Vault`] : []),
    ...Object.keys(roles).flatMap((role) => [
      `the role ${role} in Vault's mount ${mount.path}`,
      // The role of Kubernetes authentication has that name as well.
      `the policy ${consumerName(connection, role)} of Vault`,
    ]),
  ];
}

function ofApplication(key: string, { databases, applications }: Declared, stack: string): string[] {
  const application = applications[key];
  if (!application) return [];
  const { teleport, settings } = applicationOf(key, application, databases, stack);
  const { proxy } = teleport;
  if (proxy === "") return []; // its databases are not in Teleport, which is told elsewhere
  const { name } = settings;
  return [
    `the bot ${name} at ${proxy}`,
    // Before Teleport 15 a bot has a role of its own.
    roleAt(botAccountName(name), proxy),
    ...Object.keys(settings.databases).map((alias) => roleAt(workloadRole(name, alias), proxy)),
  ];
}

function roleAt(name: string, proxy: string): string {
  return `the Teleport role ${name} at ${proxy}`;
}
