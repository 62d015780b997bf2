/**
 * Refuses an upgrade to another major version of PostgreSQL that would fail, or that could not be undone, before it begins.
 * CloudNativePG stops all instances, and runs `pg_upgrade --link` in the primary's volume (docs/src/postgres_upgrades.md).
 */
import {
  archivingProblem,
  backupStatus,
  describeBackup,
  endOf,
  listBackups,
  newestComplete,
} from "../cnpg/backup-status";
import { distributionOf, imageOfData, majorOfData } from "../cnpg/image";
import { barmanCloudOf } from "../cnpg/object-store";
import { followedCluster } from "../cnpg/replica";
import { fencingReason, hibernationReason } from "../cnpg/stopped";
import type { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { DATABASES_QUERY } from "../postgres/grants";
import {
  ClusterReference,
  findClusterByName,
  hasReadyInstance,
  MAINTENANCE_DATABASE,
  sqlInPrimary,
} from "../postgres/psql";
import {
  catalogBytes,
  databaseScript,
  describeObstacles,
  Finding,
  findingsOf,
  instanceScript,
  requiredOfImage,
} from "../postgres/upgrade-obstacles";
import { HEALTHY } from "../readiness/cluster";
import { isUninitialized } from "../readiness/initdb-failure";
import { MAJOR_UPGRADE } from "../readiness/upgrade-failure";
import { poll, progressOf } from "../waiting";

/** What is declared about the upgrade. */
export interface DeclaredUpgrade {
  /** The image. Empty if a catalog or the operator chooses it. */
  image: string;
  /** The major version. Undefined if the operator chooses the image. */
  major?: number;
  /** How old the newest complete backup may be, in hours. Undefined if none is needed. */
  backupWithin?: number;
  /** The Cluster has `backup`. */
  archives: boolean;
  /** This preview is of an `up` that takes a backup first. */
  takesBackup: boolean;
}

type Reference = Omit<ClusterReference, "uid">;

/** The major version if the settings name none: the operator's default image may have any version. */
const ANY_MAJOR = 99;
/** CloudNativePG's webhook refuses earlier versions as the result of an upgrade (validateImageChange). */
const EARLIEST_RESULT = 16;

/** Whether the declared image upgrades the Cluster's data, and is not in the Cluster's spec yet. */
export function isPendingUpgrade(cluster: KubernetesObject, { image, major }: DeclaredUpgrade): boolean {
  const present = majorOfData(cluster);
  return major !== undefined && present !== undefined && major > present && !isWritten(cluster, image, major);
}

function isWritten({ spec = {} }: KubernetesObject, image: string, major: number | undefined): boolean {
  const catalog = spec.imageCatalogRef as { major?: number } | undefined;
  return spec.imageName === image || (catalog !== undefined && catalog.major === major);
}

/**
 * Does nothing if the declared image does not upgrade the Cluster's data, if there are no data yet, or if the Cluster already
 * has the image.
 *
 * @returns what is only known when pg_upgrade runs, as a message that may be empty. Undefined if there is no upgrade
 * @throws Error that lists everything that prevents the upgrade, with the remedies
 * @throws KubernetesError if the Cluster could not be checked
 */
export async function refuseBlockedUpgrade(
  kubernetes: KubernetesClient,
  name: Reference,
  declared: DeclaredUpgrade,
  now: Date,
): Promise<string | undefined> {
  const cluster = await findClusterByName(kubernetes, name);
  if (!cluster || isUninitialized(cluster)) return undefined;
  const { major } = declared;
  const present = majorOfData(cluster);
  if ((major !== undefined && major === present) || isWritten(cluster, declared.image, major)) return undefined;
  // A broken image may be the reason. Whether another one upgrades is unknown.
  if (major === undefined && !hasReadyInstance(cluster)) return undefined;
  const refuse = (reasons: readonly string[]) => {
    throw new Error(refusal(name.cluster, major, reasons));
  };
  const state = stateProblem(cluster, await podsOf(kubernetes, name), declared);
  if (state !== undefined) refuse([state]);
  const findings = await findingsIn(kubernetes, { ...name, uid: cluster.metadata.uid ?? "" }, major ?? ANY_MAJOR);
  const reasons = [
    ...imageProblems(cluster, declared),
    ...(await backupProblems(kubernetes, name, cluster, declared, now)),
    ...describeObstacles(findings, versionOf(major)),
    ...(await spaceProblems(kubernetes, name, cluster, catalogBytes(findings))),
  ];
  if (reasons.length > 0) refuse(reasons);
  const required = requiredOfImage(findings);
  if (required === "") return "";
  return (
    `${name.cluster}: the image of PostgreSQL ${versionOf(major)} must have these extensions and libraries, which only ` +
    `pg_upgrade can check: ${required}. If one is missing, the upgrade fails, and you set the former image again.`
  );
}

function versionOf(major: number | undefined): string {
  return major === undefined ? "of the operator's choice" : String(major);
}

function refusal(cluster: string, major: number | undefined, reasons: readonly string[]): string {
  const beginning = `${cluster} cannot be upgraded to PostgreSQL ${versionOf(major)} yet:`;
  const list = reasons.length === 1 ? ` ${reasons[0]}` : reasons.map((reason) => `\n  - ${reason}`).join("");
  return `${beginning}${list}\nThe Cluster was not changed. docs/upgrades.md describes the upgrade.`;
}

function podsOf(kubernetes: KubernetesClient, { namespace, cluster }: Reference): Promise<KubernetesObject[]> {
  return kubernetes.list({ apiVersion: "v1", plural: "pods", namespace }, `cnpg.io/cluster=${cluster}`);
}

/** Why the Cluster cannot be asked, or must not be upgraded at all. */
function stateProblem(
  cluster: KubernetesObject,
  pods: readonly KubernetesObject[],
  { major }: DeclaredUpgrade,
): string | undefined {
  const present = majorOfData(cluster);
  const former = imageOfData(cluster) ?? "the former image";
  if (major !== undefined && present !== undefined && major < present)
    return (
      `its data are of PostgreSQL ${present}, and PostgreSQL cannot go back to an earlier version. Set an image of ` +
      `PostgreSQL ${present}. To go back to data of PostgreSQL ${major}, recover a backup into a new database: see docs/backup.md.`
    );
  const { phase = "", readyInstances = 0 } = (cluster.status ?? {}) as { phase?: string; readyInstances?: number };
  const job = pods.find((pod) => !pod.metadata.deletionTimestamp && isUnfinished(pod));
  if (phase === UPGRADING || (job && roleOf(job) === MAJOR_UPGRADE))
    return (
      `an earlier upgrade from PostgreSQL ${present} has failed or has not ended (${job ? `pod ${job.metadata.name}: ${String(job.status?.phase)}` : phase}), ` +
      `and CloudNativePG does not begin another one. Set the image ${former} and run \`pulumi up\`, which ends it and starts the former version. Then correct the cause.`
    );
  const followed = followedCluster(cluster);
  if (followed !== undefined)
    return (
      `it is a replica cluster of ${followed}, which must have the same version. Upgrade ${followed}. Then create this Cluster ` +
      "again from its data, or promote this Cluster before you upgrade it."
    );
  const stopped = hibernationReason(cluster) ?? fencingReason(cluster);
  if (stopped !== undefined)
    return (
      `its instances do not all run: ${stopped}. The check of what would make pg_upgrade fail needs a running database. Start ` +
      "it with the present image, run `pulumi up`, and then change the image."
    );
  if (job)
    return `the pod ${job.metadata.name} still creates an instance (${String(job.status?.phase)}). Wait until it has ended, or correct why it does not.`;
  const instances = Number(cluster.spec?.instances ?? readyInstances);
  if (phase !== HEALTHY || readyInstances < instances)
    return (
      `it is not healthy: CloudNativePG says "${phase}", and ${readyInstances} of ${instances} instances are ready. Set the image ` +
      `${former}, run \`pulumi up\` until it succeeds, and then change the image.`
    );
  return undefined;
}

/** `status.phase` during a major upgrade, and after one that failed. */
const UPGRADING = "Upgrading Postgres major version";

function roleOf({ metadata }: KubernetesObject): string | undefined {
  return (metadata.labels as Record<string, string> | undefined)?.["cnpg.io/jobRole"];
}

/** Whether a pod of a Job still creates or upgrades an instance, or failed to upgrade one. */
function isUnfinished(pod: KubernetesObject): boolean {
  const phases = roleOf(pod) === MAJOR_UPGRADE ? ["Pending", "Running", "Failed"] : ["Pending", "Running"];
  return roleOf(pod) !== undefined && phases.includes(String(pod.status?.phase));
}

function imageProblems(cluster: KubernetesObject, { image, major, archives }: DeclaredUpgrade): string[] {
  const present = imageOfData(cluster) ?? "";
  const [from, to] = [distributionOf(present), distributionOf(image)];
  return [
    ...(major !== undefined && major < EARLIEST_RESULT
      ? [`CloudNativePG upgrades only to PostgreSQL ${EARLIEST_RESULT} or later. Choose a later version.`]
      : []),
    ...(from !== undefined && to !== undefined && from !== to
      ? [
          `its image ${present} is based on ${from}, and ${image} on ${to}. CloudNativePG upgrades only between images of the same ` +
            `distribution, because another one may sort text differently, which breaks indexes. Choose an image of PostgreSQL ${versionOf(major)} on ${from}.`,
        ]
      : []),
    ...(major === undefined && archives
      ? [
          "the operator chooses the image, so the program does not know whether a new archive is needed. Set image or imageCatalog.",
        ]
      : []),
  ];
}

/** Once the new version has started, only a backup leads back. */
async function backupProblems(
  kubernetes: KubernetesClient,
  name: Reference,
  cluster: KubernetesObject,
  { backupWithin, archives, takesBackup }: DeclaredUpgrade,
  now: Date,
): Promise<string[]> {
  if (backupWithin === undefined) return [];
  const present = majorOfData(cluster);
  const notArchived = archives ? archivingProblem(cluster) : undefined;
  if (notArchived !== undefined)
    return [`${notArchived}. Correct the cause, and run \`pulumi up\` with the present image.`];
  if (takesBackup) return [];
  const backups = await listBackups(kubernetes, name);
  const newest = newestComplete(backups.filter((backup) => (backupStatus(backup).majorVersion ?? present) === present));
  if (newest && now.getTime() - endOf(newest) <= backupWithin * HOUR) return [];
  return [
    `it has no complete backup that is at most ${backupWithin} h old (the newest: ${describeBackup(newest)}), and only a backup leads back ` +
      `once the new version has started. ${archives ? ADVICE_WITH_BACKUP : ADVICE_WITHOUT_BACKUP}`,
  ];
}

const HOUR = 3_600_000;
const ADVICE_WITH_BACKUP =
  "Set backup.onDemand to a new name, together with the image: `up` then takes a backup first. Or raise majorUpgrade.backupWithin.";
const ADVICE_WITHOUT_BACKUP =
  "Set backup and run `pulumi up` with the present image first. If you have a backup that this program does not know, or need none, set majorUpgrade.backupWithin: none.";

/** What the databases of an instance have. */
async function findingsIn(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  major: number,
): Promise<Finding[]> {
  const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
  const found = findingsOf(await sql(MAINTENANCE_DATABASE, instanceScript(major)));
  // The template may have extensions, which pg_upgrade keeps as well.
  for (const database of ["template1", ...(await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))])
    found.push(...findingsOf(await sql(database, databaseScript(major)), database));
  return found;
}

