/**
 * Whether a Cluster has its role in a distributed topology: a replica cluster follows the other Cluster, and a primary cluster
 * accepts writes. CloudNativePG's status says neither.
 */
import { fencedInstances } from "../cnpg/stopped";
import type { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { printable } from "../message-limits";
import { rowsOf, sqlInInstance } from "../postgres/psql";
import { isUninitialized, reasonInLog } from "./initdb-failure";
import type { Problem, ProblemOrText } from "./reasons";

/** The role of a Cluster in its topology. */
export interface ExpectedRole {
  /** Name of the Cluster that it follows. Absent for the primary cluster. */
  follows?: string;
  /** Name of the archive that it restores. Absent if it only streams. */
  archiveName?: string;
  /** It streams from the other Cluster. */
  streams?: boolean;
}

/** A Cluster, and the role that it must have. */
interface RoleInputs {
  namespace: string;
  cluster: string;
  role?: ExpectedRole;
  /** Fenced instances, as declared. */
  fenced: readonly string[];
}

/** The phase in which CNPG 1.30 gives up. */
const UNRECOVERABLE = "Cluster is unrecoverable and needs manual intervention";
/** The container with the barman-cloud plugin in an instance's pod. */
const PLUGIN = "plugin-barman-cloud";
const POSTGRES = "postgres";

/** What is wrong with the role of a Cluster, whether or not its instances are ready. */
export async function transitionProblems(
  kubernetes: KubernetesClient,
  { namespace, role }: RoleInputs,
  cluster: KubernetesObject,
  pods: readonly KubernetesObject[],
): Promise<ProblemOrText[]> {
  if (!role) return [];
  const { currentPrimary, phase, phaseReason, switchReplicaClusterStatus } = statusOf(cluster);
  const log = async () => (await logOf(kubernetes, namespace, currentPrimary, POSTGRES)) ?? "";
  if (role.follows !== undefined) {
    const diverged = divergence(await log());
    return [
      ...(switchReplicaClusterStatus?.inProgress === true ? ["CloudNativePG is making it a replica cluster"] : []),
      ...(diverged === undefined ? [] : [hasDiverged(cluster, role.follows, diverged)]),
      ...(await failedCopies(kubernetes, namespace, cluster, pods)),
    ];
  }
  const isRefused = phase === UNRECOVERABLE && /promotion token/i.test(phaseReason ?? "");
  return isRefused ? [refusedToken(tokenProblem(await log()) ?? phaseReason ?? "")] : [];
}

/** What is wrong with the role of a Cluster whose instances are ready. Asks the primary, or the designated primary. */
export async function roleProblems(
  kubernetes: KubernetesClient,
  { namespace, role, fenced }: RoleInputs,
  cluster: KubernetesObject,
): Promise<ProblemOrText[]> {
  if (!role) return [];
  const { currentPrimary: pod } = statusOf(cluster);
  if (pod === undefined) return ["it has no primary yet"];
  if (fencedInstances(cluster).includes(pod))
    return fenced.includes(pod) || fenced.includes("*") ? [] : [`${pod} is fenced`];
  const { follows, archiveName, streams = false } = role;
  const sql = (query: string) => rowsInInstance(kubernetes, namespace, pod, query);
  if (follows === undefined) return (await sql(PRIMARY_QUERY)).map((line) => `${pod} ${line}`);
  const recovery = await sql(REPLICA_QUERY);
  if (recovery.length > 0) return recovery.map((line) => `${pod} ${line}`);
  if (streams && (await sql(STREAMING_QUERY)).length > 0) return [];
  if (archiveName !== undefined) {
    const log = await logOf(kubernetes, namespace, pod, PLUGIN);
    const problem = log === undefined ? undefined : restoreProblem(log, archiveName);
    if (problem === undefined) return [];
    if (!streams) return [`${pod} does not follow ${follows}: ${problem}`];
  }
  const reason = reasonInLog((await logOf(kubernetes, namespace, pod, POSTGRES)) ?? "");
  return [`${pod} does not stream from ${follows} yet${reason === undefined ? "" : `: ${reason}`}`];
}

interface Status {
  currentPrimary?: string;
  phase?: string;
  phaseReason?: string;
  switchReplicaClusterStatus?: { inProgress?: boolean };
}

function statusOf({ status = {} }: KubernetesObject): Status {
  return status;
}

const PRIMARY_QUERY = "SELECT 'does not accept writes yet' WHERE pg_is_in_recovery();";
/** PostgreSQL pauses the recovery if a parameter such as max_connections is lower than on the primary cluster. */
const REPLICA_QUERY = `SELECT 'still accepts writes' WHERE NOT pg_is_in_recovery();
SELECT 'has paused its recovery: see its log, and compare max_connections, max_worker_processes, max_wal_senders, ' ||
  'max_prepared_transactions and max_locks_per_transaction with the primary cluster'
WHERE CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END;`;
const STREAMING_QUERY = "SELECT status FROM pg_stat_wal_receiver WHERE status = 'streaming';";

async function rowsInInstance(
  kubernetes: KubernetesClient,
  namespace: string,
  pod: string,
  query: string,
): Promise<string[]> {
  try {
    const { code, stdout, stderr } = await sqlInInstance(kubernetes, namespace, pod, "postgres", query);
    return code === 0 ? rowsOf(stdout) : [`does not answer: ${printable(stderr.trim())}`];
  } catch (error) {
    if (error instanceof KubernetesError && error.failure !== "access-denied")
      return [`does not answer: ${error.message}`];
    throw error;
  }
}

/** The log of a container. Undefined if there is none, or if it may not be read. */
async function logOf(
  kubernetes: KubernetesClient,
  namespace: string,
  name: string | undefined,
  container: string,
): Promise<string | undefined> {
  try {
    return name && (await kubernetes.log({ namespace, name, container }));
  } catch (error) {
    if (error instanceof KubernetesError) return undefined;
    throw error;
  }
}

/** PostgreSQL's words for data that are not a continuation of the other Cluster's. They stay so for ever. */
const DIVERGED =
  /new timeline \d+ forked off current database system timeline \d+ before current recovery point [0-9A-F/]+|requested timeline \d+ is not a child of this server's history/g;

/** Why a Cluster cannot follow another, in PostgreSQL's words. Undefined if the log does not say so. */
export function divergence(log: string): string | undefined {
  return log.match(DIVERGED)?.at(-1);
}

/** In seconds. A new timeline may arrive a moment before the log that leads to it. */
const DIVERGED_AFTER = 15;

function hasDiverged({ metadata }: KubernetesObject, follows: string, reason: string): Problem {
  const { name, namespace } = metadata as { name: string; namespace?: string };
  return {
    text: `its data are not a part of the data of ${follows}, which it must follow: ${reason}`,
    finalAfter: DIVERGED_AFTER,
    remedy:
      `${follows} was promoted without this Cluster's demotion token. This Cluster must be created again with the data of ` +
      `${follows}; what was written only here is lost then. Run \`kubectl -n ${namespace ?? "<namespace>"} delete cluster ` +
      `${name}\`, \`pulumi refresh\` and \`pulumi up\`. See docs/replica.md, "Make the former primary cluster a replica cluster".`,
  };
}

/** Purposes of Jobs that copy the data of another Cluster. The container has the same name. */
const COPIES = ["full-recovery", "pgbasebackup"];

/** Why the data of the other Cluster could not be copied. */
async function failedCopies(
  kubernetes: KubernetesClient,
  namespace: string,
  cluster: KubernetesObject,
  pods: readonly KubernetesObject[],
): Promise<ProblemOrText[]> {
  if (!isUninitialized(cluster)) return [];
  const roleOf = ({ metadata }: KubernetesObject) =>
    (metadata.labels as Record<string, string> | undefined)?.["cnpg.io/jobRole"] ?? "";
  const failed = pods.filter((pod) => COPIES.includes(roleOf(pod)) && pod.status?.phase === "Failed");
  const [last] = failed.sort((one, other) =>
    String(one.metadata.creationTimestamp) < String(other.metadata.creationTimestamp) ? 1 : -1,
  );
  if (!last) return [];
  const { name } = last.metadata;
  const log = await logOf(kubernetes, namespace, name, roleOf(last));
  const reason = (log && reasonInLog(log)) ?? `see \`kubectl -n ${namespace} logs ${name}\``;
  return [
    `the copy of the data (${roleOf(last)}) failed ${failed.length === 1 ? "once" : `${failed.length} times`}: ${reason}`,
  ];
}

/** In seconds. A token that was just changed may still be compared. */
const TOKEN_REFUSED_AFTER = 10;

function refusedToken(reason: string): Problem {
  return {
    text: `CloudNativePG does not promote the Cluster with replica.promotionToken: ${printable(reason)}`,
    finalAfter: TOKEN_REFUSED_AFTER,
    remedy:
      "Set replica.promotionToken to the present demotion token of the former primary cluster (its output `replica`), and run " +
      "`pulumi up` again.",
  };
}

/** Why a promotion token does not fit, in the words of CloudNativePG's instance manager. */
export function tokenProblem(log: string): string | undefined {
  return [...log.matchAll(/"tokenStatus":"([^"]+)"/g)].at(-1)?.[1];
}

interface PluginLine {
  msg?: string;
  serverName?: string;
  error?: string;
}

/** How the plugin reports the end of a restore. At the end of an archive, the next file does not exist yet. */
const ENDED = /^(Restored WAL file|WAL file not found in the recovery object store|Failed restoring WAL file)/;

/** Why the plugin does not restore an archive, from its log. Undefined if it does, or waits for the next file in it. */
export function restoreProblem(log: string, archiveName: string): string | undefined {
  const lines = log.split("\n").flatMap(pluginLine);
  const request = lines.filter(({ msg }) => msg === "Restoring WAL file").at(-1);
  if (!request) return "the archive was not read yet";
  if (request.serverName !== archiveName) return `it still reads the archive ${printable(request.serverName ?? "")}`;
  // The end of the last restore. A restore that has only begun is judged by the one before.
  const ended = lines.filter(({ msg = "" }) => ENDED.test(msg)).at(-1);
  if (!ended) return "the archive was not read yet";
  return ended.error === undefined ? undefined : printable(`${ended.msg}: ${ended.error}`);
}

function pluginLine(line: string): PluginLine[] {
  try {
    return line.trim() === "" ? [] : [JSON.parse(line) as PluginLine];
  } catch {
    return [];
  }
}
