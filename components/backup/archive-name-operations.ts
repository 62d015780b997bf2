/**
 * ArchiveName: the name of a Cluster's archive in the object store. A Cluster that is created again gets a new name, and so does
 * one that is upgraded to another major version of PostgreSQL.
 */
import { randomBytes } from "node:crypto";
import { mayBeSameArchive } from "../cnpg/archive-place";
import { majorOfData } from "../cnpg/image";
import { barmanCloudOf } from "../cnpg/object-store";
import { Connect, findCluster, IN_PREVIEW } from "../cnpg/taken-cluster";
import type { ResourceKind } from "../dynamic/converge";
import { type ApiReader, apiReader, KubernetesConnection, KubernetesObject } from "../kubernetes/client";
import { KubernetesError, printUnchecked } from "../kubernetes/errors";
import { isObject, UNKNOWN } from "../value-check";

/** Inputs of an ArchiveName. */
export interface ArchiveNameInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  /** The name in the settings. Default: a generated one. */
  declaredName?: string;
  /** The archive that a new Cluster is recovered from. Default: none. */
  recoversFrom?: string;
  /** The declared major version of PostgreSQL. Absent if the operator chooses the image, and in older states. */
  major?: number;
  /** The Cluster of its topology that it follows, and that a new Cluster gets its data from. Default: none. */
  follows?: string;
  /** The archives of other Clusters of its topology in the same object store. Default: none. */
  others?: string[];
  /** Where the archive is. Absent in older states. */
  place?: ArchivePlace;
}

/** The fields of an object store that say where it is. */
export interface ArchivePlace {
  destinationPath: string;
  endpointURL?: string;
  /** The environment of the plugin's container is set, and may name another endpoint. */
  hasEnvironment: boolean;
}

/** The stored state. If `major` is later than the version of the data, the archive was named for this upgrade. */
export interface ArchiveNameState extends ArchiveNameInputs {
  archiveName: string;
}

/**
 * The kind of resource. It is created before its Cluster. An existing Cluster keeps the archive that it writes to. A Cluster that
 * does not exist, or that archives nothing, gets a new archive: its data do not continue an old one. Only a Cluster that is being
 * created checks that its archive is empty.
 *
 * A major upgrade also begins a new archive, as CloudNativePG recommends: pg_upgrade makes a new database system whose timelines
 * begin again with 1. Its files would replace files of the former version, whose backups could then not be recovered.
 */
