/** The fields of CloudNativePG's Cluster, for messages to users who write them as settings. Pure. */
import type { SettingProblem } from "../problems";
import { keysTo } from "./spec-fields";

/** The fields of `spec`, from the definition of version 1.30. */
export const CLUSTER_SPEC_FIELDS = (
  "affinity backup bootstrap certificates description enablePDB enableSuperuserAccess env envFrom " +
  "ephemeralVolumeSource ephemeralVolumesSizeLimit externalClusters failoverDelay imageCatalogRef imageName " +
  "imagePullPolicy imagePullSecrets inheritedMetadata instances livenessProbeTimeout logLevel managed maxSyncReplicas " +
  "minSyncReplicas monitoring nodeMaintenanceWindow plugins podSecurityContext podSelectorRefs postgresGID postgresUID " +
  "postgresql primaryLease primaryUpdateMethod primaryUpdateStrategy priorityClassName probes projectedVolumeTemplate " +
  "replica replicationSlots resources schedulerName seccompProfile securityContext serviceAccountName " +
  "serviceAccountTemplate smartShutdownTimeout startDelay stopDelay storage superuserSecret switchoverDelay tablespaces " +
  "topologySpreadConstraints walStorage"
).split(" ");

/** Fields for which this project has a setting with another name. */
const SETTINGS: Record<string, string> = {
  bootstrap: "initdb; write fields that initdb does not have under spec, as spec.bootstrap",
  certificates: "issuer and serverAltNames",
  imageCatalogRef: "imageCatalog",
  imageName: "image",
  livenessProbeTimeout: "spec.probes.liveness",
  managed: "users; write Services under spec, as spec.managed.services",
  maxSyncReplicas: "spec.postgresql.synchronous",
  minSyncReplicas: "spec.postgresql.synchronous",
  postgresql:
    "parameters, pgHba, pgIdent and sharedPreloadLibraries; write ldap and synchronous under spec, e.g. as spec.postgresql.ldap",
};

/** Settings of version 0.1.0 that are now written as fields of CloudNativePG, with the field. */
const MOVED: Record<string, string> = {
  ...Object.fromEntries(
    (
      "affinity topologySpreadConstraints priorityClassName enablePDB primaryUpdateStrategy primaryUpdateMethod startDelay " +
      "stopDelay smartShutdownTimeout switchoverDelay failoverDelay probes imagePullSecrets inheritedMetadata " +
      "serviceAccountTemplate"
    )
      .split(" ")
      .map((field) => [field, field]),
  ),
  synchronous: "postgresql.synchronous",
  ldap: "postgresql.ldap",
  services: "managed.services",
};

/** The new form of settings whose form has changed. */
const FORMS: Record<string, string> = {
  imagePullSecrets: ", a list of {name: <name of the Secret>}",
  serviceAccountTemplate: ": {metadata: {labels: {…}, annotations: {…}}}",
  services:
    ", and each element of additional as {selectorType: rw, serviceTemplate: {metadata: {name: …, labels: {…}, " +
    "annotations: {…}}, spec: {type: LoadBalancer, …}}}",
};

/** Nested fields that are often written one level too high, with their parent. */
const PARENTS: Record<string, string> = Object.fromEntries(
  Object.entries({
    affinity:
      "additionalPodAffinity additionalPodAntiAffinity enablePodAntiAffinity nodeAffinity nodeSelector podAntiAffinityType " +
      "tolerations topologyKey",
    "managed.services": "additional disabledDefaultServices",
    "postgresql.ldap": "bindAsAuth bindSearchAuth",
    "postgresql.synchronous":
      "dataDurability failoverQuorum maxStandbyNamesFromCluster standbyNamesPost standbyNamesPre",
    probes: "liveness readiness startup",
  }).flatMap(([parent, fields]) => fields.split(" ").map((field) => [field, parent])),
);

const own = (table: Record<string, string>, key: string) => (Object.hasOwn(table, key) ? table[key] : undefined);

/** What is wrong with a setting, and what to write instead. */
type Advice = Pick<SettingProblem, "problem" | "fix">;

