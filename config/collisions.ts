/** What only one database or application of a configuration can have: two with the same overwrite each other. Pure. */
import type { TeleportPlan } from "../components/postgres-cluster/teleport-plan";
import type { SettingProblem } from "../components/problems";
import { botAccountName } from "../components/teleport/resources/bot";
import { workloadRole } from "../components/workload/machine-id";
import { known } from "../components/value-check";
import type { ApplicationPlan } from "./applications";
import type { DatabasePlan, EnvironmentPlan } from "./plan";

/** Databases and applications that would get in each other's way. */
export function checkCollisions({ databases, applications }: EnvironmentPlan): SettingProblem[] {
  const taken = new Map<string, string>();
  const all = [
    ...Object.entries(databases).map(([name, plan]) => ({ setting: `databases.${name}`, claims: ofDatabase(plan) })),
    ...Object.entries(applications).map(([name, plan]) => ({
      setting: `applications.${name}`,
      claims: ofApplication(plan),
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

function ofDatabase(plan: DatabasePlan): string[] {
  const { clusterName, namespace, context } = plan;
  const where = `namespace ${namespace}${context === undefined ? "" : ` of ${context}`}`;
  return [
    `the Cluster ${clusterName} in ${where}`,
    ...plan.poolers.map(({ name }) => `the Pooler ${name} in ${where}`),
    ...plan.teleport.flatMap(inTeleport),
    ...inVault(plan),
  ];
}

function inTeleport({ settings, databases, accessRoles, agentConfigMap }: TeleportPlan): string[] {
  const proxy = known(settings.proxy) ?? "";
  const { name, namespace } = agentConfigMap;
  return [
    ...databases.map((database) => `the Teleport name ${database.name} at ${proxy}`),
    ...(namespace === undefined ? [] : [`the ConfigMap ${name} in namespace ${namespace}`]),
    ...accessRoles.map((role) => roleAt(role.name, proxy)),
  ];
}

/** The program has one Vault. Roles of its database engine belong to the mount, and not to the connection. */
function inVault({ vaultDatabase }: DatabasePlan): string[] {
  if (!vaultDatabase) return [];
  const { connection, mount, roles, auth } = vaultDatabase;
  const path = known(mount.path) ?? "";
  return [
    ...(mount.exists ? [] : [`the mount ${path} of Vault`]),
    `the connection ${connection} in Vault's mount ${path}`,
    ...(auth?.make ? [`the login method ${known(auth.path) ?? ""} of Vault`] : []),
    ...roles.flatMap(({ role, policy }) => [
      `the role ${role} in Vault's mount ${path}`,
      // The role of Kubernetes authentication has that name as well.
      `the policy ${policy} of Vault`,
    ]),
  ];
}

function ofApplication({ teleport: { proxy }, settings }: ApplicationPlan): string[] {
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
