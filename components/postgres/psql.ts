/** Runs SQL as PostgreSQL's superuser in the primary of a Cluster, over its local socket: no password, no network. */
import { randomBytes } from "node:crypto";
import { sleepReason } from "../cnpg/sleep";
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { isPassing, KubernetesError } from "../kubernetes/errors";
import { pause, poll } from "../waiting";
import { holdersQuery } from "./lock-holders";

/** Which Cluster, by name and by what tells it from another of the same name. */
export interface ClusterReference {
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`: nothing is run in a Cluster that is another one. */
  uid: string;
}

/** Names may hold line ends: rows end as psql's `--record-separator-zero` has it. */
const END_OF_ROW = "\0";
/** What concerns all databases is run here: it is there whatever becomes of the others. */
export const MAINTENANCE_DATABASE = "postgres";
/** CNPG's container in an instance's pod. */
const CONTAINER = "postgres";
/**
 * During a switchover a primary is a standby for some moments, or gone; psql says that the connection "was lost" where it
 * ends under a script. A script may run again: each is one transaction, or says the same twice. So may one that found a
 * table which was dropped before the script came to it.
 */
const SWITCHOVER =
  /read-only transaction|recovery is in progress|the database system is (starting|shutting)|could not connect to server|connection to server (.* failed|was lost)|tuple concurrently (updated|deleted)|deadlock detected|relation "[^\n]*" does not exist|cache lookup failed for relation/;
/** 128 + SIGKILL: the kernel ends psql with its container. It says nothing then. */
const KILLED = 137;
const RETRY_MS = 3_000;
/** Enough attempts for a primary that restarts. */
const RETRIES = 10;
/** How long it may take until another instance is the primary. */
const FAILOVER_MS = 150_000;
/** PostgreSQL's message where a lock was not had in time. */
const LOCK_TIMEOUT = /canceling statement due to lock timeout/;

/** The Cluster that has the name now; undefined if there is none. */
export function clusterNow(
  kubernetes: KubernetesClient,
  { namespace, cluster }: Omit<ClusterReference, "uid">,
): Promise<KubernetesObject | undefined> {
  return kubernetes.get({ apiVersion: "postgresql.cnpg.io/v1", plural: "clusters", namespace, name: cluster });
}

/** The Cluster; undefined if it is gone, or another one by now. */
export async function findCluster(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
): Promise<KubernetesObject | undefined> {
  const found = await clusterNow(kubernetes, reference);
  return found?.metadata.uid === reference.uid ? found : undefined;
}

/** The Cluster. @throws KubernetesError "configuration" if the kubeconfig leads to a cluster that lacks it */
export async function mustFindCluster(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
): Promise<KubernetesObject> {
  const found = await findCluster(kubernetes, reference);
  if (found) return found;
  throw new KubernetesError(
    "configuration",
    `The Cluster ${reference.namespace}/${reference.cluster} that Pulumi's Kubernetes provider made is not in the cluster that the kubeconfig's context leads to. Set kubernetes.context (or KUBECONFIG) to the provider's cluster.`,
  );
}

/** What is done about sessions that hold a lock that a script waits for. */
export interface LockHandling {
  /** Roles whose sessions are ended then: they must not keep their own rights from being changed. Default: none. */
  ends?: readonly string[];
  /** How long a script waits before it is looked for who holds it up, in milliseconds. Default: 10 s. */
  lookAfter?: number;
}

/** Rows of one column, or whatever psql prints. @throws KubernetesError "command" with PostgreSQL's message */
export async function sqlInPrimary(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  database: string,
  script: string,
  locks: LockHandling = {},
): Promise<string[]> {
  return poll(async ({ attempt, waited }) => {
    const found = await mustFindCluster(kubernetes, reference);
    const { status } = found;
    const pod = status?.currentPrimary as string | undefined;
    const { code, stdout, stderr, holders } = pod
      ? await sqlWithHolders(kubernetes, reference, pod, database, script, locks)
      : { ...unreachable("the Cluster has no primary"), holders: [] };
    if (code === 0) return rowsOf(stdout);
    const passes = SWITCHOVER.test(stderr) || code === KILLED;
    if (!passes || (attempt >= RETRIES && !(hasStandby(found) && waited() < FAILOVER_MS))) {
      const message = stderr.trim().replace(/\s*\n\s*/g, "; ") || `psql ended with ${code}, and said nothing`;
      const held = LOCK_TIMEOUT.test(stderr) ? `. ${heldBy(holders)}` : "";
      throw new KubernetesError(
        "command",
        `SQL in database ${database} of ${reference.namespace}/${reference.cluster} failed: ${message}${held}`,
      );
    }
    return undefined;
  }, RETRY_MS);
}

/** Whether another instance can become the primary. */
function hasStandby({ status }: KubernetesObject): boolean {
  const { healthy = [] } = (status?.instancesStatus ?? {}) as { healthy?: string[] };
  return healthy.some((instance) => instance !== status?.currentPrimary);
}

function heldBy(holders: readonly string[]): string {
  const who = holders.length > 0 ? holders.join("; ") : "The session that holds the lock was not found; see pg_locks";
  return `${who}. Let it finish, or end it: run SELECT pg_terminate_backend(process) as the superuser. Then run the command again.`;
}

