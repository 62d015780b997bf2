/** What a ClusterServing waits for. */
import { ClusterReference, findCluster, sqlInInstance } from "../access/primary";
import { KubernetesClient } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { clusterProblems, ExpectedCluster, instanceProblems, instanceQuery } from "./cluster-state";
import { servingOperations, ServingInputs } from "./serving-operations";

/** Inputs of a ClusterServing, and its state: what the instances are to serve. */
export type ClusterServingInputs = ServingInputs & ClusterReference & ExpectedCluster;

/** What is not yet as it was written: in the Cluster's status, else in each instance. */
export async function clusterServingProblems(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
): Promise<string[]> {
  const cluster = await findCluster(kubernetes, inputs);
  const { namespace, cluster: name } = inputs;
  const pods = await kubernetes.list({ apiVersion: "v1", plural: "pods", namespace }, `cnpg.io/cluster=${name}`);
  const problems = clusterProblems(cluster, pods, inputs);
  if (problems.length > 0 || inputs.hibernated) return problems;
  const serving = ((cluster?.status?.instanceNames ?? []) as string[]).filter((pod) => !inputs.fenced.includes(pod));
  return (await Promise.all(serving.map((pod) => instance(kubernetes, inputs, pod)))).flat();
}

async function instance(kubernetes: KubernetesClient, inputs: ClusterServingInputs, pod: string): Promise<string[]> {
  try {
    const query = instanceQuery(inputs);
    const { code, stdout, stderr } = await sqlInInstance(kubernetes, inputs.namespace, pod, "postgres", query);
    return code === 0 ? instanceProblems(pod, stdout) : [`${pod}: ${stderr.trim()}`];
  } catch (error) {
    // A pod that restarts is no reason to give up before the time is over; a missing right is.
    if (error instanceof KubernetesError && error.failure !== "access-denied") return [`${pod}: ${error.message}`];
    throw error;
  }
}

export const clusterServingOperations = servingOperations<ClusterServingInputs>({
  name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
  problems: clusterServingProblems,
});
