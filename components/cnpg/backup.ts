/** Backups: continuous archiving of the write-ahead log (WAL), and base backups. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import { checkObjectName } from "../kubernetes/names";
import { SettingProblem } from "../problems";
import { checkOneOf, wrong } from "../value-check";
import { BARMAN_CLOUD, checkObjectStore, ObjectStore, objectStoreManifest, ObjectStoreManifest } from "./object-store";

/** Backups of a Cluster, for point-in-time recovery. Needs CloudNativePG's barman-cloud plugin. */
export interface BackupSettings {
  /** Where base backups and the WAL are stored. */
  objectStore: ObjectStore;
  /**
   * Name of the Cluster's archive: a folder in the object store. It must not be the archive of another Cluster, not even of a
   * former Cluster of the same name. Default: a new name for each Cluster, `<cluster>-<date>-<time>-<random>`; the output
   * `backup` has it.
   */
  archiveName?: string;
  /**
   * When base backups are taken, in UTC. Six cron fields, of which the first is the second, e.g. `0 0 1 * * *`; or `@daily`, or
   * `@every 12h`. Default: `0 0 1 * * *`, each day at 01:00.
   */
  schedule?: string;
  /**
   * How long base backups and their WAL are kept in the archive: a number of days, weeks or months, e.g. `30d`, `4w`, `3m`. It
   * does not apply to archives of former Clusters. Default: forever.
   */
  retention?: string;
  /**
   * The instance from which scheduled backups are taken. Backups that `up` and `destroy` wait for are taken from the primary.
   * Default: `prefer-standby`.
   */
  target?: "prefer-standby" | "primary";
  /**
   * Take base backups as volume snapshots, with the fields of CloudNativePG's `spec.backup.volumeSnapshot`, e.g. `className`.
   * The WAL still goes to the object store. Default: base backups go to the object store.
   */
  volumeSnapshot?: Record<string, unknown>;
  /**
   * Name of a backup on demand, e.g. `before-upgrade-17`. Each time you change the name, `up` takes a backup and waits for it
   * before it changes the Cluster. Default: none.
   */
  onDemand?: string;
  /** Take a final backup, and wait for it, before the Cluster is deleted. Default: false. */
  final?: boolean;
  /** Minutes that `up` and `destroy` wait for a backup. Default: 60. */
  waitMinutes?: number;
}

/** Fields of a ScheduledBackup or Backup that say how the backup is taken. */
export interface BackupMethod {
  method: "plugin" | "volumeSnapshot";
  target: "prefer-standby" | "primary";
  pluginConfiguration?: { name: string };
}

/** A ScheduledBackup object, without its namespace. */
export interface ScheduledBackupManifest {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "ScheduledBackup";
  metadata: { name: string };
  spec: Record<string, unknown>;
}

const DEFAULT_SCHEDULE = "0 0 1 * * *";
const DEFAULT_WAIT_MINUTES = 60;

/** What follows from the settings of backups. */
export interface BackupPlan {
  settings: BackupSettings;
  objectStore: ObjectStoreManifest;
  scheduledBackup: ScheduledBackupManifest;
  /** How `up` and `destroy` take backups: from the primary, where a backup is complete only when its WAL is archived. */
  method: BackupMethod;
  /** Seconds to wait for a backup. */
  waitSeconds: number;
}

/** @param suspended no instance runs, so no backup can be taken */
export function planBackup(cluster: string, settings: BackupSettings, suspended = false): BackupPlan {
  const { volumeSnapshot, target = "prefer-standby", waitMinutes = DEFAULT_WAIT_MINUTES } = settings;
  const from = (instance: BackupMethod["target"]): BackupMethod =>
    volumeSnapshot === undefined
      ? { method: "plugin", target: instance, pluginConfiguration: { name: BARMAN_CLOUD } }
      : { method: "volumeSnapshot", target: instance };
  return {
    settings,
    objectStore: objectStoreManifest(cluster, settings.objectStore, settings.retention),
    scheduledBackup: {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "ScheduledBackup",
      metadata: { name: cluster },
      spec: {
        cluster: { name: cluster },
        schedule: settings.schedule ?? DEFAULT_SCHEDULE,
        // The Backup objects are deleted with the Cluster, so that its Namespace is empty. The archive stays.
        backupOwnerReference: "cluster",
        ...(suspended ? { suspend: true } : {}),
        ...from(target),
      },
    },
    method: from("primary"),
    waitSeconds: Math.round(waitMinutes * 60),
  };
}

/** Placeholder for the generated name of the archive, which only `up` knows. */
const GENERATED = "generated-by-up";

