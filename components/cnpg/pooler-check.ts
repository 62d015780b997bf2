/** Checks of Poolers, before the operator's webhook would refuse them. Pure. */
import { SettingProblem } from "../problems";
import { secretNames } from "./names";
import { DEFAULT_POOLER_INSTANCES, poolerName, poolerSecretName, PoolerSettings } from "./pooler";

const DNS_1035 = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** CNPG allows these settings of PgBouncer (pooler_webhook.go); what is not among them is its own. */
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

/** What else decides whether Poolers are right. */
export interface PoolerContext {
  /** The Cluster has a standby. */
  hasStandby?: boolean;
  /** Services of the Cluster that are not made. */
  disabledServices?: readonly string[];
}

/** All that is wrong with the Poolers of a Cluster. */
export function checkPoolers(
  path: string,
  cluster: string,
  poolers: readonly PoolerSettings[],
  context: PoolerContext = {},
): SettingProblem[] {
  return poolers.flatMap((pooler, index) => [
    ...checkPooler(`${path}[${index}]`, cluster, pooler, poolers.slice(0, index)),
    ...checkType(`${path}[${index}].type`, pooler, context),
  ]);
}

/** PgBouncer reaches the instances by the Service of its type. */
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
  pooler: PoolerSettings,
  before: readonly PoolerSettings[],
): SettingProblem[] {
  const name = poolerName(cluster, pooler);
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
        "is no setting of PgBouncer that CloudNativePG allows",
        "Remove it; see the documentation of CloudNativePG's Pooler.",
      ),
    );
  if (!DNS_1035.test(name)) {
    problems.push(
      wrong(
        "name",
        name,
        "is no name of a Service",
        "Use at most 63 lower-case letters, digits and hyphens, beginning with a letter; set name to choose another one.",
      ),
    );
  }
  if (name === cluster || (/^-(rw|ro|r)$/.test(name.slice(cluster.length)) && name.startsWith(cluster))) {
    problems.push(
      wrong(
        "name",
        name,
        "is taken by the Cluster or one of its Services",
        "Choose another name, e.g. pooler-<cluster>-rw.",
      ),
    );
  }
  if (Object.values(secretNames(cluster)).includes(poolerSecretName(name))) {
    problems.push(
      wrong("name", name, "would take a Secret of the Cluster", "Choose another name, e.g. pooler-<cluster>-rw."),
    );
  }
  if (before.some((other) => poolerName(cluster, other) === name)) {
    problems.push(wrong("name", name, "is there twice", "Give one of the two another name."));
  }
  if (!Number.isInteger(instances) || instances < 1) {
    problems.push(
      wrong(
        "instances",
        instances,
        "is no number of instances",
        "Use a whole number of at least 1; 2 survive the loss of one.",
      ),
    );
  }
  if (pooler.authentication === "integrated" && pooler.secrets?.serverTls !== undefined) {
    problems.push(
      wrong(
        "secrets.serverTls",
        pooler.secrets.serverTls,
        "is a certificate of your own, which authentication: integrated does not accept",
        "Use authentication: explicit, or remove it.",
      ),
    );
  }
  return problems;
}
