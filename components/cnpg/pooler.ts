/** PgBouncer in front of a Cluster, as CNPG's Pooler. Pure. */
import type { Amount } from "../value-check";
import { Resources } from "./resources";

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
  const spec = (template?.spec ?? {}) as { containers?: unknown[] };
  const containers = spec.containers ?? [{ name: "pgbouncer", ...(resources ? { resources } : {}) }];
  return { template: { ...template, spec: { ...spec, containers } } };
}
