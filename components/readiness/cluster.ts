/**
 * Whether a Cluster serves what was written to it. CNPG's Ready condition says that instances answer, and not that
 * they took up a changed Secret or setting: a Cluster that is stuck for another reason keeps the old ones while its
 * status says that all instances are ready. So each instance is asked. Pure.
 */
import { rowsOf } from "../postgres/psql";
import { literal, textArray } from "../postgres/sql";
import { fencedInstances } from "../cnpg/sleep";
import { KubernetesObject } from "../kubernetes/client";
import { podReasons } from "./pod";
import type { Found, Problem } from "./problem";

/** What the instances are to serve. */
export interface ExpectedCluster {
  instances: number;
  /** SHA-256 of the server certificate's file, in hexadecimal. */
  serverCertificate: string;
  /** SHA-256 of the client-CA bundle's file. */
  clientCaBundle: string;
  /** Settings of postgresql.conf as declared. */
  parameters: Record<string, string>;
  /** Users that pg_hba.conf must let in by certificate. */
  certificateUsers: string[];
  /** The Cluster's spec and annotations, in any form that changes with them. */
  written: string;
  /** The image that instances are to run. Default: the operator's. */
  image?: string;
  /** Instances are to be hibernated. */
  hibernated?: boolean;
  /** Instances whose PostgreSQL is kept stopped. */
  fenced: string[];
  /** `primaryUpdateStrategy: supervised`: a restart of the primary waits for a person, and `up` does not. */
  supervised?: boolean;
}

/** `status.phase` of a Cluster that has nothing left to do. */
const HEALTHY = "Cluster in healthy state";
/** The phase in which a supervised update waits for its switchover. */
const WAITING_FOR_USER = "Waiting for user action";
/** The condition of a Cluster that is hibernated, named after the annotation. */
const HIBERNATION = "cnpg.io/hibernation";

interface ClusterStatus {
  phase?: string;
  phaseReason?: string;
  readyInstances?: number;
  conditions?: { type: string; status: string }[];
}

/** What the Cluster's status, and its pods', tell. */
export function clusterProblems(
  cluster: KubernetesObject | undefined,
  pods: readonly KubernetesObject[],
  { instances, supervised = false, image, hibernated = false }: ExpectedCluster,
): Found[] {
  if (!cluster) return [GONE];
  const { phase, phaseReason, readyInstances = 0, conditions = [] } = (cluster.status ?? {}) as ClusterStatus;
  if (hibernated) {
    const done = conditions.some(({ type, status }) => type === HIBERNATION && status === "True");
    return done ? [] : ["it is not hibernated yet"];
  }
  const problems: Found[] = [];
  if (phase === undefined) problems.push(unwatched(cluster));
  else if (phase !== HEALTHY && !(supervised && phase === WAITING_FOR_USER)) {
    problems.push(`CloudNativePG says: ${phase}${phaseReason ? ` (${phaseReason})` : ""}`);
  }
  // Somebody may have scaled or fenced it meanwhile: what the Cluster has now counts.
  const has = cluster.spec?.instances as number | undefined;
  const wanted = has === undefined ? instances : Math.max(0, has - fencedInstances(cluster).length);
  if (readyInstances !== wanted) problems.push(`${readyInstances} of ${wanted} instances are ready`);
  if (image !== undefined && !supervised) {
    const others = pods.filter((pod) => isInstance(pod) && imageOf(pod) !== image).map(({ metadata }) => metadata.name);
    if (others.length > 0) problems.push(`${others.join(", ")} does not run ${image} yet`);
  }
  return problems.length > 0 ? [...problems, ...pods.flatMap(podReasons)] : [];
}

/** Nothing makes it again, so that nothing is waited for. */
const GONE: Problem = {
  text: "it does not exist",
  patience: 0,
  remedy:
    "If the kubeconfig leads to another Kubernetes cluster, correct kubernetes.context or KUBECONFIG. If the Cluster was " +
    "deleted by hand, `pulumi refresh` and then `pulumi up` make it again, as an EMPTY database: its volumes were deleted " +
    "with it, so restore its data from a backup.",
};

/** An operator writes a phase within seconds. */
const UNWATCHED_AFTER = 60;

function unwatched({ metadata }: KubernetesObject): Problem {
  const namespace = String(metadata.namespace ?? "its namespace");
  return {
    text: "CloudNativePG has not begun to process it: it has no status",
    patience: UNWATCHED_AFTER,
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

/** Says in a line each what an instance does not serve. Works on standbys as well. */
export function instanceQuery(expected: ExpectedCluster): string {
  const { serverCertificate, clientCaBundle, parameters, certificateUsers, supervised } = expected;
  const file = (setting: string, digest: string, what: string) =>
    `SELECT ${literal(`has not the ${what} yet`)}
WHERE encode(sha256(pg_read_binary_file(current_setting(${literal(setting)}))), 'hex') <> ${literal(digest)};
SELECT ${literal(`has not loaded the ${what} yet`)}
WHERE pg_conf_load_time() < date_trunc('second', (pg_stat_file(current_setting(${literal(setting)}))).modification);`;
  const settings = Object.entries(parameters).map(
    ([name, value]) => `SELECT format('has not the setting %s = %s yet', ${literal(name)}, ${literal(value)})
WHERE ${literal(value)} IS DISTINCT FROM (
  SELECT setting FROM pg_file_settings WHERE lower(name) = lower(${literal(name)}) ORDER BY seqno DESC LIMIT 1);`,
  );
  return [
    "SET search_path = pg_catalog, pg_temp;",
    file("ssl_cert_file", serverCertificate, "server certificate"),
    file("ssl_ca_file", clientCaBundle, "client-CA bundle"),
    ...settings,
    ...(supervised ? [] : ["SELECT format('must restart for %s', name) FROM pg_settings WHERE pending_restart;"]),
    "SELECT format('refuses its pg_hba.conf: %s', error) FROM pg_hba_file_rules WHERE error IS NOT NULL;",
    `SELECT format('does not let %s in by certificate yet', wanted) FROM unnest(${textArray(certificateUsers)}) wanted
WHERE NOT EXISTS (SELECT FROM pg_hba_file_rules WHERE auth_method = 'cert' AND wanted = ANY (user_name));`,
  ].join("\n");
}

/** The lines that `instanceQuery` gave. */
export function instanceProblems(pod: string, output: string): string[] {
  return rowsOf(output).map((line) => `${pod} ${line}`);
}
