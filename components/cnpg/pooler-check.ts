/** Checks Poolers, before the operator's webhook would refuse them. Pure. */
import { SettingProblem } from "../problems";
import { secretNames } from "./names";
import { DEFAULT_POOLER_INSTANCES, poolerSecretName, PoolerSettings } from "./pooler";

const DNS_1035 = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** The PgBouncer settings that CNPG allows (pooler_webhook.go). CNPG sets all others itself. */
const PARAMETERS = new Set(
  (
    "auth_type application_name_add_host autodb_idle_timeout cancel_wait_timeout client_idle_timeout " +
    "client_login_timeout client_tls_sslmode default_pool_size disable_pqexec dns_max_ttl dns_nxdomain_ttl idle_transaction_timeout " +
    "ignore_startup_parameters listen_backlog log_connections log_disconnections log_pooler_errors log_stats max_client_conn " +
    "max_db_connections max_packet_size max_prepared_statements max_user_connections min_pool_size pkt_buf query_timeout " +
    "query_wait_timeout reserve_pool_size reserve_pool_timeout sbuf_loopcnt server_check_delay server_check_query " +
    "server_connect_timeout server_fast_close server_idle_timeout server_lifetime server_login_retry server_reset_query " +
    "server_reset_query_always server_round_robin server_tls_ciphers server_tls_protocols server_tls_sslmode stats_period suspend_timeout tcp_defer_accept " +
    "tcp_keepalive tcp_keepcnt tcp_keepidle tcp_keepintvl tcp_socket_buffer tcp_user_timeout track_extra_parameters verbose"
  ).split(" "),
);

/** What else the checks depend on. */
export interface PoolerContext {
  /** The Cluster has a standby. */
  hasStandby?: boolean;
  /** Services of the Cluster that CloudNativePG does not create. */
  disabledServices?: readonly string[];
}

/** A Pooler and its name. */
interface NamedPooler {
  name: string;
  settings: PoolerSettings;
}

/** Returns every problem with the Poolers of a Cluster. */
export function checkPoolers(
  path: string,
  cluster: string,
  poolers: readonly NamedPooler[],
  context: PoolerContext = {},
): SettingProblem[] {
  return poolers.flatMap((pooler, index) => [
    ...checkPooler(`${path}[${index}]`, cluster, pooler, poolers.slice(0, index)),
    ...checkType(`${path}[${index}].type`, pooler.settings, context),
  ]);
}

/** PgBouncer connects to the instances through the Service of its type. */
function checkType(
  setting: string,
  { type }: PoolerSettings,
  { hasStandby = true, disabledServices = [] }: PoolerContext,
): SettingProblem[] {
  if (type === "ro" && !hasStandby) {
    const fix = "Use type: r or rw, or instances: 2 or more in the database.";
    return [{ setting, value: type, problem: "connects to standbys, but the database has only one instance", fix }];
  }
  if (!disabledServices.includes(type)) return [];
  const problem = "needs a Service of the Cluster that spec.managed.services.disabledDefaultServices disables";
  return [{ setting, value: type, problem, fix: `Remove ${type} from spec.managed.services.disabledDefaultServices.` }];
}

function checkPooler(
  path: string,
  cluster: string,
  { name, settings: pooler }: NamedPooler,
  before: readonly NamedPooler[],
): SettingProblem[] {
  const instances = pooler.instances ?? DEFAULT_POOLER_INSTANCES;
  const wrong = (setting: string, value: unknown, problem: string, fix: string): SettingProblem => ({
    setting: `${path}.${setting}`,
    value,
    problem,
    fix,
  });
  const problems: SettingProblem[] = Object.keys(pooler.parameters ?? {})
    .filter((parameter) => !PARAMETERS.has(parameter))
    .map((parameter) =>
      wrong(
        `parameters.${parameter}`,
        undefined,
        "is not a PgBouncer setting that CloudNativePG allows",
        "Remove it. CloudNativePG's documentation of the Pooler lists the allowed settings.",
      ),
    );
  if (!DNS_1035.test(name)) {
    problems.push(
      wrong(
        "name",
        name,
        "is not a valid name of a Service",
        "Set name to at most 63 lower-case letters, digits and hyphens that begin with a letter.",
      ),
    );
  }
  if (name === cluster || (/^-(rw|ro|r)$/.test(name.slice(cluster.length)) && name.startsWith(cluster))) {
    problems.push(
      wrong(
        "name",
        name,
        "is already the name of the Cluster or one of its Services",
        "Choose another name, e.g. pooler-<cluster>-rw.",
      ),
    );
  }
  if (Object.values(secretNames(cluster)).includes(poolerSecretName(name))) {
    problems.push(
      wrong(
        "name",
        name,
        "would use the name of a Secret of the Cluster",
        "Choose another name, e.g. pooler-<cluster>-rw.",
      ),
    );
  }
  if (before.some((other) => other.name === name)) {
    problems.push(wrong("name", name, "is used twice", "Give one of the two Poolers another name."));
  }
  if (!Number.isInteger(instances) || instances < 1) {
    problems.push(
      wrong(
        "instances",
        instances,
        "is not a valid number of instances",
        "Write a whole number of at least 1. With 2, the Pooler survives the loss of one instance.",
      ),
    );
  }
  if (pooler.authentication === "integrated" && pooler.secrets?.serverTls !== undefined) {
    problems.push(
      wrong(
        "secrets.serverTls",
        pooler.secrets.serverTls,
        "cannot be used with authentication: integrated",
        "Use authentication: explicit, or remove secrets.serverTls.",
      ),
    );
  }
  return problems;
}
