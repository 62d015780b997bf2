/** ReplicaStatus: what CloudNativePG says of a Cluster that has its role in a distributed topology. */
import type { ResourceKind } from "../dynamic/converge";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { ClusterReference, mustFindCluster } from "../postgres/psql";

/** Inputs of a ReplicaStatus. */
export interface ReplicaStatusInputs extends KubernetesConnection, ClusterReference {
  /** The Cluster that it follows. Absent for the primary cluster. */
  follows?: string;
}

/** The stored state. */
export interface ReplicaStatusState extends ReplicaStatusInputs {
  /** PostgreSQL's system identifier. */
  systemId: string;
  /** The token for the promotion of another Cluster. Empty if this Cluster was not demoted. */
  demotionToken: string;
}

/** The kind of resource. The parameter is the way to reach Kubernetes. */
export function replicaStatus(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
): ResourceKind<ReplicaStatusInputs, ReplicaStatusState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,
    declared: ({ context, namespace, cluster, uid, follows }) => [context, namespace, cluster, uid, follows],
    async apply(inputs) {
      const { status = {} } = await mustFindCluster(await connect(inputs), inputs);
      const { systemID: systemId, demotionToken = "" } = status as { systemID?: string; demotionToken?: string };
      if (!systemId) {
        throw new KubernetesError(
          "failed",
          `The status of the Cluster ${inputs.namespace}/${inputs.cluster} has no systemID. Run \`pulumi up\` again.`,
        );
      }
      return { ...inputs, systemId, demotionToken };
    },
  };
}