/** Where to write a key that is not a setting. Undefined if CloudNativePG has no field of that name. */
export function placeOfClusterField(key: string): Advice | undefined {
  const moved = own(MOVED, key);
  if (moved !== undefined) {
    const problem = "is now a field of CloudNativePG under spec";
    return { problem, fix: `Write it as spec.${moved}${own(FORMS, key) ?? ""}.` };
  }
  const problem = "is a field of CloudNativePG, not a setting";
  const parent = own(PARENTS, key);
  if (parent !== undefined) return { problem, fix: `Write it under spec, as spec.${parent}.${key}.` };
  if (!CLUSTER_SPEC_FIELDS.includes(key)) return undefined;
  const setting = own(SETTINGS, key);
  return { problem, fix: setting === undefined ? `Write it under spec, as spec.${key}.` : `Use ${setting}.` };
}

/** Reports settings of version 0.1.0 that are now fields of CloudNativePG. A program without types may still pass them. */
export function checkMovedSettings(settings: object): SettingProblem[] {
  return Object.entries(settings).flatMap(([setting, value]) => {
    const place = value !== undefined && Object.hasOwn(MOVED, setting) ? placeOfClusterField(setting) : undefined;
    return place === undefined ? [] : [{ setting, ...place }];
  });
}

/** Fields of the Cluster, with the settings that they are made from. */
const OF_SETTINGS: readonly [field: string, setting: string][] = [
  ["metadata.name", "clusterName"],
  ["spec.instances", "instances"],
  ["spec.imageName", "image"],
  ["spec.imageCatalogRef", "imageCatalog"],
  ["spec.storage", "storage"],
  ["spec.walStorage", "walStorage"],
  ["spec.tablespaces", "tablespaces"],
  ["spec.resources", "resources"],
  ["spec.postgresql.parameters", "parameters"],
  ["spec.postgresql.shared_preload_libraries", "sharedPreloadLibraries"],
  ["spec.postgresql.pg_hba", "pgHba"],
  ["spec.postgresql.pg_ident", "pgIdent"],
  ["spec.bootstrap.initdb.secret.name", "initdb.ownerSecret"],
  ["spec.bootstrap.initdb", "initdb"],
  ["spec.managed.roles", "users"],
];

/** Fields that CNPG's webhook calls by a wrong name (1.30, `internal/webhook/v1/cluster_webhook.go`). */
const MISNAMED: readonly [called: string, field: string][] = [
  ["spec.affinity.toleration", "spec.affinity.tolerations"],
  ["spec.postgresql.env", "spec.env"],
  ["spec.replicaCluster", "spec.replica"],
  ["spec.superusersecret", "spec.superuserSecret"],
  ["spec.certificates.servercasecret", "spec.certificates.serverCASecret"],
  ["spec.certificates.serveraltdnsnames", "spec.certificates.serverAltDNSNames"],
  ["spec.certificates.clientcasecret", "spec.certificates.clientCASecret"],
];

/** Whether a field is the other field, or is nested in it. */
export function isWithin(field: string, other: string): boolean {
  return field.startsWith(other) && /^([.[]|$)/.test(field.slice(other.length));
}

/** The name of a field in CNPG's definition. */
export function cnpgFieldName(called: string): string {
  const [name, field] = MISNAMED.find(([each]) => isWithin(called, each)) ?? ["", ""];
  return `${field}${called.slice(name.length)}`;
}

/** Where the user writes a field of the Cluster: as a setting, or under `spec`. `spec` is what the user wrote there. */
export function settingOfField(field: string, spec: Record<string, unknown> = {}): string {
  const [of, setting] = OF_SETTINGS.find(([each]) => isWithin(field, each)) ?? [];
  if (of === undefined || setting === undefined || keysTo({ spec }, field)) return field;
  const rest = field.slice(of.length);
  if (setting === "tablespaces") return `${setting}${rest.replace(".storage.", ".").replace(".owner.name", ".owner")}`;
  // The rules for users come first, so an index in the field is not the index in the setting.
  return setting === "pgHba" ? setting : `${setting}${rest}`;
}
