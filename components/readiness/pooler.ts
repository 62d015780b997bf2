/**
 * PoolerServing: whether a Pooler serves, and if not, why. CNPG's `status.phase: active` comes before any instance runs, and
 * a Pooler that cannot be made is told by nothing but its Cluster's status and the operator's log.
 */
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { Found, podReasons, Problem } from "./problem";
import { ReadinessInputs, readinessKind } from "./wait";

/** What the API server shows around a Pooler. */
export interface PoolerFacts {
  pooler?: KubernetesObject;
  cluster?: KubernetesObject;
  /** The operator's Deployment, of the Pooler's name. */
  deployment?: KubernetesObject;
  pods: KubernetesObject[];
}

interface DeploymentStatus {
  observedGeneration?: number;
  replicas?: number;
  updatedReplicas?: number;
  availableReplicas?: number;
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
}

/** What keeps a Pooler from serving with all its instances, with the operator's reasons; empty if it serves. */
export function poolerProblems({ pooler, cluster, deployment, pods }: PoolerFacts): Found[] {
  if (!pooler) return [GONE];
  const wanted = (pooler.spec?.instances as number | undefined) ?? 1;
  const status = (deployment?.status ?? {}) as DeploymentStatus;
  const current = deployment !== undefined && (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0);
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  const asWanted = (deployment?.spec?.replicas as number | undefined) === wanted;
  if (current && asWanted && [replicas, updatedReplicas, availableReplicas].every((count) => count === wanted))
    return [];
  return [
    deployment
      ? `${Math.min(availableReplicas, updatedReplicas)} of ${wanted} instances of PgBouncer serve`
      : "CloudNativePG made no Deployment for it",
    ...operatorReasons(pooler, "the Pooler"),
    ...operatorReasons(cluster, "the Cluster"),
    ...deploymentReasons(status),
    ...pods.flatMap(podReasons),
  ];
}

/** Nothing makes it again, so that nothing is waited for. */
const GONE: Problem = {
  text: "it does not exist",
  patience: 0,
  remedy:
    "If the kubeconfig leads to another Kubernetes cluster, correct kubernetes.context or KUBECONFIG. If the Pooler was " +
    "deleted by hand, `pulumi refresh` and then `pulumi up` make it again.",
};

/** `phase` and its reason, of a Pooler or Cluster that is not well. */
function operatorReasons(object: KubernetesObject | undefined, what: string): string[] {
  const { phase, phaseReason, error } = (object?.status ?? {}) as Record<string, string | undefined>;
  if (!phase || phase === "active" || phase === "Cluster in healthy state") return [];
  const reason = [phaseReason, error].filter(Boolean).join(", ");
  return [`CloudNativePG says of ${what}: ${phase}${reason ? ` (${reason})` : ""}`];
}

function deploymentReasons({ conditions = [] }: DeploymentStatus): string[] {
  return conditions
    .filter(({ type, status }) => type === "ReplicaFailure" && status === "True")
    .map(({ reason, message }) => `${reason}: ${message}`);
}

/** Inputs of a PoolerServing, and its state. */
export interface PoolerServingInputs extends ReadinessInputs {
  pooler: string;
  /** The Pooler's `metadata.uid`, and what was written to it: a change of either is waited for. */
  uid: string;
  written: string;
}

const CNPG = "postgresql.cnpg.io/v1";

async function factsOf(
  kubernetes: KubernetesClient,
  { namespace, pooler }: PoolerServingInputs,
  cluster: KubernetesObject | undefined,
): Promise<PoolerFacts> {
  const [poolerObject, deployment, pods] = await Promise.all([
    kubernetes.get({ apiVersion: CNPG, plural: "poolers", namespace, name: pooler }),
    kubernetes.get({ apiVersion: "apps/v1", plural: "deployments", namespace, name: pooler }),
    kubernetes.list({ apiVersion: "v1", plural: "pods", namespace }, `cnpg.io/poolerName=${pooler}`),
  ]);
  return { pooler: poolerObject, cluster, deployment, pods };
}

export const poolerServing = () =>
  readinessKind<PoolerServingInputs>({
    name: ({ namespace, pooler }) => `Pooler ${namespace}/${pooler}`,
    problems: async (kubernetes, inputs, cluster) => poolerProblems(await factsOf(kubernetes, inputs, cluster)),
  });