/** In bytes: the new data directory before any table is in it, with its first files of the write-ahead log. */
const NEW_DIRECTORY = 128 * 1024 ** 2;
const DATA = "/var/lib/postgresql/data/pgdata";
const WAL = `${DATA}/pg_wal`;

/** pg_upgrade links the files of tables and indexes. It writes the catalogs anew, which also goes through the write-ahead log. */
async function spaceProblems(
  kubernetes: KubernetesClient,
  { namespace }: Reference,
  cluster: KubernetesObject,
  catalogs: number,
): Promise<string[]> {
  const pod = String(cluster.status?.currentPrimary);
  const command = ["df", "-P", "-k", DATA, WAL];
  const { code, stdout, stderr } = await kubernetes.exec({ namespace, pod, container: "postgres", command });
  const rows = stdout.trim().split("\n").slice(1);
  const volumes = rows
    .map((row) => row.trim().split(/\s+/))
    .map(([device = "", , , free]) => ({ device, free: Number(free) * 1024 }));
  const [data, wal] = volumes;
  if (code !== 0 || !data || !wal || volumes.some(({ free }) => !Number.isFinite(free)))
    throw new KubernetesError(
      "command",
      `The free space of ${namespace}/${pod} could not be read: ${command.join(" ")}: ${stderr.trim() || stdout.trim()}`,
    );
  const needed = NEW_DIRECTORY + 2 * catalogs;
  const isOne = data.device === wal.device;
  return [
    { setting: "storage.size", ...data, needed: isOne ? 2 * needed : needed },
    ...(isOne ? [] : [{ setting: "walStorage.size", ...wal, needed }]),
  ]
    .filter((volume) => volume.free < volume.needed)
    .map(
      ({ setting, free, needed: least }) =>
        `the volume of ${setting} in the pod ${pod} has ${mebibytes(free)} MiB free, and pg_upgrade needs about ${mebibytes(least)} MiB for ` +
        `new system catalogs. Raise ${setting} and run \`pulumi up\` with the present image first.`,
    );
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}