/** Runs a script; while it waits for a lock, sees who holds it. */
async function sqlWithHolders(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  pod: string,
  database: string,
  script: string,
  { ends = [], lookAfter = 10_000 }: LockHandling,
) {
  const { namespace, cluster } = reference;
  const session = `cnpg-teleport ${randomBytes(8).toString("hex")}`;
  const over = new AbortController();
  let holders: string[] = [];
  const look = async () => {
    const query = holdersQuery(session, ends);
    const { code, stdout } = await sqlInInstance(kubernetes, namespace, pod, MAINTENANCE_DATABASE, query);
    const found = code === 0 ? rowsOf(stdout) : [];
    if (found.length === 0) return;
    const isNews = found.join() !== holders.join();
    holders = found;
    for (const holder of isNews ? found : [])
      console.error(`${namespace}/${cluster} waits for a lock in ${database}. ${holder}`);
  };
  // What ends it is that the script is over, or that it cannot be looked at: then nobody is named.
  const looking = pause(lookAfter, over.signal)
    .then(() => poll(look, lookAfter, over.signal))
    .catch(() => undefined);
  try {
    const end = await sqlInInstance(kubernetes, namespace, pod, database, script, session).catch(asUnreachable);
    return { ...end, holders };
  } finally {
    over.abort();
    await looking;
  }
}

/** What a script printed. */
export function rowsOf(stdout: string): string[] {
  return stdout.split(END_OF_ROW).filter((row) => row !== "");
}

/**
 * A pod that restarts is as a primary that is gone for some moments, and so is one that is no more (404) or has no node
 * yet (400), while the Cluster's status still calls it the primary.
 */
function asUnreachable(error: unknown) {
  if (error instanceof KubernetesError && (isPassing(error) || error.failure === "failed"))
    return unreachable((error as Error).message);
  throw error;
}

function unreachable(why: string) {
  return { code: -1, stdout: "", stderr: `could not connect to server: ${why}` };
}

/**
 * Runs a command with libpq's PGOPTIONS, so that no setting of a database keeps a session from beginning, or ends it before
 * the script's own settings hold. `transaction_timeout` came with PostgreSQL 17, and psql is of the server's version.
 */
const WITH_OPTIONS = `options="-c local_preload_libraries= -c statement_timeout=0 -c standard_conforming_strings=on"
version=$(psql --version)
version=\${version##*PostgreSQL\\) }
[ "\${version%%[!0-9]*}" -lt 17 ] || options="$options -c transaction_timeout=0"
export PGOPTIONS="$options"
exec "$@"`;

/** Runs a script in one instance, which may be a standby. */
export function sqlInInstance(
  kubernetes: KubernetesClient,
  namespace: string,
  pod: string,
  database: string,
  script: string,
  session = "cnpg-teleport",
) {
  // Options of the connection come before what the owner of the database set for every session of it.
  const psql = [
    "sh",
    "-c",
    WITH_OPTIONS,
    "psql",
    "psql",
    "--no-psqlrc",
    "--quiet",
    "--tuples-only",
    "--no-align",
    "--record-separator-zero",
    "--username=postgres",
  ];
  return kubernetes.exec({
    namespace,
    pod,
    container: CONTAINER,
    // The database by a variable: as an argument, a name with "=" in it would be a connection string.
    command: [
      "env",
      `PGDATABASE=${database}`,
      `PGAPPNAME=${session}`,
      "PGCLIENTENCODING=UTF8",
      ...psql,
      "--set=ON_ERROR_STOP=1",
    ],
    input: `${script}\n\\q\n`,
  });
}

/** What is in a Cluster is made from the settings, and not imported. @throws KubernetesError "failed" */
export function refuseImport<State extends ClusterReference>(
  state: State | undefined,
  id: string,
): asserts state is State {
  if (!state?.cluster) throw new KubernetesError("failed", `${id} cannot be imported; \`pulumi up\` makes it anew.`);
}

/** Does what needs a running database. Where it does not run, that is said, and nothing waits for it. */
export async function unlessStopped(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  left: string,
  work: () => Promise<void>,
): Promise<void> {
  let cluster = await findCluster(kubernetes, reference);
  try {
    if (cluster && sleepReason(cluster) === undefined) return await work();
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    cluster = await findCluster(kubernetes, reference);
    if (isServing(cluster)) throw error;
  }
  if (!cluster) return;
  const reason = sleepReason(cluster);
  const why = reason === undefined ? "does not run" : `sleeps: ${reason}`;
  console.error(`${reference.namespace}/${reference.cluster} ${why}. This could not be removed from it: ${left}.`);
}

/**
 * Why nothing can be done in the primary, by somebody's wish; undefined where it can, or the Cluster is gone, which is
 * told by what comes then.
 */
export async function asleep(kubernetes: KubernetesClient, reference: ClusterReference): Promise<string | undefined> {
  const cluster = await findCluster(kubernetes, reference);
  return cluster && sleepReason(cluster);
}

/** Says that something is left undone in a Cluster that sleeps. */
export function sayLeft({ namespace, cluster }: ClusterReference, reason: string, left: string): void {
  console.error(
    `Warning: ${namespace}/${cluster} sleeps: ${reason}. Skipped until the first \`pulumi up\` after it wakes up: ${left}.`,
  );
}

/** Whether an instance answers. */
export function isServing(cluster: { status?: Record<string, unknown> } | undefined): boolean {
  return Number(cluster?.status?.readyInstances ?? 0) > 0;
}
