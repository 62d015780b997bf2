/** ArchiveName: the name of a Cluster's archive in the object store, new for each life of the Cluster. */
import { randomBytes } from "node:crypto";
import { Connect, findCluster, IN_PREVIEW } from "../cnpg/taken-cluster";
import type { ResourceKind } from "../dynamic/converge";
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError, printUnchecked } from "../kubernetes/errors";
import { UNKNOWN } from "../value-check";

/** Inputs of an ArchiveName. */
export interface ArchiveNameInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  /** The declared name. Default: a generated one. */
  declaredName?: string;
}

/** The stored state. */
export interface ArchiveNameState extends ArchiveNameInputs {
  archiveName: string;
}

/**
 * The kind of resource. It is created before its Cluster. If the Cluster does not exist, the next Cluster is another one: it
 * begins with other data, and the plugin refuses to write into an archive that is not empty. So it gets a new name.
 */
export function archiveName(
  connect: Connect = apiReader,
  now: () => Date = () => new Date(),
): ResourceKind<ArchiveNameInputs, ArchiveNameState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,
    declared: ({ context, namespace, cluster, declaredName }) => [context, namespace, cluster, declaredName],
    async differs(news, olds) {
      if (news.declaredName !== undefined || news.namespace === UNKNOWN) return false;
      try {
        if (await findCluster(await connect(news, IN_PREVIEW), news.namespace, news.cluster)) return false;
      } catch (error) {
        if (!(error instanceof KubernetesError)) throw error;
        printUnchecked(`The archive of ${news.cluster} is assumed to be unchanged: ${error.message}`, error);
        return false;
      }
      console.error(
        `The Cluster ${news.namespace}/${news.cluster} does not exist. The new one gets a new archive. The archive ` +
          `${olds.archiveName} stays in the object store; recovery.archiveName can name it.`,
      );
      return true;
    },
    async apply(inputs, olds) {
      return { ...inputs, archiveName: inputs.declaredName ?? (await kept(inputs, olds)) ?? generated(inputs.cluster) };
    },
  };

  /** The former name, if its Cluster still exists. */
  async function kept(inputs: ArchiveNameInputs, olds: ArchiveNameState | undefined): Promise<string | undefined> {
    const isSame = olds?.namespace === inputs.namespace && olds.cluster === inputs.cluster;
    if (!isSame || olds.declaredName !== undefined) return undefined;
    const found = await findCluster(await connect(inputs), inputs.namespace, inputs.cluster);
    return found && olds.archiveName;
  }

  /** `orders-20261130-123615-k3f9`: names of one Cluster sort by time, and two Clusters of one second differ. */
  function generated(cluster: string): string {
    const [date = "", time = ""] = now().toISOString().replace(/[-:]/g, "").replace(/\..*/, "").split("T");
    return `${cluster}-${date}-${time}-${randomBytes(3).toString("hex")}`;
  }
}
