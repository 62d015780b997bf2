/**
 * ClusterServing: whether a Cluster runs as it was written. CNPG's Ready condition only says that instances answer, not
 * that they use a changed Secret or setting. A Cluster that is stuck for another reason keeps the old ones, while its
 * status says that all instances are ready. So each instance is asked.
 */
import { ClusterReference, rowsOf, sqlInInstance } from "../postgres/psql";
import { literal, textArray } from "../postgres/sql";
import { fencedInstances, fencingReason, hibernationReason } from "../cnpg/stopped";
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { poll } from "../waiting";
import type { ResourceKind } from "../dynamic/converge";
import {
  Attempts,
  failedAttempts,
  mayRestartInitdb,
  pausedRecovery,
  reasonInLog,
  RECOVERY,
  recoveringPod,
} from "./initdb-failure";
import { reloadOtherPoolers } from "./pooler";
import { ProblemOrText, podReasons, Problem } from "./reasons";
import { failedUpgrade, MAJOR_UPGRADE, upgradeProblem } from "./upgrade-failure";
import { ExpectedRole, roleProblems, transitionProblems } from "./replica";
import { unexpandedStorageClasses, volumeProblems } from "./volumes";
import { Connect, ReadinessInputs, readinessKind, ReadinessTiming } from "./wait";

/** The expected state of a Cluster. */
export interface ExpectedCluster {
  instances: number;
  /** SHA-256 of the server certificate's file, in hexadecimal. */
  serverCertificate: string;
  /** SHA-256 of the client-CA bundle's file. */
  clientCaBundle: string;
  /** Declared settings of postgresql.conf. */
  parameters: Record<string, string>;
  /** Users for which pg_hba.conf must accept certificates. */
  certificateUsers: string[];
  /** The Cluster's spec and annotations, in any form that changes with them. */
  written: string;
  /** The image of the instances. Default: the operator's. */
  image?: string;
  /** The Cluster must be hibernated. */
  hibernated?: boolean;
  /** Fenced instances. */
  fenced: string[];
  /** `primaryUpdateStrategy: supervised`: a restart of the primary waits for a person. `up` does not wait for it. */
  supervised?: boolean;
  /** The Cluster's role in a distributed topology. Absent if it belongs to none. */
  role?: ExpectedRole;
}

/** `status.phase` if the operator has nothing left to do. */
export const HEALTHY = "Cluster in healthy state";
/** `status.phase` while a supervised update waits for its switchover. */
const WAITING_FOR_USER = "Waiting for user action";
/** The condition of a hibernated Cluster. It has the annotation's name. */
const HIBERNATION = "cnpg.io/hibernation";

interface ClusterStatus {
  phase?: string;
  phaseReason?: string;
  readyInstances?: number;
  conditions?: { type: string; status: string }[];
}

/** The problems in the status of the Cluster and its pods. */
export function clusterProblems(
  cluster: KubernetesObject | undefined,
  pods: readonly KubernetesObject[],
  { instances, supervised = false, image, hibernated = false }: ExpectedCluster,
): ProblemOrText[] {
  if (!cluster) return [GONE];
  const { phase, phaseReason, readyInstances = 0, conditions = [] } = (cluster.status ?? {}) as ClusterStatus;
  if (hibernated) {
    const done = conditions.some(({ type, status }) => type === HIBERNATION && status === "True");
    return done ? [] : ["it is not hibernated yet"];
  }
  const problems: ProblemOrText[] = [];
  if (phase === undefined) problems.push(unwatched(cluster));
  else if (phase !== HEALTHY && !(supervised && phase === WAITING_FOR_USER)) {
    problems.push(`CloudNativePG says: ${phase}${phaseReason ? ` (${phaseReason})` : ""}`);
  }
  // Somebody may have scaled or fenced the Cluster meanwhile, so its present number counts.
  const has = cluster.spec?.instances as number | undefined;
  const wanted = has === undefined ? instances : Math.max(0, has - fencedInstances(cluster).length);
  if (readyInstances !== wanted) problems.push(`${readyInstances} of ${wanted} instances are ready`);
  if (image !== undefined && !supervised) {
    const others = pods.filter((pod) => isInstance(pod) && imageOf(pod) !== image).map(({ metadata }) => metadata.name);
    if (others.length > 0) problems.push(`${others.join(", ")} does not run ${image} yet`);
  }
  return problems.length > 0 ? [...problems, ...pods.flatMap(podReasons)] : [];
}

