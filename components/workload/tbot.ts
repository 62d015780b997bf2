/**
 * tbot in an application's pod: its configuration file, for each generation of tbot, its container and its volumes.
 * Pure.
 */
import { MachineIdOutputs, JOIN_TOKEN_FOLDER } from "./machine-id";
import type { Container, ContainerResources, Variable, Volume, VolumeMount } from "./pod-part";

/**
 * The version of tbot in the pods. It must not be newer than the Teleport cluster.
 *
 * - `13`: configuration v1. tbot writes certificates to files, and a second container runs `tsh proxy db` with them.
 *   Connections end at each renewal, because tsh reads a certificate only once.
 * - `15`: configuration v2 with `database-tunnel`. One container is enough (teleport#39880), and connections last as long
 *   as the certificate that opened them. For the releases from 15.3, which has `/readyz`, to 17.2.
 * - `17`: like `15`, for 17.3 and newer. Lifetimes are called `credential_ttl` (teleport#51956), and `/readyz` shows
 *   whether the tunnels are open (teleport#56306). In older releases it only shows that tbot has joined, so the
 *   application may have to retry when it starts.
 *
 * Only `13` was tested with a real Teleport. The fields of the others come from Teleport's source
 * (lib/tbot/config/service_database_tunnel.go, service_database.go and config.go).
 */
export type TbotGeneration =
  | "13" // Teleport 13 and 14
  | "15"
  | "17";

/** How the application reaches its databases. */
export type TbotMode =
  /** A port on localhost for each database. */
  | "tunnel"
  /**
   * Files for each database, in the folder `certificateFolder(alias)`: `tls.crt`, `tls.key`, and `tls.cas` (Teleport's
   * host CAs, which sign the certificate that its proxy presents to PostgreSQL clients). libpq, and other drivers that
   * support client certificates, connect with these files to the proxy itself, with `sslmode=verify-full`.
   *
   * This mode has more requirements than a tunnel:
   * - The client's TLS must reach the proxy. The proxy recognizes PostgreSQL clients on its web port by their first bytes
   *   (`muxPostgresOnWebPort` of lib/service). If it has `postgres_listen_addr`, set `databaseAddress` to that address.
   *   Behind a load balancer that terminates TLS only the tunnel works, which wraps connections
   *   (`ALPNConnUpgradeRequired`).
   * - Only tbot's user can read the files (mode 0600, which libpq requires). So the application's container must run as
   *   `runAsUser` too.
   * - Each new connection must read the files again, as libpq does. A pool that keeps an old certificate loses access when
   *   that certificate expires. The files do not change at the same instant: a connection that is opened in that moment
   *   fails, and must be retried.
   */
  | "certificate";

export interface TbotConfigurationSettings {
  generation: TbotGeneration;
  /** Default: `tunnel`. */
  mode?: TbotMode;
  /**
   * Port of the pod for tbot's diagnostics, which the probes use. No other container of the pod may use this port.
   * Becomes `diag_addr`. Default: 3001.
   */
  diagnosticsPort?: number;
}

/** Folder of the certificates, with a subfolder for each database, in memory. */
export const CERTIFICATES_FOLDER = "/var/run/cnpg-teleport/certificates";
/**
 * Folder in which tbot keeps the identity with which it renews its certificates, for the method `token`: in memory,
 * until the pod ends.
 */
export const STORAGE_FOLDER = "/var/run/cnpg-teleport/storage";
export const DIAGNOSTICS_PORT = 3001;
/** Names of the files that tbot writes for a certificate (`TemplateTLS` of its source). */
export const CERTIFICATE_FILES = { certificate: "tls.crt", key: "tls.key", authorities: "tls.cas" } as const;

/** The folder of a database's certificate. */
export function certificateFolder(alias: string): string {
  return `${CERTIFICATES_FOLDER}/${alias}`;
}

/** The content of `tbot.yaml`, as JSON, which is valid YAML. */
export function tbotConfiguration(workload: MachineIdOutputs, settings: TbotConfigurationSettings): string {
  return `${JSON.stringify(versionTwo(workload, settings), null, 2)}\n`;
}

