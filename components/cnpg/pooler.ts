/** PgBouncer in front of a Cluster, as CNPG's Pooler. Pure. */
import type { Amount } from "../value-check";
import { Resources } from "./resources";

/** Where a Pooler leads: the primary, the standbys, or any instance. */
export type PoolerType = "rw" | "ro" | "r";

/** Certificates and login of a Pooler that are not made here. Names of Secrets in the Cluster's namespace. */
export interface PoolerSecrets {
  /** `kubernetes.io/tls`: what clients see. Default: one is issued for the Pooler's own names. */
  clientTls?: string;
  /** `ca.crt`: clients that show a certificate must have it from here. Default: the Cluster's client-CA bundle. */
  clientCa?: string;
  /** `kubernetes.io/tls`: what PgBouncer shows to PostgreSQL. Default: `<cluster>-pooler`, CN cnpg_pooler_pgbouncer. */
  serverTls?: string;
  /** `ca.crt`: what PgBouncer verifies PostgreSQL with. Default: the Cluster's server CA. */
  serverCa?: string;
}

/** One Pooler. Becomes `kind: Pooler`, and a Service of its name. */
export interface PoolerSettings {
  /** Where it leads. */
  type: PoolerType;
  /** Name of the Pooler and of its Service. Default: `pooler-<cluster>-<type>`. */
  name?: string;
  /** When a connection to PostgreSQL is free for another client: `session` or `transaction`. Default: `session`. */
  mode?: "session" | "transaction";
  /** Instances of PgBouncer. Default: 2. */
  instances?: number;
  /**
   * Set it to true if something else scales the Pooler, e.g. a HorizontalPodAutoscaler or `kubectl scale`. `up` then
   * creates the Pooler with `instances`, and does not change the number afterwards. Default: false, `up` sets the number.
   */
  scaledByOthers?: boolean;
  /** Settings of PgBouncer, e.g. `default_pool_size: "50"`, `server_idle_timeout: "30"`. */
  parameters?: Record<string, Amount>;
  /** Rules of PgBouncer's own pg_hba. Default: everybody with a password, over TLS or not. */
  pgHba?: string[];
  /** CPU and memory of each instance. */
  resources?: Resources;
  /** Merged into the Pooler's `template` (a PodTemplateSpec): affinity, annotations and so on. */
  template?: Record<string, unknown>;
  /** Merged into the Pooler's `serviceTemplate`: annotations, type and so on. */
  serviceTemplate?: Record<string, unknown>;
  /** Certificates that are not made here. Default: all are made. */
  secrets?: PoolerSecrets;
  /**
   * How PgBouncer looks up passwords. `integrated`: as CNPG has it, with the role cnpg_pooler_pgbouncer. `explicit`:
   * with the role pooler_authentication, by `spec.pgbouncer.authQuery` and `serverTLSSecret`. Default: `integrated`.
   */
  authentication?: PoolerAuthentication;
}

export const DEFAULT_POOLER_INSTANCES = 2;
/** PgBouncer speaks TLS with clients, and verifies PostgreSQL's name: CNPG's own defaults are weaker. */
const TLS_PARAMETERS = { client_tls_sslmode: "require", server_tls_sslmode: "verify-full" };

/** How a Pooler's PgBouncer logs in to look up passwords, in the database `postgres`: by certificate. */
export type PoolerAuthentication = "integrated" | "explicit";

/**
 * PgBouncer's role, and the schema of the function that tells it password hashes. `integrated` has the names that CNPG
 * gives them, so that a Pooler needs no more than the certificate. CNPG makes them itself only where it made, and so
 * owns, the Secret with that certificate; so the program makes them (getPgbouncerIntegrationStatus, CNPG 1.30).
 */
export const POOLER_LOGINS: Record<PoolerAuthentication, { role: string; schema: string }> = {
  integrated: { role: "cnpg_pooler_pgbouncer", schema: "public" },
  explicit: { role: "pooler_authentication", schema: "pooler_authentication" },
};

/** Name of a Pooler, and of its Service. */
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

/** Secrets that a Pooler names: those made here, where a setting gives no other. */
export interface PoolerSpecInputs {
  cluster: string;
  /** Secret with the certificate that clients see. */
  clientTls: string;
  /** Secret with the certificate of the role of explicit authentication. */
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

/** A certificate of one's own towards PostgreSQL implies that the operator does not look after the login. */
export function isExplicit({ authentication, secrets }: PoolerSettings): boolean {
  return authentication === "explicit" || secrets?.serverTls !== undefined;
}

/** The logins that the Poolers of a Cluster need; none for those that bring their own certificate. */
export function poolerLogins(poolers: readonly PoolerSettings[] = []): PoolerAuthentication[] {
  const needed = poolers.map((pooler) => (isExplicit(pooler) ? "explicit" : "integrated"));
  return [...new Set(needed)].sort();
}

/** CNPG merges its container with one of the name `pgbouncer`, and wants `containers` in every template. */
function templateOf({ template, resources }: PoolerSettings): { template?: object } {
  if (!template && !resources) return {};
  const spec = (template?.spec ?? {}) as { containers?: unknown[] };
  const containers = spec.containers ?? [{ name: "pgbouncer", ...(resources ? { resources } : {}) }];
  return { template: { ...template, spec: { ...spec, containers } } };
}
