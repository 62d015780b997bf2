/** The containers and volumes of a pod with tbot. Pure. */
import { JOIN_TOKEN_FOLDER, MachineIdOutputs } from "./machine-id";
import {
  CERTIFICATES_FOLDER,
  DIAGNOSTICS_PORT,
  keepsIdentity,
  STORAGE_FOLDER,
  TbotConfigurationSettings,
} from "./tbot-configuration";
import type { Container, ContainerResources, Variable, Volume, VolumeMount } from "./pod-part";

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
