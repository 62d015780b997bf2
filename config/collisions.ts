/** Checks that no two databases or applications use the same name, because they would overwrite each other. Pure. */
import { archivePlace, mayBeSameArchive } from "../components/cnpg/archive-place";
import { CA_RESOURCES, CERTIFICATE_RESOURCES } from "../components/cnpg/names";
import { poolerSecretName } from "../components/cnpg/pooler";
import { additionalServices } from "../components/cnpg/services";
import type { TeleportPlan } from "../components/postgres-cluster/teleport-plan";
import type { SettingProblem } from "../components/problems";
import { botAccountName } from "../components/teleport/resources/bot";
import { workloadRole } from "../components/workload/machine-id";
import { valueIfKnown, wrong } from "../components/value-check";
import type { ApplicationPlan } from "./applications";
import type { DatabasePlan, EnvironmentPlan } from "./plan";

/** A name that a database or an application uses. */
interface UsedName {
  /** The name, for messages, e.g. `the Pooler p in namespace db`. */
  text: string;
  /** What must be unique. Default: the text. */
  key?: string;
  /** The key of a name that this one follows from. If that name collides, only that is reported. */
  follows?: string;
}

/** Reports names in Kubernetes, Teleport, Vault and Pulumi's state that two databases or applications would use. */
export function checkCollisions({ databases, applications }: EnvironmentPlan): SettingProblem[] {
  /** The setting that uses a name, by the name. */
  const usedBy = new Map<string, string>();
  const taken = new Set<string>();
  const all = [
    ...Object.entries(databases).map(([name, plan]) => ({ setting: `databases.${name}`, used: namesOfDatabase(plan) })),
    ...Object.entries(applications).map(([name, plan]) => ({
      setting: `applications.${name}`,
      used: namesOfApplication(plan).map((text): UsedName => ({ text })),
    })),
  ];
  const collisions = all.flatMap(({ setting, used }) =>
    used.flatMap(({ text, key = text, follows = "" }) => {
      const other = usedBy.get(key);
      usedBy.set(key, setting);
      // checkPoolers reports names that collide within a database.
      if (other === undefined || (other === setting && key !== text) || taken.has(follows)) return [];
      taken.add(key);
      return [{ setting, problem: `uses ${text}, which ${other} also uses`, fix: "Rename one of the two." }];
    }),
  );
  return [...collisions, ...checkArchives(databases)];
}

/** An archive can be written in several ways, so its name alone does not identify it. */
function checkArchives(databases: EnvironmentPlan["databases"]): SettingProblem[] {
  const archives = Object.entries(databases).flatMap(([name, { backup }]) =>
    backup ? [{ database: `databases.${name}`, archive: backup.settings }] : [],
  );
  return archives.flatMap(({ database, archive }, index) => {
    const other = archives.slice(0, index).find((before) => mayBeSameArchive(before.archive, archive));
    if (!other) return [];
    return wrong(
      `${database}.backup.archiveName`,
      archive.archiveName,
      `is the archive ${archivePlace(archive)}, which ${other.database} also writes to`,
      "Remove it from one of the two, or choose another name.",
    );
  });
}

function namesOfDatabase(plan: DatabasePlan): UsedName[] {
  const { clusterName, namespace, context } = plan;
  const where = `namespace ${namespace}${context === undefined ? "" : ` of ${context}`}`;
  const others = [...namesOfBackups(plan, where), ...plan.teleport.flatMap(namesInTeleport), ...namesInVault(plan)];
  return [
    { text: `the Cluster ${clusterName} in ${where}` },
    ...namesInNamespace(plan, where),
    ...others.map((text) => ({ text })),
    ...resourceNames(plan),
  ];
}

/** Services and Secrets. A Pooler has a Service and a Secret. */
function namesInNamespace(
  { clusterName, services, secrets, poolers, settings }: DatabasePlan,
  where: string,
): UsedName[] {
  const follows = `the Cluster ${clusterName} in ${where}`;
  const service = (name: string) => ({ text: `the Service ${name} in ${where}`, key: `Service ${name} in ${where}` });
  const secret = (name: string) => ({ text: `the Secret ${name} in ${where}`, key: `Secret ${name} in ${where}` });
  return [
    ...poolers.map(({ name }) => ({ ...service(name), text: `the Pooler ${name} in ${where}` })),
    ...Object.values(services).map((name) => ({ ...service(name), follows })),
    ...additionalServices(settings.spec).map(service),
    ...Object.values(secrets).map((name) => ({ ...secret(name), follows })),
    ...poolers
      .filter(({ isIssued }) => isIssued)
      .map(({ name }) => ({ ...secret(poolerSecretName(name)), follows: service(name).key })),
  ];
}

/** Names of Pulumi resources that consist of two names, so that different names can lead to the same. */
function resourceNames({ name, databases, poolers }: DatabasePlan): UsedName[] {
  const of = (kind: string, resource: string): UsedName & { key: string } => ({
    text: `the resource name ${resource} for a ${kind}`,
    key: `${kind} ${resource}`,
  });
  const ends = [...Object.values(CERTIFICATE_RESOURCES), ...Object.values(CA_RESOURCES)];
  return [
    ...databases.map(({ resource }) => of("Database", resource)),
    ...poolers.map(({ resource }) => of("Pooler", resource)),
    ...ends.map((end) => of("certificate", `${name}-${end}`)),
    ...poolers
      .filter(({ isIssued }) => isIssued)
      .map(({ resource }) => ({ ...of("certificate", resource), follows: of("Pooler", resource).key })),
  ];
}

function namesOfBackups({ backup, recovery, replica }: DatabasePlan, where: string): string[] {
  const stores = [backup?.objectStore, recovery?.objectStore, ...(replica?.objectStores ?? [])].filter(
    (store) => store !== undefined,
  );
  return stores.map(({ metadata }) => `the ObjectStore ${metadata.name} in ${where}`);
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
