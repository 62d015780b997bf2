/** Creates the resources for the backups and the recovery of a Cluster. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ArchiveName } from "../backup/archive-name";
import { LastBackup, TakenBackup } from "../backup/taken-backup";
import { archivePlugins, type BackupPlan } from "../cnpg/backup";
import { declaredMajor } from "../cnpg/image";
import { objectStoreResource } from "../cnpg/object-store";
import type { ReplicaPlan } from "../cnpg/replica";
import { KEEPS_FIELD_MANAGER } from "../kubernetes/field-owners";
import { ownedBy } from "../kubernetes/owner";
import type { ClusterPlan } from "./plan";

type Options = pulumi.CustomResourceOptions & { dependsOn: pulumi.Input<pulumi.Resource>[] };

/** What must exist before the Cluster is created or changed. */
export interface BackupsBefore {
  /** The Cluster's `spec`, with the name of its archive. */
  spec: Record<string, unknown>;
  /** Name of the archive. Undefined without `backup`. */
  archiveName?: pulumi.Output<string>;
  /** The backup on demand. Undefined if the settings name none. */
  onDemand?: TakenBackup;
  resources: pulumi.Resource[];
}

/** Creates object stores and the archive's name, and takes the backup on demand, before the Cluster is changed. */
export function createBackupsBefore(plan: ClusterPlan, namespace: pulumi.Output<string>, opts: Options): BackupsBefore {
  const { name, backup, recovery, replica, cluster } = plan;
  // Before the stores, so that it can refuse another place for the archive of a running Cluster.
  const archive = backup && createArchiveName(plan, backup, namespace, opts);
  const stores = [backup?.objectStore, recovery?.objectStore, ...(replica?.objectStores ?? [])].filter(
    (store) => store !== undefined,
  );
  const created = stores.map(
    ({ metadata, ...manifest }) =>
      new k8s.apiextensions.CustomResource(
        objectStoreResource(name, metadata.name),
        { ...manifest, metadata: { ...metadata, namespace, annotations: ownedBy(name) } },
        {
          ...{ ...opts, ...KEEPS_FIELD_MANAGER, retainOnDelete: plan.isRetained },
          dependsOn: [...opts.dependsOn, ...(archive ? [archive] : [])],
        },
      ),
  );
  if (!backup || !archive) return { spec: cluster.spec, resources: created };
  const { onDemand: reason } = backup.settings;
  const onDemand =
    reason === undefined
      ? undefined
      : new TakenBackup(
          `${name}-on-demand`,
          { ...backupArgs(plan, backup, namespace), occasion: "onDemand", reason },
          { ...opts, dependsOn: [...opts.dependsOn, ...created] },
        );
  return {
    spec: { ...cluster.spec, plugins: archivePlugins(backup, archive.archiveName) },
    archiveName: archive.archiveName,
    onDemand,
    resources: [...created, archive, ...(onDemand ? [onDemand] : [])],
  };
}

function createArchiveName(
  { name, clusterName, recovery, replica, settings }: ClusterPlan,
  { settings: { archiveName: declaredName, objectStore } }: BackupPlan,
  namespace: pulumi.Output<string>,
  opts: Options,
): ArchiveName {
  const { destinationPath, endpointURL, sidecar } = objectStore;
  return new ArchiveName(
    name,
    {
      ...{ kubernetes: settings.kubernetes, namespace, declaredName, cluster: clusterName },
      recoversFrom: recovery?.settings.archiveName,
      major: declaredMajor(settings),
      follows: replica?.follows,
      others: replica && archivesInStore(replica),
      place: { destinationPath, endpointURL, hasEnvironment: sidecar?.env !== undefined },
    },
    opts,
  );
}

/** The archives of the other Clusters of the topology that are in the Cluster's own object store. */
function archivesInStore({ settings: { clusters }, self }: ReplicaPlan): string[] {
  const others = Object.entries(clusters).filter(([name]) => name !== self);
  return others.flatMap(([, { archiveName, objectStore }]) => (objectStore ? [] : (archiveName ?? [])));
}

/**
 * Creates the schedule, and takes the first backup of the archive. Without a first backup, nothing can be recovered.
 *
 * @param promotedAt when the Cluster was promoted from a replica cluster. It takes another first backup then
 */
export function createBackupsAfter(
  plan: ClusterPlan,
  namespace: pulumi.Output<string>,
  archiveName: pulumi.Output<string> | undefined,
  promotedAt: pulumi.Output<string> | undefined,
  opts: Options,
): { schedule: pulumi.CustomResource; first: TakenBackup } | undefined {
  const { name, backup } = plan;
  if (!backup || !archiveName) return undefined;
  const { metadata, ...manifest } = backup.scheduledBackup;
  return {
    schedule: new k8s.apiextensions.CustomResource(
      `${name}-schedule`,
      { ...manifest, metadata: { ...metadata, namespace, annotations: ownedBy(name) } },
      { ...opts, ...KEEPS_FIELD_MANAGER, retainOnDelete: plan.isRetained },
    ),
    first: new TakenBackup(
      `${name}-first`,
      { ...backupArgs(plan, backup, namespace), occasion: "first", reason: placeOf(backup, archiveName, promotedAt) },
      opts,
    ),
  };
}

/** What identifies the Cluster. */
interface Reference {
  namespace: pulumi.Output<string>;
  uid: pulumi.Output<string>;
}

/** Its deletion takes the final backup. `dependsOn` must be everything else, so that it is deleted first. */
export function createLastBackup(plan: ClusterPlan, { namespace, uid }: Reference, opts: Options): LastBackup[] {
  const { name, backup, clusterName, settings, isRetained } = plan;
  if (!backup) return [];
  return [
    new LastBackup(
      name,
      {
        ...{ kubernetes: settings.kubernetes, database: name, cluster: clusterName, namespace, uid },
        ...{ method: backup.method, within: backup.waitSeconds },
        enabled: backup.settings.final === true && !isRetained,
      },
      opts,
    ),
  ];
}

/**
 * Location of the archive, and when the Cluster was promoted. A new location has no base backup yet, and a promoted Cluster takes
 * one on its new timeline.
 */
function placeOf(
  { settings: { objectStore } }: BackupPlan,
  archiveName: pulumi.Output<string>,
  promotedAt: pulumi.Output<string> | undefined,
): pulumi.Output<string> {
  return pulumi
    .all([objectStore.endpointURL, objectStore.destinationPath, archiveName, promotedAt])
    .apply((parts) => parts.filter((part) => part !== undefined && part !== "").join(" "));
}

/** Arguments that all backups of a run have in common. */
function backupArgs(
  { clusterName, hasStoppedInstances, isReplicaCluster, settings }: ClusterPlan,
  { method, waitSeconds }: BackupPlan,
  namespace: pulumi.Output<string>,
) {
  return {
    kubernetes: settings.kubernetes,
    namespace,
    cluster: clusterName,
    method,
    within: waitSeconds,
    suspended: hasStoppedInstances || isReplicaCluster,
  };
}
