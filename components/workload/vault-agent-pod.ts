/**
 * What an application's pods need to get short-lived users of their database from Vault: plain objects for a ConfigMap
 * and a pod's spec, to be merged with the application's own. Pure.
 */
import { createHash } from "node:crypto";
import { refuse } from "../problems";
import type { Container, ContainerResources, PodPart, Variable, Volume, VolumeMount } from "./pod-part";
import { checkVaultAgent } from "./vault-agent-check";
import {
  CredentialsFile,
  vaultAgentConfiguration,
  VaultAgentConfigurationSettings,
  VaultAgentDatabase,
  vaultAgentPaths,
} from "./vault-agent-configuration";
import { VAULT_AGENT_SCRIPT } from "./vault-agent-script";

export interface VaultAgentPodSettings extends VaultAgentConfigurationSettings {
  /** Image with `vault`, `sh`, `cat` and `test`, as HashiCorp's own has them, e.g. `hashicorp/vault:1.21`. */
  image: string;
  /** Name of the ConfigMap that has `data` in it. */
  configMap: string;
  /** URL of Vault as the pods reach it. Becomes VAULT_ADDR. */
  address: string;
  /** Vault Enterprise. Becomes VAULT_NAMESPACE. Default: none. */
  namespace?: string;
  /** ConfigMap with the CAs that signed Vault's certificate. Becomes VAULT_CACERT. Default: the image's. */
  trustedCas?: { configMap: string; key: string };
  /** Name of the agent in its pod, part of the names of containers, volumes and folders. Default: `vault`. */
  name?: string;
  /**
   * User of the agent, to whom the files belong (mode 0640): the one that the application runs as, or any other where
   * the application is in `runAsGroup`. Default: 65534, `nobody`.
   */
  runAsUser?: number;
  /** Group of the agent and its files. Default: `runAsUser`. */
  runAsGroup?: number;
  /** Default: 20m and 64Mi requested, no more than 256Mi used. */
  resources?: ContainerResources;
}

/** Parts of a pod. */
export interface VaultAgentPod extends PodPart {
  /** Path of each file, as the application sees it. */
  files: Partial<Record<CredentialsFile, string>>;
}

const CONFIGURATION_FOLDER = "/etc/vault-agent";
const CAS_FOLDER = "/etc/vault-agent-cas";
/** Kubernetes renews it at 80 % of its life. 600 s is the shortest that it gives. */
const ACCOUNT_TOKEN_SECONDS = 600;
const NOBODY = 65_534;
const DEFAULT_RESOURCES = { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "256Mi" } };
const PREFIX = "cnpg-teleport";
const DEFAULT_NAME = "vault";

/**
 * ConfigMap, sidecar, volumes and environment of an application that is the consumer of a role.
 *
 * The agent logs in by the pod's service account, with a token that it alone has, and keeps files with a user and its
 * password in the pod's memory. They change: applications read them whenever they open a connection. A user ends when
 * it is not renewed: with the pod, by the agent itself (`revokeAtEnd`); `tokenTtl` of the consumer or `defaultTtl` of
 * the role after it, whichever is shorter, where the agent could not (a node that is gone). PostgreSQL then closes its
 * connections. At `maxTtl` a new user is written a little before the old one ends, so that pools must reconnect. Of
 * credentials that somebody revoked the agent learns at the next renewal, when about 70 % of `defaultTtl` are over.
 *
 * @throws SettingsError with every problem found
 */
