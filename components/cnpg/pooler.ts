/**
 * PgBouncer in front of a Cluster, as CNPG's Pooler, and the checks before the operator's webhook would refuse it.
 * Pure.
 */
import { type Amount, isObject } from "../value-check";
import { checkObjectName } from "../kubernetes/names";
import { checkResources, Resources } from "../kubernetes/quantity";
import { SettingProblem } from "../problems";
import { CA_RESOURCES, CERTIFICATE_RESOURCES, secretNames } from "./names";

/** The instances that a Pooler connects to: the primary, the standbys, or any instance. */
export type PoolerType = "rw" | "ro" | "r";

/** Certificates of a Pooler that the program does not issue. Names of Secrets in the Cluster's namespace. */
export interface PoolerSecrets {
  /** `kubernetes.io/tls`: the certificate that clients see. Default: the program issues one for the Pooler's names. */
  clientTls?: string;
  /** `ca.crt`: the CAs that verify the certificates of clients. Default: the Cluster's client-CA bundle. */
  clientCa?: string;
  /** `kubernetes.io/tls`: PgBouncer's certificate for PostgreSQL. Default: `<cluster>-pooler`, CN cnpg_pooler_pgbouncer. */
  serverTls?: string;
  /** `ca.crt`: the CA with which PgBouncer verifies PostgreSQL. Default: the Cluster's server CA. */
  serverCa?: string;
}

/** One Pooler. Becomes `kind: Pooler` and a Service with the same name. */
export interface PoolerSettings {
  /** Instances to connect to: `rw` the primary, `ro` the standbys, `r` any instance. */
  type: PoolerType;
  /** Name of the Pooler and its Service. Default: `pooler-<cluster>-<type>`. */
  name?: string;
  /** When another client can reuse a connection to PostgreSQL: after the session or the transaction. Default: `session`. */
  mode?: "session" | "transaction";
  /** Number of PgBouncer instances. Default: 2. */
  instances?: number;
  /**
   * Set it to true if something else scales the Pooler, e.g. a HorizontalPodAutoscaler or `kubectl scale`. `up` then
   * creates the Pooler with `instances` and does not change the number afterwards. Default: false, so every `up` sets it.
   */
  scaledByOthers?: boolean;
  /**
   * Settings of PgBouncer, e.g. `default_pool_size: "50"`, `server_idle_timeout: "30"`. Default:
   * `client_tls_sslmode: require` and `server_tls_sslmode: verify-full`; for all others, the values of CNPG and PgBouncer.
   */
  parameters?: Record<string, Amount>;
  /** Rules of PgBouncer's own pg_hba. Default: everybody with a password, with or without TLS. */
  pgHba?: string[];
  /** CPU and memory of each instance. Default: no requests and no limits. */
  resources?: Resources;
  /** Merged into the Pooler's `template` (a PodTemplateSpec): affinity, annotations and so on. Default: none. */
  template?: Record<string, unknown>;
  /** Merged into the Pooler's `serviceTemplate`: annotations, type and so on. Default: none. */
  serviceTemplate?: Record<string, unknown>;
  /** Certificates that you provide yourself. Default: the program issues all of them. */
  secrets?: PoolerSecrets;
  /**
   * How PgBouncer looks up passwords. `integrated`: CNPG's way, with the role cnpg_pooler_pgbouncer. `explicit`:
   * with the role pooler_authentication, by `spec.pgbouncer.authQuery` and `serverTLSSecret`. Default: `integrated`.
   */
  authentication?: PoolerAuthentication;
}

export const DEFAULT_POOLER_INSTANCES = 2;
/** PgBouncer requires TLS from clients and verifies PostgreSQL's name. CNPG's own defaults are weaker. */
const TLS_PARAMETERS = { client_tls_sslmode: "require", server_tls_sslmode: "verify-full" };

/** How PgBouncer logs in to the database `postgres` to look up passwords. Both ways use a certificate. */
export type PoolerAuthentication = "integrated" | "explicit";

/**
 * PgBouncer's role, and the schema of the function that returns password hashes. `integrated` uses CNPG's names, so a Pooler
 * needs only the certificate. CNPG creates role and function itself only if it created, and so owns, the Secret with that
 * certificate. So the program creates them (getPgbouncerIntegrationStatus, CNPG 1.30).
 */
export const POOLER_LOGINS: Record<PoolerAuthentication, { role: string; schema: string }> = {
  integrated: { role: "cnpg_pooler_pgbouncer", schema: "public" },
  explicit: { role: "pooler_authentication", schema: "pooler_authentication" },
};

/** Name of a Pooler and its Service. */
export function poolerName(cluster: string, { name, type }: Pick<PoolerSettings, "name" | "type">): string {
  return name ?? `pooler-${cluster}-${type}`;
}

/** The Secret with the certificate that a Pooler's clients see. */
export function poolerSecretName(pooler: string): string {
  return `${pooler}-tls`;
}

/**
 * Annotation of a Pooler that changes with the certificates. PgBouncer's manager reads the Secrets again when the Pooler
 * changes. The operator changes the Pooler only for the Secrets of its login, not for its server certificate and for the CAs
 * (`getPoolersUsingSecret`, CNPG 1.30). Without the annotation, PgBouncer did not show a renewed certificate after five
 * minutes.
 */
export const CERTIFICATES_ANNOTATION = "cnpg-teleport/certificates";
/**
 * The same for a Pooler without an owner's annotation. It has its own name: a state of release 0.1.0 may declare such a
 * Pooler, and the API server refuses a declared annotation that another field manager wrote.
 */
