/**
 * The parts of an application's pods that get short-lived database users from Vault: plain objects for a ConfigMap
 * and a pod's spec, to be merged with the application's own. Pure.
 */
import { createHash } from "node:crypto";
import { refuse } from "../problems";
import type { Container, ContainerResources, PodPart, Variable, Volume, VolumeMount } from "./pod-part";
import {
  checkVaultAgent,
  CredentialsFile,
  vaultAgentConfiguration,
  VaultAgentConfigurationSettings,
  VaultAgentDatabase,
  vaultAgentPaths,
} from "./vault-agent-configuration";

export interface VaultAgentPodSettings extends VaultAgentConfigurationSettings {
  /** Image with `vault`, `sh`, `cat` and `test`, as in HashiCorp's own image, e.g. `hashicorp/vault:1.21`. */
  image: string;
  /** Name of the ConfigMap that contains `data`. */
  configMap: string;
  /** URL at which the pods reach Vault. Becomes VAULT_ADDR. */
  address: string;
  /** Namespace of Vault Enterprise. Becomes VAULT_NAMESPACE. Default: none. */
  namespace?: string;
  /** ConfigMap with the CAs that signed Vault's certificate. Becomes VAULT_CACERT. Default: the CAs of the image. */
  trustedCas?: { configMap: string; key: string };
  /** Name of the agent in its pod. It is part of the names of containers, volumes and folders. Default: `vault`. */
  name?: string;
  /**
   * User of the agent, who owns the files (mode 0640). Use the user that the application runs as, or any other user
   * if the application is in `runAsGroup`. Default: 65534, `nobody`.
   */
  runAsUser?: number;
  /** Group of the agent and its files. Default: `runAsUser`. */
  runAsGroup?: number;
  /** Default: requests of 20m CPU and 64Mi memory, and a limit of 256Mi memory. */
  resources?: ContainerResources;
}

/** Parts of a pod. */
export interface VaultAgentPod extends PodPart {
  /** Path of each file, as the application sees it. */
  files: Partial<Record<CredentialsFile, string>>;
}

const CONFIGURATION_FOLDER = "/etc/vault-agent";
const CAS_FOLDER = "/etc/vault-agent-cas";
/** Kubernetes renews the token after 80 % of its lifetime. 600 s is the minimum that Kubernetes allows. */
const ACCOUNT_TOKEN_SECONDS = 600;
const NOBODY = 65_534;
const DEFAULT_RESOURCES = { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "256Mi" } };
const PREFIX = "cnpg-teleport";
const DEFAULT_NAME = "vault";

/**
 * Returns the ConfigMap, sidecar, volumes and environment of an application that is the consumer of a role.
 *
 * The agent logs in with a token of the pod's service account, which only the agent can read. It keeps files with a
 * user and its password in the pod's memory. The files change, so applications must read them whenever they open a
 * connection.
 *
 * A user that is not renewed is dropped. When the pod ends, the agent revokes it (`revokeAtEnd`). If the agent cannot
 * do so, e.g. because the node is gone, the user is dropped after the consumer's `tokenTtl` or the role's
 * `defaultTtl`, whichever is shorter. PostgreSQL then closes its connections. Shortly before `maxTtl`, the agent
 * writes a new user, so connection pools must reconnect. If credentials were revoked in Vault, the agent notices it
 * at the next renewal, after about 70 % of `defaultTtl`.
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
  // Every file exists as soon as the agent has the first credentials.
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
    // The probes only matter at the start. An agent that cannot continue exits, so no liveness probe is needed.
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

/** libpq prefers the values of a service file to its other variables. */
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

/**
 * Runs Vault's agent. When the pod ends, the script revokes the agent's token, which also revokes the credentials.
 * The agent itself would leave both until they expire (its command/agent.go revokes nothing). Kubernetes stops a
 * sidecar after the application has ended (KEP-753); a preStop hook would not wait for that.
 *
 * If the agent exits by itself, the script keeps its token, so that the application can use its credentials until
 * Kubernetes has restarted the agent. The first `wait` also covers an agent that has already exited: the shell may
 * have reaped it, but remembers its exit code. A signal interrupts `wait`, so the loop waits until the agent has
 * exited.
 */
export const VAULT_AGENT_SCRIPT = `set -u
ending=
vault agent -config="$CONFIGURATION" &
agent=$!
trap 'ending=yes; kill -TERM "$agent" 2>/dev/null' TERM INT
wait "$agent"; code=$?
while kill -0 "$agent" 2>/dev/null; do wait "$agent"; code=$?; done
[ -n "$ending" ] || exit "$code"
if [ -s "$TOKEN" ]; then
  VAULT_TOKEN=$(cat "$TOKEN") VAULT_CLIENT_TIMEOUT=10 VAULT_MAX_RETRIES=1 vault token revoke -self
fi
exit 0
`;