function versionTwo(
  workload: MachineIdOutputs,
  { generation, mode = "tunnel", diagnosticsPort = DIAGNOSTICS_PORT }: TbotConfigurationSettings,
): Record<string, unknown> {
  const { proxy, certificateTtl, renewalInterval } = workload;
  const databases = Object.entries(workload.databases);
  const access = ({ service, database, user, role }: MachineIdOutputs["databases"][string]) => ({
    roles: [role],
    service,
    database,
    username: user,
  });
  return {
    version: "v2",
    proxy_server: proxy,
    onboarding: onboarding(workload),
    storage: keepsIdentity(workload) ? { type: "directory", path: STORAGE_FOLDER } : { type: "memory" },
    ...(mode === "tunnel"
      ? {
          services: databases.map(([, database]) => ({
            type: "database-tunnel",
            listen: `tcp://127.0.0.1:${database.port}`,
            ...access(database),
          })),
        }
      : {
          outputs: databases.map(([alias, database]) => ({
            type: "database",
            format: "tls",
            destination: { type: "directory", path: certificateFolder(alias) },
            ...access(database),
          })),
        }),
    [generation === "15" ? "certificate_ttl" : "credential_ttl"]: certificateTtl,
    renewal_interval: renewalInterval,
    diag_addr: `0.0.0.0:${diagnosticsPort}`,
  };
}

/**
 * Whether tbot must keep its identity when its container restarts: a secret token works for one start only. With all
 * other methods tbot joins again.
 */
export function keepsIdentity({ join }: MachineIdOutputs): boolean {
  return join.method === "token";
}

/** How tbot joins. */
export function onboarding({ join }: MachineIdOutputs): Record<string, string> {
  return { join_method: join.method, token: join.token };
}

/** Settings of the containers. */
export interface TbotContainerSettings extends TbotConfigurationSettings {
  /** Image with tbot. For generation 13 also with tsh, sh, cksum and grep, as in Teleport's own image. */
  image: string;
  /** Name of the ConfigMap that contains `data`. */
  configMap: string;
  /**
   * ConfigMap with CAs that tbot trusts in addition to those of the image, if your own CA signed the proxy's
   * certificate.
   */
  trustedCas?: { configMap: string; key: string };
  /**
   * Audience of the service account's token. Becomes `serviceAccountToken.audience`. Default: with `jwks` or
   * `oidcIssuer`, the Teleport cluster's name from the outputs; otherwise the audience of the API server, which
   * Teleport asks if it runs in the same cluster.
   */
  tokenAudience?: string;
  /**
   * User ID of the containers. In mode `certificate` the application must run as the same user. For generation 13 the
   * user must exist in the image. Default: 65532; for generation 13 65534.
   */
  runAsUser?: number;
  /** Default: requests of 20m CPU and 64Mi memory, and a limit of 256Mi memory. */
  resources?: ContainerResources;
}

const CONFIGURATION_FOLDER = "/etc/tbot";
const ACCOUNT_TOKEN_FOLDER = "/var/run/secrets/cnpg-teleport/account";
const CAS_FOLDER = "/etc/tbot-cas";
/** A folder that tbot and its tools may write to. */
export const SCRATCH = "/tmp/tbot";
/** Kubernetes renews it at 80 % of its life. 600 s is the shortest that it gives. */
const ACCOUNT_TOKEN_SECONDS = 600;
/** `nonroot` of distroless. */
const DEFAULT_USER = 65_532;
const DEFAULT_RESOURCES = { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "256Mi" } };
/** Prefix of the names of containers and volumes. */
export const PREFIX = "cnpg-teleport";

