/**
 * Every name in Kubernetes that is derived from a Cluster's: Services, Secrets, Databases and
 * DatabaseRoles, and DNS names.
 * CNPG makes the Services `<cluster>-rw`, `-ro` and `-r` itself; the Secrets here are ours and differ
 * from the ones that CNPG would make (`<cluster>-server`, `<cluster>-replication`, `<cluster>-ca`). Pure.
 */
import { createHash } from "node:crypto";
import { SettingProblem } from "../problems";

/** The Services of a Cluster: primary, replicas only, any instance. */
export const ENDPOINTS = ["rw", "ro", "r"] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

export const POSTGRES_PORT = 5432;

/** CNPG appends suffixes to the Cluster's name and refuses longer ones. */
const MAX_CLUSTER_NAME = 50;
const DNS_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** The Service that leads to an endpoint. */
export function serviceName(cluster: string, endpoint: Endpoint): string {
  return `${cluster}-${endpoint}`;
}

/** `<service>.<namespace>.svc`: resolves in every pod, whatever the cluster's domain. */
export function hostOf(service: string, namespace: string): string {
  return `${service}.${namespace}.svc`;
}

/** All names of a Cluster's server certificate: three Services, each in the four forms a client may use, and `extra`. */
export function serverDnsNames(
  cluster: string,
  namespace: string,
  clusterDomain: string,
  extra: string[] = [],
): string[] {
  const names = ENDPOINTS.flatMap((endpoint) => {
    const service = serviceName(cluster, endpoint);
    return [
      service,
      `${service}.${namespace}`,
      `${service}.${namespace}.svc`,
      `${service}.${namespace}.svc.${clusterDomain}`,
    ];
  });
  return [...new Set([...names, ...extra])];
}

/** The Secrets of a Cluster. */
export function secretNames(cluster: string) {
  return {
    /** `kubernetes.io/tls`: what the instances serve. */
    server: `${cluster}-server-tls`,
    /** `ca.crt`: what clients verify the server with. */
    serverCa: `${cluster}-server-ca`,
    /** `kubernetes.io/tls`: CN streaming_replica. */
    replication: `${cluster}-replication-tls`,
    /** `ca.crt`: every CA whose client certificates the instances accept. */
    clientCaBundle: `${cluster}-client-ca-bundle`,
    /** `kubernetes.io/tls`: CN cnpg_pooler_pgbouncer, where CNPG looks for it before it tries to make it. */
    pooler: `${cluster}-pooler`,
    /** `kubernetes.io/tls`: the login of PgBouncer with explicit authentication. */
    poolerAuthentication: `${cluster}-pooler-authentication`,
    /** `kubernetes.io/basic-auth`: the owner of the database, made by CNPG. */
    owner: `${cluster}-app`,
  };
}

/**
 * Name of the Pulumi resource of a Secret. It begins with the name of the database, because several namespaces may have Clusters
 * of the same name. The names are in the states of users: never change them.
 */
export function secretResource(database: string, cluster: string, secret: string): string {
  return secret.startsWith(cluster) ? `${database}${secret.slice(cluster.length)}` : `${database}-${secret}`;
}

/**
 * The ends of the names of the Pulumi resources of a Cluster's certificates. The names begin with the name of the database, and
 * that of a Pooler's certificate ends with the name of the Pooler. They are in the states of users: never change them.
 */
export const CERTIFICATE_RESOURCES = {
  server: "server",
  replication: "replication",
  integrated: "pooler-integrated",
  explicit: "pooler-explicit",
} as const;

/** The same of the CAs of `issuer.type: tls`. The names of further CAs continue with a hyphen and the name in the settings. */
export const CA_RESOURCES = { server: "server-ca", client: "client-ca" } as const;

/**
 * Name of the Database object: `orders.billing`. If Kubernetes does not accept the database's name, invalid characters are
 * replaced and a digest is added: `orders.my-db.5a1c09d3b2`. Names of Clusters and databases contain no dot. So no two
 * databases, and no two Clusters of a namespace, get the same name.
 */
export function databaseObjectName(cluster: string, database: string): string {
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(database)) return `${cluster}.${database}`;
  const digest = createHash("sha256").update(database).digest("hex").slice(0, 10);
  const readable = database
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return [cluster, ...(readable ? [readable] : []), digest].join(".");
}

/**
 * Name of the DatabaseRole: `orders.teleport-user-read`. Users' names have no hyphens, so no two users get the same name. The
 * dot ends the Cluster's name, so no two Clusters get the same name either. Databases' names work alike.
 */
export function databaseRoleName(cluster: string, role: string): string {
  const readable = role.replaceAll("_", "-");
  // Kubernetes allows no hyphen at the beginning or the end.
  return databaseObjectName(cluster, /^-|-$/.test(readable) ? role : readable);
}

/** Checks a Cluster's name. */
export function checkClusterName(setting: string, name: string): SettingProblem[] {
  if (DNS_1035.test(name) && name.length <= MAX_CLUSTER_NAME) return [];
  return [
    {
      setting,
      value: name,
      problem: "is not a name that CloudNativePG accepts",
      fix: `Use at most ${MAX_CLUSTER_NAME} lower-case letters, digits and hyphens, beginning with a letter and ending with a letter or digit.`,
    },
  ];
}
