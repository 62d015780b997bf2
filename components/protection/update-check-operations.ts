/** UpdateCheck: refuses an update that would fail half-way, and prepares the object for the update. */
import { applicationRefusal, unusedSettings } from "../cnpg/bootstrap";
import { DeclaredFields, KEPT_ANNOTATIONS_MANAGER, preparationFor } from "../cnpg/foreign-fields";
import {
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  RequestLimits,
} from "../kubernetes/client";
import { KubernetesError, printUnchecked } from "../kubernetes/errors";
import { PROVIDER_MANAGER } from "../kubernetes/field-owners";
import type { ResourceKind } from "../dynamic/converge";
import { firstOf } from "../message-limits";
import { IN_PREVIEW } from "../cnpg/taken-cluster";
import { OWNER_LABEL } from "../owner-label";
import { readVolumes } from "../readiness/cluster";
import { isUninitialized } from "../readiness/initdb-failure";
import { refusedGrowth, withSpec } from "../readiness/volumes";
import { UNKNOWN } from "../value-check";
import { completeArchive, DeclaredUpgrade, isPendingUpgrade, refuseBlockedUpgrade } from "./major-upgrade";

/** Inputs of an UpdateCheck. */
export interface UpdateCheckInputs extends KubernetesConnection, DeclaredFields {
  plural: "clusters" | "poolers";
  namespace: string;
  object: string;
  owner: string;
  image?: DeclaredImage;
  /** Name of the Backup on demand. Unknown in a preview if `up` will take it. */
  takenBackup?: string;
  /** The Cluster's fields with the sizes of volumes. */
  volumes?: Record<string, unknown>;
  /** The Cluster's `spec.bootstrap`. */
  bootstrap?: Record<string, unknown>;
}

/** The image, and what an upgrade to another major version needs. */
export interface DeclaredImage {
  /** Empty if the operator chooses the image. The catalog as JSON, if a catalog chooses it. */
  name: string;
  /** Undefined if the operator chooses the image. */
  major?: number;
  /** How old the newest complete backup may be, in hours. Absent if none is needed. */
  backupWithin?: number;
  /** The Cluster has `backup`. */
  archives?: boolean;
}

/** Its state. */
export interface UpdateCheckState extends UpdateCheckInputs {
  /** Not an input, so its value is unknown in a preview if something must be prepared. */
  prepared: true;
}

type Connect = (connection: KubernetesConnection, limits?: RequestLimits) => Promise<KubernetesClient>;

