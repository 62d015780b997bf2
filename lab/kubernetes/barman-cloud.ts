/**
 * CloudNativePG's Barman Cloud plugin, which backs Clusters up to object stores and restores them. It runs in the
 * operator's namespace. The operator finds it by the label of its Service, and both verify each other's certificates.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { IMAGES } from "../build/images";
import { recordedTools } from "../build/tools";
import { ensureAuthority, ensureCertificate } from "../certificates";
import { recorded } from "../host/daemon";
import { waitFor } from "../host/wait";
import { PKI } from "../layout";
import { kubectl, podReady, retryCrashed } from "./kubectl";
import { OPERATOR_NAMESPACE } from "./cnpg";

/** Name of the plugin in Clusters and Backups. */
const PLUGIN = "barman-cloud.cloudnative-pg.io";
/** Name of the Service. The operator expects it in the plugin's certificate. */
const NAME = "barman-cloud";
/** Name of the plugin's ClusterRole in its module. */
const ROLE = "plugin-barman-cloud";
const SECRETS = { server: "barman-cloud-server-tls", client: "barman-cloud-client-tls" };
const PORT = 9090;
const SELECTOR = `app=${NAME}`;
/** The operator's manifest has the same namespace, with labels that belong to its own field manager. */
const APPLY = ["apply", "--server-side", "--force-conflicts", "--field-manager=lab-barman-cloud", "-f", "-"];

export async function ensureBarmanCloud(): Promise<void> {
  await kubectl(APPLY, { input: await manifests(), limit: 120_000 });
  await retryCrashed(OPERATOR_NAMESPACE, SELECTOR);
  await waitFor("the Barman Cloud plugin is ready", barmanCloudReady, { limit: 180 });
}

export function barmanCloudReady(): Promise<boolean> {
  return podReady(OPERATOR_NAMESPACE, SELECTOR, new Date(recorded("containerd")?.since ?? 0));
}

/** The definition of ObjectStore and the ClusterRole of the plugin's module, and what runs the plugin. */
async function manifests(): Promise<string> {
  const { files } = recordedTools();
  const released = ["objectstores.yaml", "barman-cloud-role.yaml"].map((name) =>
    readFileSync(files[name] ?? "", "utf8"),
  );
  return [...released, JSON.stringify({ apiVersion: "v1", kind: "List", items: await items() })].join("\n---\n");
}

async function items(): Promise<object[]> {
  const certificates = await ensureCertificates();
  const revision = createHash("sha256").update(JSON.stringify(certificates)).digest("hex").slice(0, 16);
  const metadata = { name: NAME, namespace: OPERATOR_NAMESPACE, labels: { app: NAME } };
  const account = { name: ROLE, namespace: OPERATOR_NAMESPACE };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: OPERATOR_NAMESPACE } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: account },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: `${ROLE}-binding` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: ROLE },
      subjects: [{ kind: "ServiceAccount", ...account }],
    },
    ...certificates,
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, "cnpg.io/pluginName": PLUGIN },
        annotations: {
          "cnpg.io/pluginClientSecret": SECRETS.client,
          "cnpg.io/pluginServerSecret": SECRETS.server,
          "cnpg.io/pluginPort": String(PORT),
        },
      },
      spec: { ports: [{ port: PORT, protocol: "TCP", targetPort: PORT }], selector: { app: NAME } },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 1,
        strategy: { type: "Recreate" },
        selector: { matchLabels: { app: NAME } },
        template: {
          metadata: { labels: { app: NAME }, annotations: { "lab/certificates": revision } },
          spec: podSpec,
        },
      },
    },
  ];
}

/**
 * The Secrets of the plugin and of the operator as its client. Each side trusts all certificates in the other's
 * Secret. The CA is one of them: the operator shows its certificate only to a server that asks for one of its CA.
 */
async function ensureCertificates(): Promise<object[]> {
  await ensureAuthority();
  const server = await ensureCertificate(NAME, { commonName: NAME, names: `DNS:${NAME}`, usage: "serverAuth" });
  const client = `${NAME}-client`;
  const operator = await ensureCertificate(client, { commonName: client, names: `DNS:${client}`, usage: "clientAuth" });
  return [
    { name: SECRETS.server, pair: server },
    { name: SECRETS.client, pair: operator },
  ].map(({ name, pair }) => ({
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/tls",
    metadata: { name, namespace: OPERATOR_NAMESPACE },
    data: { "tls.crt": base64(pair.certificate, PKI.ca), "tls.key": base64(pair.key) },
  }));
}

function base64(...files: string[]): string {
  return Buffer.concat(files.map((file) => readFileSync(file))).toString("base64");
}

const MOUNTS = { server: "/server", client: "/client" };

/** As in the plugin's manifest, without leader election: a single pod would wait 15 s for it after a restart. */
const podSpec = {
  serviceAccountName: ROLE,
  terminationGracePeriodSeconds: 5,
  securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  containers: [
    {
      name: NAME,
      image: IMAGES.barmanCloud,
      imagePullPolicy: "IfNotPresent",
      args: [
        "operator",
        `--server-cert=${MOUNTS.server}/tls.crt`,
        `--server-key=${MOUNTS.server}/tls.key`,
        `--client-cert=${MOUNTS.client}/tls.crt`,
        `--server-address=:${PORT}`,
      ],
      env: [{ name: "SIDECAR_IMAGE", value: IMAGES.barmanCloudSidecar }],
      ports: [{ containerPort: PORT, protocol: "TCP" }],
      readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1, failureThreshold: 30 },
      resources: { requests: { cpu: "20m", memory: "64Mi" } },
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        readOnlyRootFilesystem: true,
        runAsUser: 10001,
        runAsGroup: 10001,
      },
      volumeMounts: Object.entries(MOUNTS).map(([name, mountPath]) => ({ name, mountPath, readOnly: true })),
    },
  ],
  volumes: [
    { name: "server", secret: { secretName: SECRETS.server } },
    { name: "client", secret: { secretName: SECRETS.client } },
  ],
};