/** The Cluster's fields for backups. */
export function backupSpec(plan: BackupPlan): Record<string, unknown> {
  const { volumeSnapshot, archiveName = GENERATED } = plan.settings;
  return {
    plugins: archivePlugins(plan, archiveName),
    ...(volumeSnapshot === undefined ? {} : { backup: { volumeSnapshot } }),
  };
}

/** The Cluster's `plugins`, which archive the WAL under a name. */
export function archivePlugins({ objectStore }: BackupPlan, archiveName: pulumi.Input<string>) {
  const parameters = { barmanObjectName: objectStore.metadata.name, serverName: archiveName };
  return [{ name: BARMAN_CLOUD, isWALArchiver: true, parameters }];
}

/** A folder name for barman-cloud and object stores: no slash, and nothing that must be escaped in a URL. */
const ARCHIVE_NAME = /^[A-Za-z0-9]([-._A-Za-z0-9]{0,126}[A-Za-z0-9])?$/;

export function checkArchiveName(setting: string, name: string | undefined): SettingProblem[] {
  if (name === undefined || ARCHIVE_NAME.test(name)) return [];
  return wrong(
    setting,
    name,
    "is not a valid archive name",
    "Use at most 128 letters, digits, hyphens, dots and underscores, beginning and ending with a letter or digit.",
  );
}

/** @param beside the setting beside `backup`, e.g. `databases.orders.spec` for `spec` */
export function checkBackup(
  beside: (setting: string) => string,
  backup: BackupSettings,
  spec: Record<string, unknown> = {},
): SettingProblem[] {
  const at = (field: string) => beside(`backup.${field}`);
  const { waitMinutes = DEFAULT_WAIT_MINUTES } = backup;
  return [
    ...checkObjectStore(at("objectStore"), backup.objectStore),
    ...checkArchiveName(at("archiveName"), backup.archiveName),
    ...checkSchedule(at("schedule"), backup.schedule),
    ...checkRetention(at("retention"), backup.retention),
    ...checkSnapshots(at, backup),
    ...checkOneOf(at("target"), backup.target, ["prefer-standby", "primary"]),
    ...checkObjectName(at("onDemand"), backup.onDemand, "backup"),
    ...(waitMinutes > 0
      ? []
      : wrong(at("waitMinutes"), waitMinutes, "must be a number of minutes above 0", "Write e.g. 60.")),
    ...["plugins", "backup"]
      .filter((field) => spec[field] !== undefined)
      .flatMap((field) =>
        wrong(
          beside(`spec.${field}`),
          undefined,
          "would replace what backup writes",
          `Remove it. Or remove backup, and write CloudNativePG's plugins and backup under spec yourself.`,
        ),
      ),
  ];
}

const CRON_FIELDS = 6;

function checkSchedule(setting: string, schedule: string | undefined): SettingProblem[] {
  if (schedule === undefined) return [];
  if (/^@(yearly|annually|monthly|weekly|daily|midnight|hourly|every (\d+(\.\d+)?(h|m|s))+)$/.test(schedule)) return [];
  const fields = schedule.trim().split(/\s+/);
  if (fields.length === CRON_FIELDS && fields.every((field) => /^[-*?/,A-Za-z0-9]+$/.test(field))) return [];
  return wrong(
    setting,
    schedule,
    fields.length === CRON_FIELDS - 1
      ? "has five fields, but needs six: the first is the second"
      : "is not a valid schedule",
    fields.length === CRON_FIELDS - 1
      ? `Write 0 ${schedule.trim()}.`
      : "Write six fields, e.g. 0 0 1 * * *, or @daily.",
  );
}

function checkSnapshots(
  at: (field: string) => string,
  { volumeSnapshot, retention }: BackupSettings,
): SettingProblem[] {
  if (volumeSnapshot === undefined) return [];
  const { snapshotOwnerReference: owner = "none" } = volumeSnapshot;
  return [
    ...(owner === "none"
      ? []
      : wrong(
          at("volumeSnapshot.snapshotOwnerReference"),
          owner,
          "would delete the snapshots with the Cluster",
          "Write none, or remove it.",
        )),
    ...(retention === undefined
      ? []
      : wrong(
          at("retention"),
          retention,
          "has no effect with volumeSnapshot: neither on the snapshots, nor on the write-ahead log",
          "Remove it, and delete old snapshots with a policy of the storage.",
        )),
  ];
}

function checkRetention(setting: string, retention: string | undefined): SettingProblem[] {
  if (retention === undefined || /^[1-9][0-9]*[dwm]$/.test(retention)) return [];
  return wrong(setting, retention, "must be a number of days, weeks or months", "Write e.g. 30d, 4w or 3m.");
}
