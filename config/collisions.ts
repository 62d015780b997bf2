/** Checks that no two databases or applications use the same name, because they would overwrite each other. Pure. */
import { caSourceResource, DEFAULT_CA_SOURCES, kindOf } from "../components/certificates/ca-source";
import { caResource, declaredCas } from "../components/certificates/issuer";
import { archivePlace, mayBeSameArchive } from "../components/cnpg/archive-place";
import { CA_RESOURCES, CERTIFICATE_RESOURCES, secretResource } from "../components/cnpg/names";
import { objectStoreResource } from "../components/cnpg/object-store";
import { poolerSecretName } from "../components/cnpg/pooler";
import { additionalServices } from "../components/cnpg/services";
import { contextResourceName } from "../components/kubernetes/names";
import { objectNames } from "../components/postgres-cluster/plan";
import type { TeleportPlan } from "../components/postgres-cluster/teleport-plan";
import type { SettingProblem } from "../components/problems";
import { botAccountName } from "../components/teleport/resources/bot";
import { workloadRole } from "../components/workload/machine-id";
import { valueIfKnown, wrong } from "../components/value-check";
import type { ApplicationPlan } from "./applications";
import type { DatabasePlan, EnvironmentPlan } from "./plan";
import { checkNestedMounts } from "./vault-mounts";

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
      if (other === undefined || (other === setting && key !== text)) return [];
      taken.add(key);
      if (taken.has(follows)) return [];
      return [{ setting, problem: `uses ${text}, which ${other} also uses`, fix: "Rename one of the two." }];
    }),
  );
  return [...collisions, ...checkContexts(databases), ...checkNestedMounts(databases), ...checkArchives(databases)];
}

/**
 * Checks names of Pulumi resources that contain the names of a context and of a namespace. Two pairs can lead to the same name,
 * and for the current context, the name contains no context.
 */
function checkContexts(databases: EnvironmentPlan["databases"]): SettingProblem[] {
  const usedBy = new Map<string, { place: string; setting: string }>();
  return Object.values(databases).flatMap(({ name, context, namespace, createsNamespace }) => {
    const setting = `databases.${name}`;
    const names = [
      { what: `${context ?? "kubernetes"} for an OperatorCheck`, place: [context] },
      ...(createsNamespace
        ? [
            {
              what: `${contextResourceName(context, namespace, "before")} for a Namespace`,
              place: [context, namespace],
            },
          ]
        : []),
    ];
    return names.flatMap(({ what, place }) => {
      const here = { place: JSON.stringify(place), setting };
      const other = usedBy.get(what) ?? here;
      usedBy.set(what, other);
      if (other.place === here.place) return [];
      return [
        {
          setting,
          problem: `uses the Pulumi resource name ${what}, which ${other.setting} also uses, for another context of the kubeconfig`,
          fix: "Set kubernetes.context for all databases, or rename one of the contexts.",
        },
      ];
    });
  });
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

/**
 * Names of Pulumi resources that consist of two names, so that different pairs can lead to the same name. Resources of the same
 * type have parents of the same types in all databases, so their URNs would also be the same.
 */
function resourceNames(plan: DatabasePlan): UsedName[] {
  const { name, clusterName, databases, poolers, teleport } = plan;
  const of = (kind: string, resource: string): UsedName & { key: string } => ({
    text: `the Pulumi resource name ${resource} for ${kind}`,
    key: `${kind} ${resource}`,
  });
  const certificate = (resource: string) => of("a certificate", resource);
  const secrets = objectNames(plan)["api/v1/secrets"] ?? [];
  return [
    ...databases.map(({ resource }) => of("a Database", resource)),
    ...poolers.map(({ resource }) => of("a Pooler", resource)),
    of("an UpdateCheck", name),
    ...poolers.map(({ resource }) => ({ ...of("an UpdateCheck", resource), follows: of("a Pooler", resource).key })),
    ...certificateResources(plan).map(certificate),
    ...poolers
      .filter(({ isIssued }) => isIssued)
      .map(({ resource }) => ({ ...certificate(resource), follows: of("a Pooler", resource).key })),
    ...secrets
      .map((secret) => secretResource(name, clusterName, secret))
      .map((resource) => ({ ...of("a Secret", resource), follows: certificate(resource.replace(/-tls$/, "")).key })),
    ...objectStores(plan).map(({ metadata }) => of("an ObjectStore", objectStoreResource(name, metadata.name))),
    ...teleport.flatMap(({ accessRoles }) => accessRoles.map(({ resource }) => of("an AccessRole", resource))),
    ...teleport.flatMap(({ settings: { credentials, clientCas = DEFAULT_CA_SOURCES } }) =>
      clientCas.flatMap((source) => {
        if (source.from === "vault" || source.from === "pem") return [];
        const isTeleport = source.from === "teleport" || source.from === "proxy";
        const kind = isTeleport ? "a CertAuthority of clientCas" : `a ${kindOf(source)} of clientCas`;
        return [of(kind, caSourceResource(source, name, credentials))];
      }),
    ),
  ];
}

/** Names of the Pulumi resources of a Cluster's certificates, without those of its Poolers. */
function certificateResources({ name, settings: { issuer } }: DatabasePlan): string[] {
  const cas = (["server", "client"] as const).flatMap((use) =>
    issuer.type === "tls" ? declaredCas(issuer[use]).map((ca) => caResource(name, use, ca)) : [],
  );
  const ends = [...Object.values(CERTIFICATE_RESOURCES), ...Object.values(CA_RESOURCES)];
  return [...new Set([...ends.map((end) => `${name}-${end}`), ...cas])];
}

function namesOfBackups(plan: DatabasePlan, where: string): string[] {
  return objectStores(plan).map(({ metadata }) => `the ObjectStore ${metadata.name} in ${where}`);
}

function objectStores({ backup, recovery, replica }: DatabasePlan) {
  return [backup?.objectStore, recovery?.objectStore, ...(replica?.objectStores ?? [])].filter(
    (store) => store !== undefined,
  );
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