export function vaultAgentPod(
  database: VaultAgentDatabase,
  role: string,
  settings: VaultAgentPodSettings,
): VaultAgentPod {
  const { name = DEFAULT_NAME, files = ["service"], reload, configMap, trustedCas } = settings;
  refuse(checkVaultAgent(database, role, { ...settings, name }));
  const credentials = database.roles[role]!;
  const login = credentials.login!;
  const paths = vaultAgentPaths(name);
  const data = {
    "agent.json": vaultAgentConfiguration(database, { ...credentials, login }, name, settings),
    "ca.crt": database.serverCa,
  };
  const memory = { emptyDir: { medium: "Memory", sizeLimit: "1Mi" } };
  const part = (suffix: string) => `${PREFIX}-${name}-${suffix}`;
  const only = (key: keyof typeof data) => ({ configMap: { name: configMap, items: [{ key, path: key }] } });
  const account: Volume = {
    name: part("account"),
    projected: {
      sources: [
        {
          serviceAccountToken: {
            path: "token",
            expirationSeconds: ACCOUNT_TOKEN_SECONDS,
            ...(login.audience === undefined ? {} : { audience: login.audience }),
          },
        },
      ],
    },
  };
  return {
    data,
    annotations: {
      [`${PREFIX}/${name}`]: createHash("sha256").update(JSON.stringify(data)).digest("hex").slice(0, 16),
    },
    spec: {
      serviceAccountName: login.serviceAccount,
      automountServiceAccountToken: false,
      ...(reload && "signal" in reload ? { shareProcessNamespace: true } : {}),
      initContainers: [agentContainer(name, files, settings)],
      volumes: [
        { name: part("configuration"), ...only("agent.json") },
        { name: part("server-ca"), ...only("ca.crt") },
        { name: part("credentials"), ...memory },
        { name: part("scratch"), ...memory },
        account,
        ...(trustedCas ? [{ name: part("cas"), configMap: { name: trustedCas.configMap } }] : []),
      ],
    },
    environment: { [role]: environment(name, files, database) },
    volumeMounts: [
      { name: part("credentials"), mountPath: paths.credentials, readOnly: true },
      { name: part("server-ca"), mountPath: paths.serverCa, readOnly: true },
    ],
    files: Object.fromEntries(files.map((file) => [file, paths.files[file]])),
  };
}

function agentContainer(name: string, files: CredentialsFile[], settings: VaultAgentPodSettings): Container {
  const { image, address, namespace, trustedCas, revokeAtEnd = true, resources = DEFAULT_RESOURCES } = settings;
  const { runAsUser = NOBODY, runAsGroup = runAsUser } = settings;
  const paths = vaultAgentPaths(name);
  const configuration = `${CONFIGURATION_FOLDER}/agent.json`;
  const mount = (suffix: string, mountPath: string, more: { readOnly?: true } = { readOnly: true }): VolumeMount => ({
    name: `${PREFIX}-${name}-${suffix}`,
    mountPath,
    ...more,
  });
  // Every file is there once the first credentials are.
  const probe = { exec: { command: ["sh", "-c", files.map((file) => `test -s ${paths.files[file]}`).join(" && ")] } };
  return {
    name: `${PREFIX}-${name}`,
    image,
    restartPolicy: "Always",
    command: revokeAtEnd ? ["sh", "-c", VAULT_AGENT_SCRIPT] : ["vault", "agent", `-config=${configuration}`],
    env: variables({
      VAULT_ADDR: address,
      ...(namespace === undefined ? {} : { VAULT_NAMESPACE: namespace }),
      ...(trustedCas ? { VAULT_CACERT: `${CAS_FOLDER}/${trustedCas.key}` } : {}),
      HOME: paths.scratch,
      ...(revokeAtEnd ? { CONFIGURATION: configuration, TOKEN: paths.token } : {}),
    }),
    volumeMounts: [
      mount("configuration", CONFIGURATION_FOLDER),
      mount("credentials", paths.credentials, {}),
      mount("scratch", paths.scratch, {}),
      mount("account", paths.account),
      ...(trustedCas ? [mount("cas", CAS_FOLDER)] : []),
    ],
    // It is there at the start only: an agent that cannot go on ends, and needs nobody to notice.
    startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 120 },
    readinessProbe: { ...probe, periodSeconds: 10 },
    resources,
    securityContext: {
      runAsNonRoot: true,
      runAsUser,
      runAsGroup,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/** libpq takes what a service file says before its other variables. */
function environment(name: string, files: CredentialsFile[], { connection }: VaultAgentDatabase): Variable[] {
  const paths = vaultAgentPaths(name).files;
  const of: Record<CredentialsFile, Record<string, string>> = {
    service: { PGSERVICEFILE: paths.service, PGSERVICE: connection },
    json: { DATABASE_JSON_FILE: paths.json },
    env: { DATABASE_ENV_FILE: paths.env },
  };
  return files.flatMap((file) => variables(of[file]));
}

function variables(values: Record<string, string>): Variable[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