/** In milliseconds. */
const ARCHIVED_WITHIN = 120_000;

/**
 * Ends the present file of the write-ahead log, and waits until it is archived. From the change of the Cluster on, its instances
 * write to the new archive, also before they stop. So the former archive has everything that was written until now.
 */
export async function completeArchive(kubernetes: KubernetesClient, name: Reference, every = 1_000): Promise<void> {
  const cluster = await findClusterByName(kubernetes, name);
  // Its backups may be declared for the first time.
  if (!cluster || barmanCloudOf(cluster.spec ?? {}) === undefined) return;
  const reference = { ...name, uid: cluster.metadata.uid ?? "" };
  const sql = (script: string) => sqlInPrimary(kubernetes, reference, MAINTENANCE_DATABASE, script);
  // A restore point, because the file of an idle database has nothing to archive, and is not ended.
  const [file = ""] = await sql(
    "SELECT pg_walfile_name(pg_switch_wal()) FROM pg_create_restore_point('before-major-upgrade');",
  );
  const progress = progressOf(`the archiving of ${file} of ${reference.namespace}/${reference.cluster}`);
  await poll(async ({ waited }) => {
    const [last = ""] = await sql("SELECT last_archived_wal FROM pg_stat_archiver;");
    if (last >= file) return last;
    progress([`the last archived file is ${last === "" ? "none" : last}`]);
    if (waited() > ARCHIVED_WITHIN)
      throw new KubernetesError(
        "not-ready",
        `The write-ahead log of ${reference.namespace}/${reference.cluster} up to ${file} was not archived within ${ARCHIVED_WITHIN / 1_000} s. ` +
          "The Cluster was not changed. See the log of the container plugin-barman-cloud in the primary's pod, and run `pulumi up` again.",
      );
    return undefined;
  }, every);
}
