/** Checks that no two databases or applications use the same name, because they would overwrite each other. Pure. */
import { archivePlace } from "../components/cnpg/backup";
import type { TeleportPlan } from "../components/postgres-cluster/teleport-plan";
import type { SettingProblem } from "../components/problems";
import { botAccountName } from "../components/teleport/resources/bot";
import { workloadRole } from "../components/workload/machine-id";
import { valueIfKnown } from "../components/value-check";
import type { ApplicationPlan } from "./applications";
import type { DatabasePlan, EnvironmentPlan } from "./plan";

/** Reports names in Kubernetes, Teleport and Vault that two databases or applications would use. */
export function checkCollisions({ databases, applications }: EnvironmentPlan): SettingProblem[] {
  /** The setting that uses a name, by the name. */
  const usedBy = new Map<string, string>();
  const all = [
    ...Object.entries(databases).map(([name, plan]) => ({ setting: `databases.${name}`, used: namesOfDatabase(plan) })),
    ...Object.entries(applications).map(([name, plan]) => ({
      setting: `applications.${name}`,
      used: namesOfApplication(plan),
    })),
  ];
  return all.flatMap(({ setting, used }) =>
    used.flatMap((name) => {
      const other = usedBy.get(name);
      usedBy.set(name, setting);
      if (other === undefined) return [];
      return [{ setting, problem: `uses ${name}, which ${other} also uses`, fix: "Rename one of the two." }];
    }),
  );
}

function namesOfDatabase(plan: DatabasePlan): string[] {
  const { clusterName, namespace, context } = plan;
  const where = `namespace ${namespace}${context === undefined ? "" : ` of ${context}`}`;
  return [
    `the Cluster ${clusterName} in ${where}`,
    ...plan.poolers.map(({ name }) => `the Pooler ${name} in ${where}`),
    ...namesOfBackups(plan, where),
    ...plan.teleport.flatMap(namesInTeleport),
    ...namesInVault(plan),
  ];
}

function namesOfBackups({ backup, recovery, replica }: DatabasePlan, where: string): string[] {
  const place = backup && archivePlace(backup.settings);
  const stores = [backup?.objectStore, recovery?.objectStore, ...(replica?.objectStores ?? [])].filter(
    (store) => store !== undefined,
  );
  return [
    ...(place === undefined ? [] : [`the archive ${place}`]),
    ...stores.map(({ metadata }) => `the ObjectStore ${metadata.name} in ${where}`),
  ];
}

function namesInTeleport({
  settings,
  databases,
  accessRoles,
  agentConfigMap,
  isReplicaCluster,
}: TeleportPlan): string[] {
  const proxy = valueIfKnown(settings.proxy) ?? "";
  const { name, namespace } = agentConfigMap;
  return [
    ...databases.map((database) => `the Teleport name ${database.name} at ${proxy}`),
    ...(namespace === undefined ? [] : [`the ConfigMap ${name} in namespace ${namespace}`]),
    // The primary cluster of the topology writes these roles.
    ...(isReplicaCluster ? [] : accessRoles.map((role) => roleAt(role.name, proxy))),
  ];
}

/**
 * The program uses one Vault. The names of a database engine's roles are unique in the mount, not in the connection.
 */
function namesInVault({ vaultDatabase }: DatabasePlan): string[] {
  if (!vaultDatabase) return [];
  const { connection, mount, roles, auth } = vaultDatabase;
  const path = valueIfKnown(mount.path) ?? "";
  return [
    ...(mount.exists ? [] : [`the mount ${path} of Vault`]),
    `the connection ${connection} in Vault's mount ${path}`,
    ...(auth?.make ? [`the auth method ${valueIfKnown(auth.path) ?? ""} of Vault`] : []),
    ...roles.flatMap(({ role, policy }) => [
      `the role ${role} in Vault's mount ${path}`,
      // The role of the Kubernetes auth method has the same name.
      `the policy ${policy} of Vault`,
    ]),
  ];
}

function namesOfApplication({ teleport: { proxy }, settings }: ApplicationPlan): string[] {
  if (proxy === "") return []; // checkApplication reports that its databases are not in Teleport
  const { name } = settings;
  return [
    `the bot ${name} at ${proxy}`,
    // Before Teleport 15, each bot has its own role.
    roleAt(botAccountName(name), proxy),
    ...Object.keys(settings.databases).map((alias) => roleAt(workloadRole(name, alias), proxy)),
  ];
}

function roleAt(name: string, proxy: string): string {
  return `the Teleport role ${name} at ${proxy}`;
}
