/** UpdateCheck: refuses an update that would fail half-way, and prepares the object for the update. */
import { refuseBlockedUpgrade } from "../postgres/major-upgrade";
import { DeclaredFields, KEPT_ANNOTATIONS_MANAGER, preparationFor } from "../cnpg/foreign-fields";
import {
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  RequestLimits,
} from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { PROVIDER_MANAGER } from "../kubernetes/field-owners";
import type { ResourceKind } from "../dynamic/converge";
import { IN_PREVIEW } from "../cnpg/taken-cluster";
import { OWNER_LABEL } from "../owner-label";
import { UNKNOWN } from "../value-check";

/** Inputs of an UpdateCheck. */
export interface UpdateCheckInputs extends KubernetesConnection, DeclaredFields {
  plural: "clusters" | "poolers";
  namespace: string;
  object: string;
  owner: string;
  image?: { name: string; major?: number };
}

/** Its state. */
export interface UpdateCheckState extends UpdateCheckInputs {
  /** Not an input, so its value is unknown in a preview if something must be prepared. */
  prepared: true;
}

type Connect = (connection: KubernetesConnection, limits?: RequestLimits) => Promise<KubernetesClient>;

/** The kind of resource. `connect` reaches Kubernetes. */
export function updateCheck(connect: Connect = kubernetesClient): ResourceKind<UpdateCheckInputs, UpdateCheckState> {
  return {
    id: ({ plural, namespace, object }) => `${plural}/${namespace}/${object}`,
    async check(news, olds) {
      if (news.namespace === UNKNOWN) return {};
      await refuseUpgrade(news, olds?.image?.name, IN_PREVIEW).catch(unavailable);
      return {};
    },
    /** True only if there is something to do: in a preview, the provider does not dry-run objects that depend on a change. */
    async differs(news, olds) {
      if (olds.prepared !== true || olds.image?.name !== news.image?.name || news.namespace === UNKNOWN) return true;
      try {
        const found = await lookedUp(await connect(news, IN_PREVIEW), news);
        if (!found) return false;
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
      await refuseUpgrade(inputs, olds?.image?.name);
      await prepare(inputs, (found) => olds !== undefined || ownerIn(found) === inputs.owner);
      return { ...inputs, prepared: true };
    },
  };

  async function refuseUpgrade(
    { image, namespace, object, ...inputs }: UpdateCheckInputs,
    formerImage: string | undefined,
    limits?: RequestLimits,
  ): Promise<void> {
    if (image === undefined || !isOtherImage(image, formerImage)) return;
    await refuseBlockedUpgrade(await connect(inputs, limits), { namespace, cluster: object }, image.major);
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
function unavailable(error: unknown): undefined {
  if (!(error instanceof KubernetesError) || error.failure !== "unavailable") throw error;
}

/** If the state does not know the former image, an image that is not declared counts as unchanged. */
function isOtherImage({ name, major }: { name: string; major?: number }, former: string | undefined): boolean {
  return former === undefined ? major !== undefined : name !== former;
}