/** The container that runs tbot. */
export function tbotContainer(workload: MachineIdOutputs, settings: TbotContainerSettings): Container {
  const { join } = workload;
  const { diagnosticsPort = DIAGNOSTICS_PORT } = settings;
  const isAsked = (path: string) => ({ httpGet: { path, port: diagnosticsPort } });
  const probe = isAsked("/readyz");
  return {
    ...container(`${PREFIX}-tbot`, settings),
    command: ["tbot", "start", "--config", `${CONFIGURATION_FOLDER}/tbot.yaml`],
    env: variables({
      ...trust(settings),
      HOME: SCRATCH,
      TMPDIR: SCRATCH,
      ...(join.method === "kubernetes" ? { KUBERNETES_TOKEN_PATH: `${ACCOUNT_TOKEN_FOLDER}/token` } : {}),
    }),
    volumeMounts: [
      { name: `${PREFIX}-configuration`, mountPath: CONFIGURATION_FOLDER, readOnly: true },
      { name: `${PREFIX}-certificates`, mountPath: CERTIFICATES_FOLDER },
      { name: `${PREFIX}-scratch`, mountPath: SCRATCH },
      ...(join.method === "kubernetes"
        ? [{ name: `${PREFIX}-account`, mountPath: ACCOUNT_TOKEN_FOLDER, readOnly: true }]
        : []),
      ...(join.secret === undefined ? [] : [{ name: `${PREFIX}-join`, mountPath: JOIN_TOKEN_FOLDER, readOnly: true }]),
      ...(keepsIdentity(workload) ? [{ name: `${PREFIX}-storage`, mountPath: STORAGE_FOLDER }] : []),
      ...casMount(settings),
    ],
    startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 120 },
    // A sidecar that is not ready removes the application from its Service. Existing connections keep working while
    // Teleport's auth service restarts, so a minute without readiness is tolerated.
    readinessProbe: { ...probe, periodSeconds: 10, failureThreshold: 6 },
    livenessProbe: { ...isAsked("/livez"), periodSeconds: 30 },
  };
}

/** What all containers have. */
export function container(
  name: string,
  { image, runAsUser = DEFAULT_USER, resources = DEFAULT_RESOURCES }: TbotContainerSettings,
): Pick<Container, "name" | "image" | "restartPolicy" | "resources" | "securityContext"> {
  return {
    name,
    image,
    restartPolicy: "Always",
    resources,
    securityContext: {
      runAsNonRoot: true,
      runAsUser,
      runAsGroup: runAsUser,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/** All volumes that the containers mount. */
export function volumes(workload: MachineIdOutputs, settings: TbotContainerSettings): Volume[] {
  const { join } = workload;
  const { configMap, trustedCas, tokenAudience = join.audience } = settings;
  const memory = { emptyDir: { medium: "Memory", sizeLimit: "16Mi" } };
  return [
    { name: `${PREFIX}-configuration`, configMap: { name: configMap } },
    { name: `${PREFIX}-certificates`, ...memory },
    { name: `${PREFIX}-scratch`, ...memory },
    ...(join.method === "kubernetes"
      ? [
          {
            name: `${PREFIX}-account`,
            projected: {
              sources: [
                {
                  serviceAccountToken: {
                    path: "token",
                    expirationSeconds: ACCOUNT_TOKEN_SECONDS,
                    ...(tokenAudience === undefined ? {} : { audience: tokenAudience }),
                  },
                },
              ],
            },
          },
        ]
      : []),
    ...(join.secret === undefined ? [] : [{ name: `${PREFIX}-join`, secret: { secretName: join.secret } }]),
    ...(keepsIdentity(workload) ? [{ name: `${PREFIX}-storage`, ...memory }] : []),
    ...(trustedCas ? [{ name: `${PREFIX}-cas`, configMap: { name: trustedCas.configMap } }] : []),
  ];
}

/** The CAs that a container trusts, as an environment variable. */
export function trust({ trustedCas }: TbotContainerSettings): Record<string, string> {
  return trustedCas ? { SSL_CERT_FILE: `${CAS_FOLDER}/${trustedCas.key}` } : {};
}

/** Where these CAs are mounted. */
export function casMount({ trustedCas }: TbotContainerSettings): VolumeMount[] {
  return trustedCas ? [{ name: `${PREFIX}-cas`, mountPath: CAS_FOLDER, readOnly: true }] : [];
}

/** Environment variables in the form of Kubernetes. */
export function variables(values: Record<string, string>): Variable[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
