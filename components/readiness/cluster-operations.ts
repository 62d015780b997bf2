/** What a ClusterServing waits for. */
import { setTimeout as pause } from "node:timers/promises";
import { ClusterReference, sqlInInstance } from "../postgres/psql";
import { fencedInstances, fencingReason, hibernationReason } from "../cnpg/sleep";
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { Attempts, failedAttempts, mayStartAgain, reasonInLog } from "./initdb-failure";
import { clusterProblems, ExpectedCluster, instanceProblems, instanceQuery } from "./cluster";
import type { Found, Problem } from "./problem";
import { Connect, servingOperations, ServingInputs, ServingTiming } from "./operations";
import { laggingClasses, volumeProblems } from "./volumes";

/** Inputs of a ClusterServing, and its state: what the instances are to serve. */
export type ClusterServingInputs = ServingInputs & ClusterReference & ExpectedCluster;

/** What is not yet as it was written: in the Cluster's status and its volumes, else in each instance. */
export async function clusterServingProblems(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
  found: KubernetesObject | undefined,
): Promise<Found[]> {
  // One of another UID is another one.
  const cluster = found?.metadata.uid === inputs.uid ? found : undefined;
  const pods = await podsOf(kubernetes, inputs);
  const state = clusterProblems(cluster, pods, inputs);
  if (inputs.hibernated || !cluster) return state;
  const attempts = failedAttempts(cluster, pods);
  const initdb = attempts ? [await initdbProblem(kubernetes, inputs, attempts)] : [];
  const problems = [...initdb, ...state, ...(await volumes(kubernetes, inputs, cluster))];
  if (problems.length > 0) return problems;
  const fenced = fencedInstances(cluster);
  const serving = ((cluster.status?.instanceNames ?? []) as string[]).filter((pod) => !fenced.includes(pod));
  return (await Promise.all(serving.map((pod) => instance(kubernetes, inputs, pod)))).flat();
}

function podsOf(
  kubernetes: KubernetesClient,
  { namespace, cluster }: ClusterServingInputs,
): Promise<KubernetesObject[]> {
  return kubernetes.list({ apiVersion: "v1", plural: "pods", namespace }, `cnpg.io/cluster=${cluster}`);
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

/** Those whose user was told of a missing right. */
const told = new WeakSet<KubernetesClient>();

/** Claims that are too small; nothing where they may not be read, which former versions did not need. */
async function volumes(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
  cluster: KubernetesObject,
): Promise<Problem[]> {
  const claims = await ifAllowed(() => claimsOf(kubernetes, inputs));
  if (claims === undefined) {
    if (!told.has(kubernetes))
      console.error(
        `Warning: the size of the volumes of ${inputs.namespace}/${inputs.cluster} could not be checked. Give the kubeconfig's user the right \`list\` on persistentvolumeclaims.`,
      );
    told.add(kubernetes);
    return [];
  }
  const expands = new Map<string, boolean>();
  for (const name of laggingClasses(cluster, claims)) {
    const reference = { apiVersion: "storage.k8s.io/v1", plural: "storageclasses", namespace: "", name };
    const found = await ifAllowed(() => kubernetes.get(reference));
    if (found) expands.set(name, found.allowVolumeExpansion === true);
  }
  return volumeProblems(cluster, claims, (name) => expands.get(name));
}

function claimsOf(
  kubernetes: KubernetesClient,
  { namespace, cluster }: ClusterServingInputs,
): Promise<KubernetesObject[]> {
  const kind = { apiVersion: "v1", plural: "persistentvolumeclaims", namespace };
  return kubernetes.list(kind, `cnpg.io/cluster=${cluster}`);
}

async function ifAllowed<Result>(ask: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof KubernetesError && error.failure === "access-denied") return undefined;
    throw error;
  }
}

async function initdbProblem(
  kubernetes: KubernetesClient,
  { namespace }: ClusterServingInputs,
  { job, container, failed, isFinal }: Attempts,
): Promise<Problem> {
  const name = failed.at(-1)?.metadata.name ?? "";
  const log = await ifAllowed(() => kubernetes.log({ namespace, name, container }));
  const reason = (log && reasonInLog(log)) ?? `see \`kubectl -n ${namespace} logs ${name}\``;
  return {
    text: `${container} failed ${failed.length === 1 ? "once" : `${failed.length} times`}: ${reason}`,
    ...(isFinal ? { patience: 0 } : {}),
    remedy:
      "There is no data yet. Correct initdb, or what it depends on, and run `pulumi up` again, which restarts it. " +
      "If the kubeconfig's user may not delete Jobs, run this before: " +
      `kubectl -n ${namespace} delete job ${job}`,
  };
}

/** Time for the pods of a Job that was deleted to go, so that they are not taken for those of the next. */
const GONE_WITHIN = 30;

/** Lets the operator begin again where nothing was ever initialized. Volumes are not touched. */
async function startAgain(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
  cluster: KubernetesObject | undefined,
): Promise<void> {
  const { namespace, uid } = inputs;
  const attempts =
    cluster?.metadata.uid === uid ? failedAttempts(cluster, await podsOf(kubernetes, inputs)) : undefined;
  if (!cluster || !attempts) return;
  const reference = { apiVersion: "batch/v1", plural: "jobs", namespace, name: attempts.job };
  const removed = await ifAllowed(async () => {
    const job = await kubernetes.get(reference);
    const claims = await claimsOf(kubernetes, inputs);
    if (!job?.metadata.uid || !mayStartAgain(cluster, attempts, job, claims)) return "kept";
    await kubernetes.remove(reference, job.metadata.uid);
    return "removed";
  });
  if (removed !== "removed") return;
  console.error(
    `${attempts.container} of the Cluster ${namespace}/${inputs.cluster} failed in an earlier run, and is started again.`,
  );
  for (let second = 0; second < GONE_WITHIN; second++) {
    const left = failedAttempts(cluster, await podsOf(kubernetes, inputs));
    const names = attempts.failed.map(({ metadata }) => metadata.name);
    if (!left?.failed.some(({ metadata }) => names.includes(metadata.name))) return;
    await pause(1_000);
  }
}

/** The operations over a way of reaching Kubernetes. */
export function clusterServing(connect?: Connect, timing?: Partial<ServingTiming>) {
  return servingOperations<ClusterServingInputs>(
    {
      name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
      problems: clusterServingProblems,
      sleep: (cluster, { hibernated }) => (hibernated ? undefined : hibernationReason(cluster)),
      remark: (cluster, { fenced }) =>
        fencedInstances(cluster).every((name) => fenced.includes(name) || fenced.includes("*"))
          ? undefined
          : fencingReason(cluster),
      begin: startAgain,
    },
    connect,
    timing,
  );
}

export const clusterServingOperations = clusterServing();
