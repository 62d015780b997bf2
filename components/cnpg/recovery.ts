/** Recovery: a new Cluster that starts from the data of a backup. Pure. */
import { SettingProblem } from "../problems";
import { wrong } from "../value-check";
import { mayBeSameArchive } from "./archive-place";
import { BackupSettings, checkArchiveName } from "./backup";
import { databaseAndOwner, InitDb } from "./initdb";
import { BARMAN_CLOUD, checkObjectStore, ObjectStore, objectStoreManifest, ObjectStoreManifest } from "./object-store";

/** A volume snapshot, or another object from which a volume can be created. */
export interface VolumeSource {
  /** Name of the object. */
  name: string;
  /** Kind of the object. */
  kind: string;
  /** API group of the object, e.g. `snapshot.storage.k8s.io`. Default: that of PersistentVolumeClaims. */
  apiGroup?: string;
}

/** Volume snapshots of one backup. */
export interface VolumeSnapshots {
  /** The data. */
  storage: VolumeSource;
  /** The write-ahead log, if it has a volume of its own. Default: it is in `storage`. */
  walStorage?: VolumeSource;
  /** Tablespaces, by name. Default: none. */
  tablespaceStorage?: Record<string, VolumeSource>;
}

/** Where recovery ends. Set at most one of time, name, LSN, XID and `targetImmediate`. */
export interface RecoveryTarget {
  /** A time in RFC 3339 format, with its time zone, e.g. `2026-11-30T12:00:00Z`. Default: the end of the archive. */
  targetTime?: string;
  /** A restore point that `pg_create_restore_point` created. Needs `backupID`. Default: none. */
  targetName?: string;
  /** A position in the write-ahead log, e.g. `0/3000060`. Default: none. */
  targetLSN?: string;
  /** A transaction ID. Needs `backupID`. Default: none. */
  targetXID?: string;
  /** End as soon as the backup is consistent. Needs `backupID`. Default: false. */
  targetImmediate?: boolean;
  /** ID of the base backup to start from, e.g. `20261130T120000`. Default: the newest before the target. */
  backupID?: string;
  /** Timeline: a number, or `latest`. Default: `latest`. */
  targetTLI?: string;
  /** Stop before the target instead of after it. Default: false. */
  exclusive?: boolean;
}

/**
 * The data that a new Cluster starts from, instead of an empty database. Used only once, when the Cluster is created. Needs
 * `archiveName` or `volumeSnapshots`.
 */
export interface RecoverySettings {
  /** The object store with the archive. Needs `archiveName`. Default: that of `backup`, if `archiveName` is set. */
  objectStore?: ObjectStore;
  /** Name of the archive to recover from. Default: none. */
  archiveName?: string;
  /** Volume snapshots. With `archiveName`, the archive's write-ahead log is applied to them. Default: none. */
  volumeSnapshots?: VolumeSnapshots;
  /** Where recovery ends. Default: at the end of the archive. */
  recoveryTarget?: RecoveryTarget;
}

/** Name of the external cluster in the Cluster's spec that stands for the archive. */
const SOURCE = "recovery-source";

/** What follows from the settings of a recovery. */
export interface RecoveryPlan {
  settings: RecoverySettings;
  /** The object store with the archive. Undefined if there is no archive, or if it is in the Cluster's own store. */
  objectStore?: ObjectStoreManifest;
  /** Name of the ObjectStore with the archive. Undefined if no archive is read. */
  store?: string;
}

export function planRecovery(cluster: string, settings: RecoverySettings): RecoveryPlan {
  if (settings.archiveName === undefined) return { settings };
  const own = `${cluster}-recovery`;
  return settings.objectStore === undefined
    ? { settings, store: cluster }
    : { settings, store: own, objectStore: objectStoreManifest(own, settings.objectStore) };
}

/** The Cluster's fields for recovery. The owner gets the password in its Secret. */
export function recoverySpec({ settings, store }: RecoveryPlan, initdb: InitDb = {}): Record<string, unknown> {
  const { archiveName, volumeSnapshots, recoveryTarget } = settings;
  const { database, owner } = databaseAndOwner(initdb);
  const plugin = { name: BARMAN_CLOUD, parameters: { barmanObjectName: store, serverName: archiveName } };
  return {
    bootstrap: {
      recovery: {
        ...(store === undefined ? {} : { source: SOURCE }),
        ...(volumeSnapshots === undefined ? {} : { volumeSnapshots }),
        ...(recoveryTarget === undefined ? {} : { recoveryTarget: targetSpec(recoveryTarget) }),
        database,
        owner,
        ...(initdb.ownerSecret === undefined ? {} : { secret: { name: initdb.ownerSecret } }),
      },
    },
    ...(store === undefined ? {} : { externalClusters: [{ name: SOURCE, plugin }] }),
  };
}

/** CloudNativePG treats any value of `targetImmediate` as a target, even false. */
function targetSpec({ targetImmediate, targetTime, ...target }: RecoveryTarget): RecoveryTarget {
  return {
    ...target,
    ...(targetTime === undefined ? {} : { targetTime: inRfc3339(targetTime) }),
    ...(targetImmediate === true ? { targetImmediate } : {}),
  };
}

/** Pulumi's configuration turns a time without quotes in YAML into `2026-11-30 12:00:00 +0000 UTC`. */
function inRfc3339(time: string): string {
  const [, date, clock, hours, minutes] =
    /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) ([-+]\d\d)(\d\d) \S+$/.exec(time) ?? [];
  return date === undefined ? time : `${date}T${clock}${hours}:${minutes}`;
}

/** Other settings that the checks depend on. */
export interface RecoveryContext {
  backup?: BackupSettings;
  initdb?: InitDb;
  spec?: Record<string, unknown>;
}

