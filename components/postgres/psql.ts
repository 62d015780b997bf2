/** Runs SQL as PostgreSQL's superuser in the primary of a Cluster, over its local socket: no password, no network. */
import { randomBytes } from "node:crypto";
import { readOnlyReason } from "../cnpg/replica";
import { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { isUnavailable, KubernetesError } from "../kubernetes/errors";
import { pause, poll } from "../waiting";
import { literal, textArray } from "./sql";

/** Identifies a Cluster by name and UID. */
export interface ClusterReference {
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`. Nothing runs in another Cluster of the same name. */
  uid: string;
}

/** End of a row, from psql's `--record-separator-zero`, because names may contain line ends. */
const END_OF_ROW = "\0";
/** SQL about all databases runs in this one, which always exists. */
export const MAINTENANCE_DATABASE = "postgres";
/** CNPG's container in an instance's pod. */
const CONTAINER = "postgres";
/**
 * Errors during a switchover: for a moment, the primary is a standby or gone. If the connection ends during a script,
 * psql says that it "was lost". A script may run again, because it is one transaction, or its repetition has the same
 * result. The same applies if a table was dropped before the script reached it.
 */
const SWITCHOVER =
  /read-only transaction|recovery is in progress|the database system is (starting|shutting)|could not connect to server|connection to server (.* failed|was lost)|tuple concurrently (updated|deleted)|deadlock detected|relation "[^\n]*" does not exist|cache lookup failed for relation/;
/** 128 + SIGKILL: the kernel killed psql with its container. There is no message then. */
const KILLED = 137;
const RETRY_MS = 3_000;
/** Enough attempts for a primary that restarts. */
const RETRIES = 10;
/** How long it may take until another instance becomes the primary. */
const FAILOVER_MS = 150_000;
/** PostgreSQL's message if a lock was not available in time. */
const LOCK_TIMEOUT = /canceling statement due to lock timeout/;

/** The Cluster that has this name now. Undefined if there is none. */
export function findClusterByName(
  kubernetes: KubernetesClient,
  { namespace, cluster }: Omit<ClusterReference, "uid">,
): Promise<KubernetesObject | undefined> {
  return kubernetes.get({ apiVersion: "postgresql.cnpg.io/v1", plural: "clusters", namespace, name: cluster });
}

/** The Cluster. Undefined if it does not exist, or has another UID by now. */
export async function findCluster(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
): Promise<KubernetesObject | undefined> {
  const found = await findClusterByName(kubernetes, reference);
  return found?.metadata.uid === reference.uid ? found : undefined;
}

/** The Cluster. @throws KubernetesError "configuration" if the kubeconfig's cluster does not have it */
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

/** How to handle sessions that hold a lock that a script waits for. */
export interface LockHandling {
  /** Roles whose sessions are ended, so that they cannot block the change of their own rights. Default: none. */
  ends?: readonly string[];
  /** How long a script waits before the blocking sessions are looked up, in milliseconds. Default: 10 s. */
  lookAfter?: number;
}

/** Runs a script, and returns the rows of one column. @throws KubernetesError "command" with PostgreSQL's message */
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
      const message = stderr.trim().replace(/\s*\n\s*/g, "; ") || `psql ended with code ${code}, without a message`;
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
  const who = holders.length > 0 ? holders.join("; ") : "The session that holds the lock was not found. See pg_locks";
  return `${who}. Let it finish, or end it: run SELECT pg_terminate_backend(process) as the superuser. Then run the command again.`;
}

/** Runs a script. While it waits for a lock, looks up the sessions that hold it. */
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
    const query = lockHoldersQuery(session, ends);
    const { code, stdout } = await sqlInInstance(kubernetes, namespace, pod, MAINTENANCE_DATABASE, query);
    const found = code === 0 ? rowsOf(stdout) : [];
    if (found.length === 0) return;
    const isChanged = found.join() !== holders.join();
    holders = found;
    for (const holder of isChanged ? found : [])
      console.error(`${namespace}/${cluster} waits for a lock in ${database}. ${holder}`);
  };
  // This ends when the script ends, or if the lookup fails. Then no session is named.
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

/** The rows that a script printed. */
export function rowsOf(stdout: string): string[] {
  return stdout.split(END_OF_ROW).filter((row) => row !== "");
}

/**
 * Treats a pod that restarts like a primary that is gone for a moment. The same applies to a pod that no longer exists
 * (404) or has no node yet (400), while the Cluster's status still calls it the primary.
 */
function asUnreachable(error: unknown) {
  if (error instanceof KubernetesError && (isUnavailable(error) || error.failure === "failed"))
    return unreachable((error as Error).message);
  throw error;
}

function unreachable(why: string) {
  return { code: -1, stdout: "", stderr: `could not connect to server: ${why}` };
}

/**
 * Runs a command with libpq's PGOPTIONS, so that no setting of a database can prevent a session, or end it before the script
 * sets its own values. `transaction_timeout` exists since PostgreSQL 17, and psql has the server's version.
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
  // Options of the connection override what the owner of the database set for every session.
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
    // Pass the database as a variable: as an argument, a name that contains "=" would be a connection string.
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

/** Refuses an import: objects in a Cluster are created from the settings. @throws KubernetesError "failed" */
export function refuseImport<State extends ClusterReference>(
  state: State | undefined,
  id: string,
): asserts state is State {
  if (!state?.cluster)
    throw new KubernetesError("failed", `${id} cannot be imported. Run \`pulumi up\`, which creates it.`);
}

