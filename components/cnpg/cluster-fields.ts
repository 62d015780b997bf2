/** The fields of CloudNativePG's Cluster, for messages to users who write them as settings. Pure. */
import type { SettingProblem } from "../problems";
import { FIELDS } from "./cluster";
import { newPlace } from "./moved-settings";
import { keysTo } from "./spec";

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

/** The settings, with their fields in `spec`. */
const SETTINGS = Object.entries(FIELDS).map(([setting, { field }]) => ({ setting, field }));

/** The settings that become fields below a field of `spec`: `a, b and c`. */
function settingsBelow(field: string): string {
  const settings = SETTINGS.filter((each) => each.field.startsWith(`${field}.`)).map(({ setting }) => setting);
  return settings
    .sort()
    .join(", ")
    .replace(/, (?=[^,]*$)/, " and ");
}

/** What to use instead of fields that are made from several settings, or from a part of one. */
const INSTEAD: Record<string, string> = {
  bootstrap: "initdb; write fields that initdb does not have under spec, as spec.bootstrap",
  certificates: "issuer and serverAltNames",
  livenessProbeTimeout: "spec.probes.liveness",
  managed: "users; write Services under spec, as spec.managed.services",
  maxSyncReplicas: "spec.postgresql.synchronous",
  minSyncReplicas: "spec.postgresql.synchronous",
  postgresql: `${settingsBelow("postgresql")}; write ldap and synchronous under spec, e.g. as spec.postgresql.ldap`,
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

/** Where to write a key that is not a setting. Undefined if CloudNativePG has no field of that name. */
export function placeOfClusterField(key: string): Pick<SettingProblem, "problem" | "fix"> | undefined {
  const moved = newPlace(key);
  if (moved !== undefined) return moved;
  const own = (table: Record<string, string>) => (Object.hasOwn(table, key) ? table[key] : undefined);
  const problem = "is a field of CloudNativePG, not a setting";
  const parent = own(PARENTS);
  if (parent !== undefined) return { problem, fix: `Write it under spec, as spec.${parent}.${key}.` };
  if (!CLUSTER_SPEC_FIELDS.includes(key)) return undefined;
  const setting = own(INSTEAD) ?? SETTINGS.find(({ field }) => field === key)?.setting;
  return { problem, fix: setting === undefined ? `Write it under spec, as spec.${key}.` : `Use ${setting}.` };
}

/** Fields of the Cluster, with the settings that they are made from. A part comes before the whole. */
const OF_SETTINGS: readonly { field: string; setting: string }[] = [
  { field: "metadata.name", setting: "clusterName" },
  { field: "spec.bootstrap.initdb.secret.name", setting: "initdb.ownerSecret" },
  { field: "spec.replica", setting: "replica" },
  // The certificates' fields are the names of Secrets, which no setting has.
  ...SETTINGS.filter(({ setting }) => setting !== "issuer").map((each) => ({ ...each, field: `spec.${each.field}` })),
];

/** Fields that CNPG's webhook calls by a wrong name (1.30, `internal/webhook/v1/cluster_webhook.go`). */
const MISNAMED: readonly [called: string, field: string][] = [
  ["spec.affinity.toleration", "spec.affinity.tolerations"],
  ["spec.postgresql.env", "spec.env"],
  ["spec.replicaCluster.token", "spec.replica.promotionToken"],
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
  const { field: of, setting } = OF_SETTINGS.find((each) => isWithin(field, each.field)) ?? {};
  if (of === undefined || setting === undefined || keysTo({ spec }, field)) return field;
  const rest = field.slice(of.length);
  if (setting === "tablespaces") return `${setting}${rest.replace(".storage.", ".").replace(".owner.name", ".owner")}`;
  // The rules for users come first, so an index in the field is not the index in the setting.
  return setting === "pgHba" ? setting : `${setting}${rest}`;
}
