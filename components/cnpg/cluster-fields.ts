/** The fields of CloudNativePG's own Cluster, for those who write them as settings. Pure. */

/** Of `spec`, from the definition of version 1.30. */
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

/** What is written here in place of a field of another name. */
const SETTINGS: Record<string, string> = {
  bootstrap: "initdb; what it lacks goes under spec, as spec.bootstrap",
  certificates: "issuer and serverAltNames",
  imageCatalogRef: "imageCatalog",
  imageName: "image",
  livenessProbeTimeout: "probes.liveness",
  managed: "users and services",
  maxSyncReplicas: "synchronous",
  minSyncReplicas: "synchronous",
  postgresql: "parameters, pgHba, pgIdent, ldap, synchronous and sharedPreloadLibraries",
};

/** What to write in place of a field of CloudNativePG's; undefined if it has none of that name. */
export function placeOfClusterField(field: string): string | undefined {
  if (!CLUSTER_SPEC_FIELDS.includes(field)) return undefined;
  const setting = Object.hasOwn(SETTINGS, field) ? SETTINGS[field] : undefined;
  return setting === undefined ? `Write it under spec, as spec.${field}.` : `Use ${setting}.`;
}