/** Does `work`, which writes to the database. If the database accepts no writes, prints what is left, and does not wait. */
export async function removeIfRunning(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  left: string,
  work: () => Promise<unknown>,
): Promise<void> {
  let cluster = await findCluster(kubernetes, reference);
  try {
    if (cluster && readOnlyReason(cluster) === undefined) {
      await work();
      return;
    }
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    cluster = await findCluster(kubernetes, reference);
    if (hasReadyInstance(cluster)) throw error;
  }
  if (!cluster) return;
  const why = readOnlyReason(cluster) ?? "does not run";
  console.error(`${reference.namespace}/${reference.cluster} ${why}. This could not be removed from it: ${left}.`);
}

/**
 * Why nothing can be written to the Cluster: it is hibernated or fenced, or a replica cluster. The end of a sentence that begins
 * with its name. Undefined if it accepts writes, or if it does not exist, which the next step reports.
 */
export async function findReadOnlyReason(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
): Promise<string | undefined> {
  const cluster = await findCluster(kubernetes, reference);
  return cluster && readOnlyReason(cluster);
}

/** Prints what is left undone in a Cluster that accepts no writes. */
export function warnSkipped({ namespace, cluster }: ClusterReference, reason: string, left: string): void {
  console.error(
    `Warning: ${namespace}/${cluster} ${reason}. Skipped until the first \`pulumi up\` after it accepts writes again: ${left}.`,
  );
}

/** Whether an instance is ready. */
export function hasReadyInstance(cluster: { status?: Record<string, unknown> } | undefined): boolean {
  return Number(cluster?.status?.readyInstances ?? 0) > 0;
}

/**
 * Returns a line for each session that blocks the session with this `application_name`. Ends blocking sessions of the
 * roles in `ends`. A prepared transaction has no session.
 */
function lockHoldersQuery(session: string, ends: readonly string[]): string {
  return `\\set ON_ERROR_STOP on
SET search_path = pg_catalog, pg_temp;
SELECT CASE
  WHEN holder.pid IS NULL THEN 'A prepared transaction (see pg_prepared_xacts) holds the lock'
  ELSE format('The lock is held by process %s of the user %s in the database %s (application %s, %s, its transaction began at %s)%s',
    holder.pid, coalesce(holder.usename, '?'), coalesce(holder.datname, '?'),
    coalesce(nullif(holder.application_name, ''), 'without a name'), coalesce(holder.state, holder.backend_type),
    coalesce(to_char(holder.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '?'),
    CASE WHEN holder.usename = ANY (${textArray(ends)}) AND pg_terminate_backend(holder.pid)
      THEN '; this session was ended, because it blocked the change of the rights of its own user' ELSE '' END)
  END
FROM pg_stat_activity waiting, unnest(pg_blocking_pids(waiting.pid)) blocking (pid)
  LEFT JOIN pg_stat_activity holder ON holder.pid = blocking.pid
WHERE waiting.application_name = ${literal(session)};`;
}