/** The kind of resource. `connect` reaches Kubernetes. */
export function updateCheck(
  connect: Connect = kubernetesClient,
  now: () => Date = () => new Date(),
): ResourceKind<UpdateCheckInputs, UpdateCheckState> {
  return {
    id: ({ plural, namespace, object }) => `${plural}/${namespace}/${object}`,
    async check(news, olds) {
      if (news.namespace === UNKNOWN) return {};
      const unchecked =
        (what: string) =>
        (error: unknown): undefined => {
          if (!(error instanceof KubernetesError)) throw error;
          printUnchecked(`Warning: ${news.object} could not be checked before ${what}: ${error.message}`, error);
        };
      const note = await refuseUpgrade(news, olds?.image?.name, IN_PREVIEW).catch(unchecked("its image is changed"));
      if (note) console.error(note);
      await refuseGrowth(news, olds?.volumes).catch(unchecked("its volumes grow"));
      return { refusals: await bootstrapRefusals(news, olds?.object === news.object) };
    },
    /** True only if there is something to do: in a preview, the provider does not dry-run objects that depend on a change. */
    async differs(news, olds) {
      if (olds.prepared !== true || olds.image?.name !== news.image?.name || news.namespace === UNKNOWN) return true;
      try {
        const found = await lookedUp(await connect(news, IN_PREVIEW), news);
        if (!found) return false;
        // An earlier run was checked, and ended before it changed the Cluster.
        if (news.image && isPendingUpgrade(found, declaredOf(news.image))) return true;
        const { isNeeded, messages } = preparationFor(found, news);
        for (const message of messages) console.error(message);
        return isNeeded;
      } catch (error) {
        unavailable(error);
        return true;
      }
    },
    /**
     * The object may already exist: from an earlier release, from a killed run, or somebody else's, which stays
     * unchanged.
     */
    async apply(inputs, olds) {
      const { namespace, object: cluster } = inputs;
      const upgrade = await refuseUpgrade(inputs, inputs.image?.major === undefined ? olds?.image?.name : undefined);
      if (upgrade !== undefined && inputs.image?.archives)
        await completeArchive(await connect(inputs), { namespace, cluster });
      await prepare(inputs, (found) => olds !== undefined || ownerIn(found) === inputs.owner);
      return { ...inputs, prepared: true };
    },
  };

  /** Refuses an upgrade that would fail. Returns what refuseBlockedUpgrade returns. */
  async function refuseUpgrade(
    { image, takenBackup, namespace, object, ...inputs }: UpdateCheckInputs,
    formerImage: string | undefined,
    limits?: RequestLimits,
  ): Promise<string | undefined> {
    if (image === undefined || namespace === UNKNOWN || !isOtherImage(image, formerImage)) return undefined;
    const declared = { ...declaredOf(image), takesBackup: takenBackup === UNKNOWN };
    return refuseBlockedUpgrade(await connect(inputs, limits), { namespace, cluster: object }, declared, now());
  }

  /** Refuses a size that a volume cannot get: CloudNativePG then changes no pods, and accepts no smaller size again. */
  async function refuseGrowth(inputs: UpdateCheckInputs, former: UpdateCheckInputs["volumes"]): Promise<void> {
    const { volumes, namespace, object } = inputs;
    if (!volumes || namespace === UNKNOWN || JSON.stringify(volumes) === JSON.stringify(former)) return;
    const kubernetes = await connect(inputs, IN_PREVIEW);
    const found = await lookedUp(kubernetes, inputs);
    const read = found && (await readVolumes(kubernetes, { namespace, cluster: object }, withSpec(found, volumes)));
    const refused = read ? refusedGrowth(found, volumes, read) : [];
    if (refused.length === 0) return;
    throw new Error(
      `${namespace}/${object} cannot get the declared volumes. The Cluster was not changed. ${firstOf(refused).join("; ")}. Set ` +
        "allowVolumeExpansion: true on the StorageClass, if its driver can expand volumes. Or set storage.resizeInUseVolumes: " +
        "false: existing volumes then stay as they are, and new instances get the new size.",
    );
  }

  /**
   * Why other names of the application's database are refused. Also prints a warning about settings without effect. Checks only a
   * Cluster of this stack that has data. If Kubernetes does not answer, the check of the operator reports it.
   */
  async function bootstrapRefusals(inputs: UpdateCheckInputs, isKnown: boolean): Promise<string[]> {
    const { bootstrap, namespace, object } = inputs;
    if (!bootstrap) return [];
    try {
      const found = await lookedUp(await connect(inputs, IN_PREVIEW), inputs);
      if (!found || isUninitialized(found) || !(isKnown || ownerIn(found) === inputs.owner)) return [];
      const unused = unusedSettings(found, { bootstrap });
      if (unused.length > 0)
        console.error(
          `Warning: no effect on the existing Cluster ${namespace}/${object}: ${firstOf(unused).join(", ")}. CloudNativePG uses ` +
            "such a setting only when it creates a Cluster.",
        );
      const refusal = applicationRefusal(found, { bootstrap });
      return refusal === undefined ? [] : [refusal];
    } catch (error) {
      if (error instanceof KubernetesError) return [];
      throw error;
    }
  }

  async function prepare(inputs: UpdateCheckInputs, isOurs: (found: KubernetesObject) => boolean): Promise<void> {
    const kubernetes = await connect(inputs);
    const found = await lookedUp(kubernetes, inputs);
    if (!found || !isOurs(found)) return;
    const { changed, kept, isNeeded } = preparationFor(found, inputs);
    if (!isNeeded) return;
    const { uid = "" } = found.metadata;
    const { annotations, ...rest } = changed;
    // Under the provider's field manager. The provider takes the fields over with its next update.
    if (annotations !== undefined || rest.spec !== undefined)
      await kubernetes.patch(referenceOf(inputs), { metadata: { uid, annotations }, ...rest }, PROVIDER_MANAGER);
    if (Object.keys(kept).length > 0)
      await kubernetes.own(
        referenceOf(inputs),
        { kind: "Cluster", metadata: { uid, annotations: kept } },
        KEPT_ANNOTATIONS_MANAGER,
      );
  }
}

function declaredOf({ name, archives = false, ...needs }: DeclaredImage): DeclaredUpgrade {
  return { ...needs, image: name, archives, takesBackup: false };
}

function ownerIn({ metadata }: KubernetesObject): string | undefined {
  return (metadata.annotations as Record<string, string> | undefined)?.[OWNER_LABEL];
}

function lookedUp(kubernetes: KubernetesClient, inputs: UpdateCheckInputs): Promise<KubernetesObject | undefined> {
  return kubernetes.get(referenceOf(inputs));
}

function referenceOf({ plural, namespace, object }: UpdateCheckInputs) {
  return { apiVersion: "postgresql.cnpg.io/v1", plural, namespace, name: object };
}

/** Ignores a Kubernetes API that does not answer: the next resource reports it. */
function unavailable(error: unknown): void {
  if (!(error instanceof KubernetesError) || error.failure !== "unavailable") throw error;
}

/** If the state does not know the former image, an image that is not declared counts as unchanged. */
function isOtherImage({ name, major }: DeclaredImage, former: string | undefined): boolean {
  return former === undefined ? major !== undefined : name !== former;
}