/** @param at the setting beside `recovery`, e.g. `databases.orders.initdb` for `initdb` */
export function checkRecovery(
  at: (setting: string) => string,
  recovery: RecoverySettings,
  { backup, initdb = {}, spec = {} }: RecoveryContext,
): SettingProblem[] {
  const own = (field: string) => at(`recovery.${field}`);
  const { archiveName, objectStore, volumeSnapshots } = recovery;
  const bootstrap = spec.bootstrap;
  return [
    ...(archiveName !== undefined || volumeSnapshots !== undefined
      ? []
      : wrong(
          at("recovery"),
          undefined,
          "does not say what to recover from",
          "Set recovery.archiveName or recovery.volumeSnapshots.",
        )),
    ...(objectStore !== undefined && archiveName === undefined
      ? wrong(
          own("objectStore"),
          undefined,
          "needs archiveName",
          "Set recovery.archiveName to the name of the archive, which is a folder in the store.",
        )
      : []),
    ...(archiveName !== undefined && objectStore === undefined && backup === undefined
      ? wrong(own("archiveName"), archiveName, "needs the store of the archive", "Set recovery.objectStore.")
      : []),
    ...(objectStore ? checkObjectStore(own("objectStore"), objectStore) : []),
    ...checkArchiveName(own("archiveName"), archiveName),
    ...checkOwnArchive(at, recovery, backup),
    ...checkTarget(own("recoveryTarget"), recovery),
    // The recovered data already have these.
    ...(["localeCollate", "localeCType", "encoding", "dataChecksums"] as const)
      .filter((field) => initdb[field] !== undefined)
      .flatMap((field) =>
        wrong(
          at(`initdb.${field}`),
          initdb[field],
          "has no effect with recovery, because the backup has its own",
          "Remove it.",
        ),
      ),
    ...(bootstrap === undefined
      ? []
      : wrong(
          at("spec.bootstrap"),
          undefined,
          "would replace what recovery writes",
          "Remove recovery or spec.bootstrap.",
        )),
    ...(spec.externalClusters !== undefined && archiveName !== undefined
      ? wrong(
          at("spec.externalClusters"),
          undefined,
          "would replace the external cluster that recovery writes",
          "Remove recovery.archiveName or spec.externalClusters.",
        )
      : []),
  ];
}

/** A Cluster must never write to the archive that it is recovered from. */
function checkOwnArchive(
  at: (setting: string) => string,
  { archiveName, objectStore }: RecoverySettings,
  backup: BackupSettings | undefined,
): SettingProblem[] {
  if (backup === undefined) return [];
  // A Cluster that is recovered from snapshots alone continues the old timeline, and does not check that its archive is empty.
  if (archiveName === undefined) {
    return backup.archiveName === undefined
      ? []
      : wrong(
          at("backup.archiveName"),
          backup.archiveName,
          "could be the archive of the Cluster that the snapshots are from, and the new Cluster would damage it",
          "Remove it, so that the new Cluster gets an archive of its own.",
        );
  }
  if (!mayBeSameArchive({ objectStore: objectStore ?? backup.objectStore, archiveName }, backup)) return [];
  return wrong(
    at("recovery.archiveName"),
    archiveName,
    "is also the archive that the new Cluster would write to, and damage",
    "Remove backup.archiveName, so that the new Cluster gets an archive of its own.",
  );
}

const TARGETS = ["targetTime", "targetName", "targetLSN", "targetXID", "targetImmediate"] as const;
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:?\d\d)$/;

function checkTarget(
  setting: string,
  { recoveryTarget: target = {}, volumeSnapshots }: RecoverySettings,
): SettingProblem[] {
  const at = (field: string) => `${setting}.${field}`;
  const given = TARGETS.filter((field) => target[field] !== undefined && target[field] !== false);
  const needsBackup = given.find((field) => field !== "targetTime" && field !== "targetLSN");
  const time = target.targetTime && inRfc3339(target.targetTime);
  const { targetTime, targetLSN, targetXID, targetTLI, targetName, backupID } = target;
  return [
    ...(given.length > 1
      ? wrong(setting, undefined, `has more than one end: ${given.join(" and ")}`, "Keep only one of them.")
      : []),
    ...(time === undefined || (RFC_3339.test(time) && !Number.isNaN(Date.parse(time)))
      ? []
      : wrong(
          at("targetTime"),
          targetTime,
          "is not a valid time with a time zone",
          "Write e.g. 2026-11-30T12:00:00Z.",
        )),
    ...(targetLSN === undefined || /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(targetLSN)
      ? []
      : wrong(at("targetLSN"), targetLSN, "is not a valid position in the write-ahead log", "Write e.g. 0/3000060.")),
    ...(targetXID === undefined || (/^\d{1,10}$/.test(targetXID) && Number(targetXID) < 2 ** 32)
      ? []
      : wrong(at("targetXID"), targetXID, "is not a valid transaction ID", "Write a whole number below 4294967296.")),
    ...(targetTLI === undefined || targetTLI === "latest" || /^[1-9]\d*$/.test(targetTLI)
      ? []
      : wrong(at("targetTLI"), targetTLI, "is not a valid timeline", "Write a whole number of at least 1, or latest.")),
    ...(targetName === undefined || (targetName !== "" && Buffer.byteLength(targetName) < 64)
      ? []
      : wrong(at("targetName"), targetName, "is not a valid name of a restore point", "Use 1 to 63 bytes.")),
    ...(needsBackup !== undefined && backupID === undefined && volumeSnapshots === undefined
      ? wrong(
          at(needsBackup),
          undefined,
          "needs backupID",
          "Set recoveryTarget.backupID to a base backup that ended before the target.",
        )
      : []),
  ];
}
