/** What a PoolerServing waits for. */
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { PoolerFacts, poolerProblems } from "./pooler";
import { servingOperations, ServingInputs } from "./operations";

/** Inputs of a PoolerServing, and its state. */
export interface PoolerServingInputs extends ServingInputs {
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

export const poolerServingOperations = servingOperations<PoolerServingInputs>({
  name: ({ namespace, pooler }) => `Pooler ${namespace}/${pooler}`,
  problems: async (kubernetes, inputs, cluster) => poolerProblems(await factsOf(kubernetes, inputs, cluster)),
});
