/** The methods of Pulumi's provider behind a ClusterIdentity. */
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, mustBeOfStack } from "../kubernetes/identity";
import type { Provider } from "../dynamic/methods";
import { UNKNOWN } from "../teleport/resources/document";
import { howToDelete, PROTECTION_ANNOTATION } from "./deletion-protection";
import { refuseWhileTakingUp } from "./taking-up";
import { Connect, findCluster, IN_PASSING } from "./taken-cluster";

/** Inputs of a ClusterIdentity. */
export interface ClusterIdentityInputs extends KubernetesConnection {
  /** Name of the database: of the PostgresCluster. */
  database: string;
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`. */
  uid: string;
}

/** What is remembered. */
export interface ClusterIdentityState extends ClusterIdentityInputs {
  /** UID of the Kubernetes cluster's `kube-system`; absent where it may not be read. */
  kubernetesUid?: string;
}

/** The operations over a way of reaching the API server. */
export function clusterIdentity(connect: Connect = apiReader): Provider<ClusterIdentityInputs, ClusterIdentityState> {
  return {
    async check(olds, news) {
      const reason = isKnown(news) ? await recreatedInPassing(expected(olds, news)) : undefined;
      return { inputs: news, failures: reason === undefined ? [] : [{ property: "", reason }] };
    },
    async diff(_id, olds, news) {
      const keys = ["context", "database", "namespace", "cluster", "uid"] as const;
      return { changes: keys.some((key) => olds[key] !== news[key]) };
    },
    async create(inputs) {
      return { id: `${inputs.namespace}/${inputs.cluster}`, outs: await withIdentity(inputs) };
    },
    /** A refresh takes up a Cluster that was made anew, and forgets one that is gone: but in the stack's cluster only. */
    async read(id, props) {
      if (!props?.cluster) return {};
      const api = await connect(props);
      const kubernetesUid = (await mustBeOfStack(api, props.kubernetesUid)) ?? props.kubernetesUid;
      const found = await findCluster(api, props.namespace, props.cluster);
      return found ? { id, props: { ...props, uid: found.metadata.uid ?? props.uid, kubernetesUid } } : {};
    },
    async update(_id, _olds, news) {
      return { outs: await withIdentity(news) };
    },
    /** Comes before everything else is deleted. */
    async delete(_id, props) {
      refuseWhileTakingUp();
      const api = await connect(props);
      const now = await mustBeOfStack(api, props.kubernetesUid);
      const cluster = await findCluster(api, props.namespace, props.cluster);
      if (!cluster) {
        if (now !== undefined && props.kubernetesUid !== undefined) return; // the stack's cluster: somebody deleted it
        throw new KubernetesError(
          "configuration",
          `The Cluster ${props.namespace}/${props.cluster} does not exist at ${api.server} (context ${api.context}). ` +
            "This may be another Kubernetes cluster than the stack's: that cannot be checked without the right to read " +
            "the namespace kube-system. Nothing was changed. Grant that right. Or, if you are sure that this is the " +
            "stack's cluster, run `pulumi refresh` and then the command again.",
        );
      }
      const { uid, annotations = {} } = cluster.metadata as { uid?: string; annotations?: Record<string, string> };
      if (uid !== props.uid) throw new KubernetesError("configuration", recreated(props, uid));
      if (annotations[PROTECTION_ANNOTATION] === "true") {
        throw new KubernetesError(
          "failed",
          `The database ${props.database} is protected from deletion. Nothing of it was changed. ${howToDelete(props.database)}`,
        );
      }
    },
  };

  async function withIdentity(inputs: ClusterIdentityInputs): Promise<ClusterIdentityState> {
    return { ...inputs, kubernetesUid: await kubernetesUid(await connect(inputs)) };
  }

  /** Whether the Cluster was made anew by somebody else; what cannot be asked now is left to the operations. */
  async function recreatedInPassing(inputs: ClusterIdentityInputs): Promise<string | undefined> {
    try {
      const found = await findCluster(await connect(inputs, IN_PASSING), inputs.namespace, inputs.cluster);
      return found === undefined || found.metadata.uid === inputs.uid
        ? undefined
        : recreated(inputs, found.metadata.uid);
    } catch (error) {
      if (error instanceof KubernetesError) return undefined;
      throw error;
    }
  }
}

/** Says that somebody else made the Cluster. */
function recreated(
  { namespace, cluster, uid }: Pick<ClusterIdentityInputs, "namespace" | "cluster" | "uid">,
  found: string | undefined,
): string {
  return (
    `The Cluster ${namespace}/${cluster} is not the one that this stack made: it has the UID ${found}, the stack's has ` +
    `${uid}. Nothing of this database was changed. If somebody recreated the Cluster on purpose, e.g. from a backup, run ` +
    "`pulumi refresh`, so that it becomes the stack's, and then the command again. Otherwise set kubernetes.context or " +
    "KUBECONFIG to the stack's cluster."
  );
}

/** The Cluster that should be there: of an update of somebody else's, the provider returns that one's UID. */
function expected(olds: ClusterIdentityInputs | undefined, news: ClusterIdentityInputs): ClusterIdentityInputs {
  const isSame = olds?.namespace === news.namespace && olds.cluster === news.cluster && olds.uid !== "";
  return isSame ? { ...news, uid: olds.uid } : news;
}

function isKnown({ namespace, uid }: ClusterIdentityInputs): boolean {
  return ![namespace, uid].includes(UNKNOWN) && uid !== "";
}

export const clusterIdentityOperations = clusterIdentity();