export function archiveName(
  connect: Connect = apiReader,
  now: () => Date = () => new Date(),
): ResourceKind<ArchiveNameInputs, ArchiveNameState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,
    async check(news, olds) {
      const reason = await inPreview(
        news,
        async (found, api) => refusal(news, found, olds) ?? (await moveRefusal(api, news, found)),
      );
      return { refusals: reason === undefined ? [] : [reason] };
    },
    declared: ({ context, namespace, cluster, declaredName }) => [context, namespace, cluster, declaredName],
    async differs(news, olds) {
      return (
        (await inPreview(news, (found) => {
          if (!found) console.error(lost(news, olds));
          if (!found) return news.declaredName === undefined;
          const isOther = archiveOf(found) !== olds.archiveName;
          // An earlier `up` may have ended between the name and the upgrade, e.g. because the upgrade was refused.
          const begin = isUpgrade(found, news) && (isOther || olds.major !== news.major);
          if (begin) console.error(begins(news, archiveOf(found) ?? ""));
          // A former image is set again after an upgrade that failed: the next attempt needs another archive.
          const isFormer = olds.major !== undefined && olds.major !== news.major;
          return isOther || begin || isFormer;
        })) ?? false
      );
    },
    async apply(inputs, olds) {
      const api = await connect(inputs);
      const found = await existing(api, inputs);
      const reason = refusal(inputs, found, olds) ?? (await moveRefusal(api, inputs, found));
      if (reason !== undefined) throw new KubernetesError("configuration", reason);
      const name = (found && continued(found, inputs, olds)) ?? inputs.declaredName ?? generated(inputs.cluster);
      return { ...inputs, archiveName: name };
    },
  };

  /** The archive that an existing Cluster continues. For an upgrade, the one that an earlier attempt of this upgrade named. */
  function continued(
    found: KubernetesObject,
    inputs: ArchiveNameInputs,
    olds: ArchiveNameState | undefined,
  ): string | undefined {
    if (!isUpgrade(found, inputs)) return archiveOf(found);
    return olds?.major === inputs.major ? olds?.archiveName : undefined;
  }

  /** The Cluster. Undefined if there is none, or if it is being deleted. */
  async function existing(api: ApiReader, inputs: ArchiveNameInputs): Promise<KubernetesObject | undefined> {
    const found = await findCluster(api, inputs.namespace, inputs.cluster);
    return found?.metadata.deletionTimestamp === undefined ? found : undefined;
  }

  /** Reads the Cluster. Undefined if the namespace is unknown, or Kubernetes does not answer: `up` reads it again. */
  async function inPreview<Result>(
    inputs: ArchiveNameInputs,
    look: (found: KubernetesObject | undefined, api: ApiReader) => Result | Promise<Result>,
  ): Promise<Result | undefined> {
    if (inputs.namespace === UNKNOWN) return undefined;
    try {
      const api = await connect(inputs, IN_PREVIEW);
      return await look(await existing(api, inputs), api);
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      printUnchecked(`The archive of ${inputs.cluster} is assumed to be unchanged: ${error.message}`, error);
      return undefined;
    }
  }

  /** `orders-20261130-123615-3f9ac0`: a Cluster's names sort by time. Two names of the same second differ. */
  function generated(cluster: string): string {
    const [date = "", time = ""] = now().toISOString().replace(/[-:]/g, "").replace(/\..*/, "").split("T");
    return `${cluster}-${date}-${time}-${randomBytes(3).toString("hex")}`;
  }
}

/** The archive that a Cluster writes to. Undefined if it archives nothing with the plugin. */
function archiveOf({ metadata, spec }: KubernetesObject): string | undefined {
  const plugin = barmanCloudOf(spec ?? {});
  return plugin && (plugin.parameters?.serverName ?? metadata.name);
}

/** Whether the Cluster archives, and the declared image upgrades its data to another major version. */
function isUpgrade(found: KubernetesObject, { major }: ArchiveNameInputs): boolean {
  const present = majorOfData(found);
  return archiveOf(found) !== undefined && major !== undefined && present !== undefined && major > present;
}

/** Why the declared name is refused. A running Cluster does not check that its archive is empty. */
function refusal(
  inputs: ArchiveNameInputs,
  found: KubernetesObject | undefined,
  olds: Partial<ArchiveNameState> | undefined,
): string | undefined {
  const { namespace, cluster, declaredName, major, others = [] } = inputs;
  if (!found) return undefined;
  const present = archiveOf(found);
  if (present !== undefined && others.includes(present)) {
    return (
      `replica.clusters names the archive ${present} for another Cluster, but the Cluster ${namespace}/${cluster} itself writes to ` +
      "it. Nothing was changed. Write the name of the other Cluster's archive, from the output `backup` of its stack."
    );
  }
  if (declaredName === undefined) return undefined;
  if (isUpgrade(found, inputs) && olds?.major !== major) {
    return (
      `backup.archiveName is ${declaredName}, and PostgreSQL ${major} needs a new archive: the timelines of ${namespace}/${cluster} ` +
      `begin again, and its files would replace files of PostgreSQL ${majorOfData(found)} in the archive ${present}. Nothing was ` +
      "changed. Remove backup.archiveName, and a new name is generated."
    );
  }
  if (present === declaredName) return undefined;
  return (
    `backup.archiveName is ${declaredName}, but the Cluster ${namespace}/${cluster} already exists and ` +
    `${present === undefined ? "has no archive yet" : `writes to the archive ${present}`}. Nothing was changed. The name can ` +
    "be chosen only for a new Cluster, because only a new Cluster checks that the archive is empty. " +
    (present === undefined
      ? "Remove backup.archiveName, and a new name is generated."
      : `Set backup.archiveName to ${present}, or remove it.`)
  );
}

