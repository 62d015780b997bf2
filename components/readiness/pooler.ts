/**
 * PoolerServing: whether a Pooler is ready, and if not, why. CNPG sets `status.phase: active` before any instance runs. If a
 * Pooler cannot be created, only its Cluster's status and the operator's log show it.
 */
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { OWNER_LABEL } from "../owner-label";
import { RELOAD_ANNOTATION } from "../cnpg/pooler";
import { stringAt } from "../cnpg/spec";
import { ProblemOrText, podReasons, Problem } from "./reasons";
import { ReadinessInputs, readinessKind } from "./wait";

/** The objects of a Pooler. */
export interface PoolerFacts {
  pooler?: KubernetesObject;
  cluster?: KubernetesObject;
  /** The operator's Deployment, which has the Pooler's name. */
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

/** Why not all instances of a Pooler are ready, with the operator's reasons. Empty if they are. */
export function poolerProblems({ pooler, cluster, deployment, pods }: PoolerFacts): ProblemOrText[] {
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
      ? `${Math.min(availableReplicas, updatedReplicas)} of ${wanted} instances of PgBouncer are ready`
      : "CloudNativePG created no Deployment for it",
    ...operatorReasons(pooler, "the Pooler"),
    ...operatorReasons(cluster, "the Cluster"),
    ...deploymentReasons(status),
    ...pods.flatMap(podReasons),
  ];
}

/** Nothing recreates the Pooler, so there is nothing to wait for. */
const GONE: Problem = {
  text: "it does not exist",
  finalAfter: 0,
  remedy:
    "If the kubeconfig leads to another Kubernetes cluster, correct kubernetes.context or KUBECONFIG. If the Pooler was " +
    "deleted manually, `pulumi refresh` and then `pulumi up` create it again.",
};

/** `phase` and its reason, for a Pooler or Cluster that is not healthy. */
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
  /** The Pooler's `metadata.uid`, and what was written to it. A change of either starts a new wait. */
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

/**
 * Makes PgBouncer load changed certificates in Poolers of a Cluster that no stack declares, e.g. manual ones.
 *
 * @param certificates a digest of the certificates
 * @param isFirst PgBouncer loads them a second time later
 */
export async function reloadOtherPoolers(
  kubernetes: KubernetesClient,
  { namespace, cluster }: Pick<ReadinessInputs, "namespace" | "cluster">,
  certificates: string,
  isFirst: boolean,
): Promise<void> {
  const value = isFirst ? `${certificates}-first` : certificates;
  try {
    for (const { metadata, spec } of await kubernetes.list({ apiVersion: CNPG, plural: "poolers", namespace })) {
      const annotations = (metadata.annotations ?? {}) as Record<string, string>;
      const isDeclared = annotations[OWNER_LABEL] !== undefined;
      const isLoaded = [certificates, value].includes(annotations[RELOAD_ANNOTATION] ?? "");
      if (stringAt(spec, "cluster.name") !== cluster || isDeclared || isLoaded) continue;
      const fields = { metadata: { uid: metadata.uid, annotations: { [RELOAD_ANNOTATION]: value } } };
      await kubernetes.patch({ apiVersion: CNPG, plural: "poolers", namespace, name: metadata.name }, fields);
    }
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.failure !== "access-denied") throw error;
    console.error(`Warning: Poolers that no stack declares may not load changed certificates: ${error.message}`);
  }
}

export const poolerServing = () =>
  readinessKind<PoolerServingInputs>({
    name: ({ namespace, pooler }) => `Pooler ${namespace}/${pooler}`,
    problems: async (kubernetes, inputs, cluster) => poolerProblems(await factsOf(kubernetes, inputs, cluster)),
  });