/** Nothing recreates the Cluster, so there is nothing to wait for. */
const GONE: Problem = {
  text: "it does not exist",
  finalAfter: 0,
  remedy:
    "If the kubeconfig leads to another Kubernetes cluster, correct kubernetes.context or KUBECONFIG. If the Cluster was " +
    "deleted manually, `pulumi refresh` and then `pulumi up` create it again, as an EMPTY database: its volumes were deleted " +
    'with it. To begin with the data of a backup, set recovery before: docs/backup.md, "Recover a lost database".',
};

/** In seconds. A running operator writes a phase within seconds. */
const UNWATCHED_AFTER = 60;

function unwatched({ metadata }: KubernetesObject): Problem {
  const namespace = String(metadata.namespace ?? "its namespace");
  return {
    text: "CloudNativePG has not begun to process it: it has no status",
    finalAfter: UNWATCHED_AFTER,
    remedy:
      `The operator does not run, or does not watch ${namespace}. Check \`kubectl get deployments --all-namespaces ` +
      "--selector=app.kubernetes.io/name=cloudnative-pg`, its log, and WATCH_NAMESPACE in its environment or ConfigMap. " +
      "Then run `pulumi up` again.",
  };
}

/** Jobs and Poolers have pods as well. */
function isInstance({ metadata }: KubernetesObject): boolean {
  return (metadata.labels as Record<string, string> | undefined)?.["cnpg.io/podRole"] === "instance";
}

function imageOf({ spec }: KubernetesObject): string | undefined {
  const { containers = [] } = (spec ?? {}) as { containers?: { name: string; image: string }[] };
  return containers.find(({ name }) => name === "postgres")?.image;
}

/** Returns one line for each difference of an instance. Also works on standbys. */
export function instanceQuery(expected: ExpectedCluster): string {
  const { serverCertificate, clientCaBundle, parameters, certificateUsers, supervised } = expected;
  const file = (setting: string, digest: string, what: string) =>
    `SELECT ${literal(`does not have the ${what} yet`)}
WHERE encode(sha256(pg_read_binary_file(current_setting(${literal(setting)}))), 'hex') <> ${literal(digest)};
SELECT ${literal(`has not loaded the ${what} yet`)}
WHERE pg_conf_load_time() < date_trunc('second', (pg_stat_file(current_setting(${literal(setting)}))).modification);`;
  const settings = Object.entries(parameters).map(
    ([name, value]) => `SELECT format('does not have the setting %s = %s yet', ${literal(name)}, ${literal(value)})
WHERE ${literal(value)} IS DISTINCT FROM (
  SELECT setting FROM pg_file_settings WHERE lower(name) = lower(${literal(name)}) ORDER BY seqno DESC LIMIT 1);`,
  );
  return [
    "SET search_path = pg_catalog, pg_temp;",
    file("ssl_cert_file", serverCertificate, "server certificate"),
    file("ssl_ca_file", clientCaBundle, "client-CA bundle"),
    ...settings,
    ...(supervised ? [] : ["SELECT format('must restart for %s', name) FROM pg_settings WHERE pending_restart;"]),
    "SELECT format('cannot load its pg_hba.conf: %s', error) FROM pg_hba_file_rules WHERE error IS NOT NULL;",
    `SELECT format('does not accept certificates for %s yet', wanted) FROM unnest(${textArray(certificateUsers)}) wanted
WHERE NOT EXISTS (SELECT FROM pg_hba_file_rules WHERE auth_method = 'cert' AND wanted = ANY (user_name));`,
  ].join("\n");
}

/** The lines of `instanceQuery`, with the pod's name. */
export function instanceProblems(pod: string, output: string): string[] {
  return rowsOf(output).map((line) => `${pod} ${line}`);
}