/** The end of a generated name. No other archive has it, in any object store. */
const GENERATED = /-\d{8}-\d{6}-[0-9a-f]{6}$/;

/**
 * Why a running Cluster cannot move its archive to another object store: another Cluster may have an archive of this name there,
 * and only a Cluster that is being created checks that its archive is empty.
 */
async function moveRefusal(
  api: ApiReader,
  inputs: ArchiveNameInputs,
  found: KubernetesObject | undefined,
): Promise<string | undefined> {
  const { namespace, cluster, place } = inputs;
  if (!found || !place || JSON.stringify(place).includes(UNKNOWN)) return undefined;
  const archive = archiveOf(found);
  // Also before an upgrade, which begins a new archive: the ObjectStore changes before the Cluster.
  if (archive === undefined || GENERATED.test(archive)) return undefined;
  const store = barmanCloudOf(found.spec ?? {})?.parameters?.barmanObjectName ?? "";
  const path = `/apis/barmancloud.cnpg.io/v1/namespaces/${namespace}/objectstores/${store}`;
  const present = placeOf((await api.read(path)) as KubernetesObject | undefined);
  if (!present || mayBeSameArchive(archiveIn(present, archive), archiveIn(place, archive))) return undefined;
  return (
    `backup.objectStore is another place than the one that the Cluster ${namespace}/${cluster} writes to (ObjectStore ${store}). Its ` +
    `archive would have the name ${archive} there too. If another Cluster has an archive of this name there, the two would damage ` +
    "each other's backups: only a new Cluster checks that its archive is empty. Nothing was changed. Write the present " +
    "destinationPath and endpointURL. To move the backups, first remove backup and run `pulumi up`. Then set backup again, " +
    "without archiveName: the Cluster gets a new archive, whose name nobody else uses."
  );
}

/** Where an ObjectStore is. */
function placeOf(store: KubernetesObject | undefined): ArchivePlace | undefined {
  const { configuration, instanceSidecarConfiguration: sidecar } = store?.spec ?? {};
  if (!isObject(configuration)) return undefined;
  const { destinationPath, endpointURL } = configuration as { destinationPath?: string; endpointURL?: string };
  const hasEnvironment = isObject(sidecar) && sidecar.env !== undefined;
  return destinationPath === undefined ? undefined : { destinationPath, endpointURL, hasEnvironment };
}

function archiveIn({ hasEnvironment, ...store }: ArchivePlace, archiveName: string) {
  return { archiveName, objectStore: { ...store, ...(hasEnvironment ? { sidecar: { env: [] } } : {}) } };
}

/** The message about an upgrade to another major version. */
function begins({ namespace, cluster, major }: ArchiveNameInputs, former: string): string {
  return (
    `${namespace}/${cluster}: PostgreSQL ${major} begins a new archive. The archive ${former} stays in the object store. Write its ` +
    "name down: after the upgrade, only this archive leads back to the former version."
  );
}

/** The message about a Cluster that is in the stack's state, and no longer exists. */
function lost(
  { namespace, cluster, recoversFrom, follows, others, declaredName }: ArchiveNameInputs,
  { archiveName: former }: ArchiveNameState,
): string {
  const begins =
    follows !== undefined
      ? `The new Cluster starts with the data of ${follows}, and follows it`
      : recoversFrom === undefined
        ? "The new Cluster starts with an EMPTY database"
        : `The new Cluster is recovered from the archive ${recoversFrom}`;
  const promoted =
    others === undefined
      ? ""
      : " If another Cluster of the topology was promoted instead, set replica.primary to its name.";
  const keep =
    follows !== undefined || recoversFrom === former
      ? ""
      : ` To recover the latest data, set recovery.archiveName to ${former} before you run \`pulumi up\`.${promoted}`;
  return (
    `The Cluster ${namespace}/${cluster} no longer exists. Its archive ${former} stays in the object store. ` +
    `${begins}, and ${declaredName === former ? "needs a new archive: change or remove backup.archiveName" : "gets a new archive"}.${keep} Run \`pulumi refresh\` first, so that Pulumi creates the Cluster again.`
  );
}