export const RELOAD_ANNOTATION = "cnpg-teleport/reload";

/** All DNS names of a Pooler's certificate. */
export function poolerDnsNames(pooler: string, namespace: string, clusterDomain: string): string[] {
  return [
    pooler,
    `${pooler}.${namespace}`,
    `${pooler}.${namespace}.svc`,
    `${pooler}.${namespace}.svc.${clusterDomain}`,
  ];
}

/** The Secrets that a Pooler uses if its settings name no others. */
export interface PoolerSpecInputs {
  cluster: string;
  /** Secret with the certificate that clients see. */
  clientTls: string;
  /** Secret with the certificate for explicit authentication. */
  authentication: string;
  serverCa: string;
}

/** The Pooler's `spec`. */
export function poolerSpec(pooler: PoolerSettings, made: PoolerSpecInputs): Record<string, unknown> {
  const { clientTls, clientCa, serverTls, serverCa } = pooler.secrets ?? {};
  const named = (name: string | undefined) => (name === undefined ? {} : { name });
  const explicit = isExplicit(pooler)
    ? {
        authQuery: `SELECT usename, passwd FROM ${POOLER_LOGINS.explicit.schema}.user_search($1)`,
        serverTLSSecret: named(serverTls ?? made.authentication),
        serverCASecret: named(serverCa ?? made.serverCa),
      }
    : serverCa === undefined
      ? {}
      : { serverCASecret: named(serverCa) };
  return {
    cluster: { name: made.cluster },
    type: pooler.type,
    instances: pooler.instances ?? DEFAULT_POOLER_INSTANCES,
    pgbouncer: {
      poolMode: pooler.mode ?? "session",
      parameters: { ...TLS_PARAMETERS, ...pooler.parameters },
      ...(pooler.pgHba ? { pg_hba: pooler.pgHba } : {}),
      clientTLSSecret: named(clientTls ?? made.clientTls),
      ...(clientCa === undefined ? {} : { clientCASecret: named(clientCa) }),
      ...explicit,
    },
    ...templateOf(pooler),
    ...(pooler.serviceTemplate ? { serviceTemplate: pooler.serviceTemplate } : {}),
  };
}

/** With a user's own certificate for PostgreSQL, the operator does not manage the login. */
export function isExplicit({ authentication, secrets }: PoolerSettings): boolean {
  return authentication === "explicit" || secrets?.serverTls !== undefined;
}

/** The logins that the Poolers of a Cluster need. */
export function poolerLogins(poolers: readonly PoolerSettings[] = []): PoolerAuthentication[] {
  const needed = poolers.map((pooler) => (isExplicit(pooler) ? "explicit" : "integrated"));
  return [...new Set(needed)].sort();
}

/** CNPG merges its container into the one named `pgbouncer`, and requires `containers` in every template. */
function templateOf({ template, resources }: PoolerSettings): { template?: object } {
  if (!template && !resources) return {};
  const spec = (template?.spec ?? {}) as { containers?: Container[] };
  const containers = spec.containers ?? [{ name: CONTAINER }];
  return { template: { ...template, spec: { ...spec, containers: withResources(containers, resources) } } };
}

interface Container {
  name?: unknown;
  resources?: unknown;
}

/** CNPG's name of the container. */
const CONTAINER = "pgbouncer";

function withResources(containers: readonly Container[], resources: Resources | undefined): readonly Container[] {
  if (!resources) return containers;
  const own = containers.find(({ name }) => name === CONTAINER);
  if (!own) return [...containers, { name: CONTAINER, resources }];
  return containers.map((container) => (container === own ? { ...own, resources } : container));
}

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
    ...checkPods(`${path}[${index}]`, pooler.settings),
    ...Object.entries(pooler.settings.secrets ?? {}).flatMap(([key, name]) =>
      checkObjectName(`${path}[${index}].secrets.${key}`, name, "Secret"),
    ),
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

/** Checks the template of the pods, and the resources that are merged into it. Values in the template may be known later. */
function checkPods(path: string, { template, resources }: PoolerSettings): SettingProblem[] {
  const problems = checkResources(`${path}.resources`, resources);
  const later = (field: string, type: string) => [
    {
      setting: `${path}.${field}`,
      problem: `must be ${type} that is known when the program runs, because the program adds to it`,
      fix: "Only values in it may be outputs.",
    },
  ];
  if (template === undefined) return problems;
  if (!isObject(template)) return later("template", "a mapping");
  const { spec } = template;
  if (spec === undefined || spec === null) return problems;
  if (!isObject(spec)) return later("template.spec", "a mapping");
  if (!resources || spec.containers === undefined) return problems;
  const containers: unknown = spec.containers;
  if (!Array.isArray(containers) || !containers.every(isObject)) return later("template.spec.containers", "a list");
  const own = containers.find(({ name }) => name === CONTAINER);
  if (own?.resources === undefined) return problems;
  const problem = `must not be set together with resources of the container ${CONTAINER} in template.spec.containers`;
  return [...problems, { setting: `${path}.resources`, problem, fix: "Remove one of the two." }];
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
  if (pooler.secrets?.clientTls === undefined && isOtherCertificate(name)) {
    problems.push(
      wrong(
        "name",
        name,
        "is already used for another certificate of the database",
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

/** Whether the certificate of a Pooler of this name and another one would be Pulumi resources of the same name. */
function isOtherCertificate(name: string): boolean {
  const cas = Object.values(CA_RESOURCES);
  return (
    Object.values<string>(CERTIFICATE_RESOURCES).includes(name) ||
    cas.some((ca) => name === ca || name.startsWith(`${ca}-`))
  );
}