/** Inputs of a ClusterServing, and its state. */
export type ClusterServingInputs = ReadinessInputs & ClusterReference & ExpectedCluster;

/** What is not yet as written: in the Cluster's status and volumes, and if these are as written, in each instance. */
export async function clusterServingProblems(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
  found: KubernetesObject | undefined,
): Promise<ProblemOrText[]> {
  // A Cluster with another UID is another Cluster.
  const cluster = found?.metadata.uid === inputs.uid ? found : undefined;
  const pods = await podsOf(kubernetes, inputs);
  const state = clusterProblems(cluster, pods, inputs);
  if (inputs.hibernated || !cluster) return state;
  const attempts = failedAttempts(cluster, pods);
  const initdb = attempts ? [await initdbProblem(kubernetes, inputs, attempts)] : [];
  const recovery = await recoveryProblem(kubernetes, inputs, recoveringPod(pods));
  const upgrade = await failedUpgradeProblem(kubernetes, inputs, cluster, failedUpgrade(pods));
  const transition = await transitionProblems(kubernetes, inputs, cluster, pods);
  const problems = [
    ...[...initdb, ...recovery, ...upgrade, ...transition, ...state],
    ...(await volumes(kubernetes, inputs, cluster)),
  ];
  if (problems.length > 0) return problems;
  const fenced = fencedInstances(cluster);
  const serving = ((cluster.status?.instanceNames ?? []) as string[]).filter((pod) => !fenced.includes(pod));
  const ofInstances = (await Promise.all(serving.map((pod) => instance(kubernetes, inputs, pod)))).flat();
  return [...ofInstances, ...(await roleProblems(kubernetes, inputs, cluster))];
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
    // A restarting pod is not a reason to fail before the time limit. A missing right is.
    if (error instanceof KubernetesError && error.failure !== "access-denied") return [`${pod}: ${error.message}`];
    throw error;
  }
}

/** Clients for which a warning about a missing right was printed. */
const warned = new WeakSet<KubernetesClient>();

/** Claims that are too small. Only a warning if they may not be read, because earlier versions did not need this right. */
async function volumes(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
  cluster: KubernetesObject,
): Promise<Problem[]> {
  const found = await readVolumes(kubernetes, inputs, cluster);
  if (found === undefined) {
    if (!warned.has(kubernetes))
      console.error(
        `Warning: the size of the volumes of ${inputs.namespace}/${inputs.cluster} could not be checked. Give the kubeconfig's user the right \`list\` on persistentvolumeclaims.`,
      );
    warned.add(kubernetes);
    return [];
  }
  return volumeProblems(cluster, found.claims, found.expands);
}

/** What is known of the volumes of a Cluster. */
interface Volumes {
  claims: KubernetesObject[];
  /** Whether volumes of a storage class may grow. Undefined if this is unknown, or if none of them needs to. */
  expands: (storageClass: string) => boolean | undefined;
}

/** Reads the claims of a Cluster, and the storage classes of those that are too small. Undefined if they may not be read. */
export async function readVolumes(
  kubernetes: KubernetesClient,
  reference: { namespace: string; cluster: string },
  cluster: KubernetesObject,
): Promise<Volumes | undefined> {
  const claims = await ifAllowed(() => claimsOf(kubernetes, reference));
  if (claims === undefined) return undefined;
  const expands = new Map<string, boolean>();
  for (const name of unexpandedStorageClasses(cluster, claims)) {
    const reference = { apiVersion: "storage.k8s.io/v1", plural: "storageclasses", namespace: "", name };
    const found = await ifAllowed(() => kubernetes.get(reference));
    if (found) expands.set(name, found.allowVolumeExpansion === true);
  }
  return { claims, expands: (name) => expands.get(name) };
}

