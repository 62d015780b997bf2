/** The containers of a pod with tbot, and their volumes. Pure. */
import { JOIN_TOKEN_FOLDER, MachineIdOutputs } from "./machine-id";
import {
  CERTIFICATES_FOLDER,
  DIAGNOSTICS_PORT,
  keepsIdentity,
  STORAGE_FOLDER,
  TbotConfigurationSettings,
} from "./tbot-configuration";
import type { Container, ContainerResources, Variable, Volume, VolumeMount } from "./pod-part";

/** What the containers are made of. */
export interface TbotContainerSettings extends TbotConfigurationSettings {
  /** Image with tbot; for generation 13 also with tsh, sh, cksum and grep, as Teleport's own has them. */
  image: string;
  /** Name of the ConfigMap that has `data` in it. */
  configMap: string;
  /** ConfigMap with CAs that tbot trusts besides the image's, where the proxy's certificate is signed by one's own. */
  trustedCas?: { configMap: string; key: string };
  /**
   * Audience of the service account's token. Becomes `serviceAccountToken.audience`. Default: with `jwks` or
   * `oidcIssuer` the Teleport cluster's name, as the outputs say; else the API server's, which Teleport asks for where it
   * runs in the same cluster.
   */
  tokenAudience?: string;
  /**
   * User id of the containers. In mode `certificate` it is the application's, too; for generation 13 one that the image
   * knows. Default: 65532, and 65534 for generation 13.
   */
  runAsUser?: number;
  /** Default: 20m and 64Mi requested, no more than 256Mi used. */
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
/** Of the names of containers and volumes. */
export const PREFIX = "cnpg-teleport";

/** tbot itself. */
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
    // A sidecar that is not ready takes the application out of its Service. What it has goes on working while Teleport's
    // auth service is restarted, so that is given a minute.
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

/** All that the containers mount. */
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

/** Environment variables as Kubernetes writes them. */
export function variables(values: Record<string, string>): Variable[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
