/**
 * The Teleport agent: a Deployment in the cluster that joins the lab's Teleport and serves databases with the
 * program's label, like the chart teleport-kube-agent.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { recorded } from "../host/daemon";
import { IMAGES } from "../build/images";
import { kubectl, podReady, retryCrashed } from "../kubernetes/kubectl";
import { PKI, TELEPORT } from "../layout";
import { readTrimmed } from "../host/private-file";
import { waitFor } from "../host/wait";
import { agentService } from "./configuration";
import { ensureServiceAccount } from "./kubernetes-join";

const NAMESPACE = "teleport-agent";
const SELECTOR = "app=teleport-agent";
const FOLDERS = {
  configuration: "/etc/teleport",
  ca: "/etc/teleport-ca",
  token: "/etc/teleport-token",
  data: "/var/lib/teleport",
};

export async function ensureAgent(): Promise<void> {
  await ensureServiceAccount(); // needs both Kubernetes and Teleport
  await kubectl(["apply", "-f", "-"], { input: JSON.stringify(manifests()) });
  await retryCrashed(NAMESPACE, SELECTOR);
  await waitFor("the Teleport agent is ready", agentReady, { limit: 180 });
}

export function agentReady(): Promise<boolean> {
  return podReady(NAMESPACE, SELECTOR, new Date(recorded("containerd")?.since ?? 0));
}

function manifests(): object {
  const metadata = { name: "teleport-agent", namespace: NAMESPACE };
  const labels = { app: "teleport-agent" };
  const data = {
    configuration: { "teleport.yaml": JSON.stringify(configuration) },
    ca: { "ca.crt": readFileSync(PKI.ca, "utf8") },
    token: { token: readTrimmed(TELEPORT.joinToken) },
  };
  const checksum = createHash("sha256").update(JSON.stringify(data)).digest("hex");
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
      { apiVersion: "v1", kind: "ConfigMap", metadata, data: data.configuration },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { ...metadata, name: "teleport-ca" }, data: data.ca },
      { apiVersion: "v1", kind: "Secret", metadata: { ...metadata, name: "teleport-token" }, stringData: data.token },
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata,
        spec: {
          replicas: 1,
          strategy: { type: "Recreate" },
          selector: { matchLabels: labels },
          template: { metadata: { labels, annotations: { "lab/configuration": checksum } }, spec: podSpec },
        },
      },
    ],
  };
}

const configuration = {
  version: "v3",
  teleport: {
    nodename: "teleport-agent",
    join_params: { method: "token", token_name: `${FOLDERS.token}/token` }, // Teleport reads the token from this path
    proxy_server: TELEPORT.proxy,
    log: { output: "stderr", severity: "INFO" },
  },
  auth_service: { enabled: "no" },
  proxy_service: { enabled: "no" },
  ssh_service: { enabled: "no" },
  db_service: agentService,
};

const podSpec = {
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 5,
  containers: [
    {
      name: "teleport",
      image: IMAGES.teleport,
      imagePullPolicy: "IfNotPresent",
      args: ["start", `--config=${FOLDERS.configuration}/teleport.yaml`, "--diag-addr=0.0.0.0:3000"],
      env: [{ name: "SSL_CERT_FILE", value: `${FOLDERS.ca}/ca.crt` }],
      readinessProbe: { httpGet: { path: "/readyz", port: 3000 }, periodSeconds: 2, failureThreshold: 12 },
      resources: { requests: { cpu: "50m", memory: "128Mi" } },
      volumeMounts: Object.entries(FOLDERS).map(([name, mountPath]) => ({ name, mountPath })),
    },
  ],
  volumes: [
    { name: "configuration", configMap: { name: "teleport-agent" } },
    { name: "ca", configMap: { name: "teleport-ca" } },
    { name: "token", secret: { secretName: "teleport-token" } },
    { name: "data", emptyDir: {} },
  ],
};