function claimsOf(
  kubernetes: KubernetesClient,
  { namespace, cluster }: { namespace: string; cluster: string },
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

/** Why a recovery does not end. */
async function recoveryProblem(
  kubernetes: KubernetesClient,
  { namespace, cluster }: ClusterServingInputs,
  pod: string | undefined,
): Promise<Problem[]> {
  const log = pod && (await ifAllowed(() => kubernetes.log({ namespace, name: pod, container: RECOVERY })));
  const reason = log && pausedRecovery(log);
  if (!reason) return [];
  return [
    {
      text: `the recovery has paused for good: ${reason}`,
      finalAfter: 0,
      remedy:
        "Set this parameter to at least that value until the recovery is complete. Then delete the Cluster, which has no " +
        `data of its own yet (kubectl -n ${namespace} delete cluster ${cluster}), and run \`pulumi refresh\` and \`pulumi up\`.`,
    },
  ];
}

/** Why an upgrade to another major version failed. */
async function failedUpgradeProblem(
  kubernetes: KubernetesClient,
  { namespace }: ClusterServingInputs,
  cluster: KubernetesObject,
  pod: string | undefined,
): Promise<Problem[]> {
  if (pod === undefined) return [];
  const log = await ifAllowed(() => kubernetes.log({ namespace, name: pod, container: MAJOR_UPGRADE }));
  return [upgradeProblem(cluster, pod, log)];
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
    ...(isFinal ? { finalAfter: 0 } : {}),
    remedy:
      "There is no data yet. Correct initdb, or what it depends on, and run `pulumi up` again, which restarts it. " +
      "If the kubeconfig's user may not delete Jobs, run this before: " +
      `kubectl -n ${namespace} delete job ${job}`,
  };
}

/** Seconds to wait for the pods of a deleted Job, so that they are not confused with the pods of the next Job. */
const GONE_WITHIN = 30;

/** Deletes a failed Job, so that the operator starts again, if nothing was ever initialized. Does not touch volumes. */
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
    if (!job?.metadata.uid || !mayRestartInitdb(cluster, attempts, job, claims)) return "kept";
    await kubernetes.remove(reference, job.metadata.uid);
    return "removed";
  });
  if (removed !== "removed") return;
  console.error(
    `${attempts.container} of the Cluster ${namespace}/${inputs.cluster} failed in an earlier run, and is started again.`,
  );
  const names = attempts.failed.map(({ metadata }) => metadata.name);
  await poll(async ({ attempt }) => {
    if (attempt > GONE_WITHIN) return "still there";
    const left = failedAttempts(cluster, await podsOf(kubernetes, inputs));
    return left?.failed.some(({ metadata }) => names.includes(metadata.name)) ? undefined : "gone";
  }, 1_000);
}

/**
 * PgBouncer must trust the new CA when the instances show new certificates, so its Poolers load them when the wait begins. They
 * load them again at its end, in case that the operator had not seen the change of the Cluster before.
 */
async function reloadPoolers(
  kubernetes: KubernetesClient,
  inputs: ClusterServingInputs,
  isFirst: boolean,
): Promise<void> {
  const { serverCertificate, clientCaBundle, hibernated } = inputs;
  if (hibernated) return;
  await reloadOtherPoolers(kubernetes, inputs, `${serverCertificate}-${clientCaBundle}`, isFirst);
}

/** The kind of resource. `connect` reaches Kubernetes. */
export function clusterServing(
  connect?: Connect,
  timing?: Partial<ReadinessTiming>,
): ResourceKind<ClusterServingInputs> {
  return readinessKind<ClusterServingInputs>(
    {
      name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
      problems: clusterServingProblems,
      stopReason: (cluster, { hibernated }) => {
        const reason = hibernated ? undefined : hibernationReason(cluster);
        return reason && `is stopped: ${reason}`;
      },
      remark: (cluster, { fenced }) =>
        fencedInstances(cluster).every((name) => fenced.includes(name) || fenced.includes("*"))
          ? undefined
          : fencingReason(cluster),
      async begin(kubernetes, inputs, cluster) {
        await startAgain(kubernetes, inputs, cluster);
        await reloadPoolers(kubernetes, inputs, true);
      },
      end: (kubernetes, inputs) => reloadPoolers(kubernetes, inputs, false),
    },
    connect,
    timing,
  );
}
