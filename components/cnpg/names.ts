/**
 * Every name in Kubernetes that is derived from a Cluster's: Services, Secrets and DNS names.
 * CNPG makes the Services `<cluster>-rw`, `-ro` and `-r` itself; the Secrets here are ours and differ
 * from the ones that CNPG would make (`<cluster>-server`, `<cluster>-replication`, `<cluster>-ca`). Pure.
 */
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
