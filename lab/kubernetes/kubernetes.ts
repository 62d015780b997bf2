/** The lab's Kubernetes: etcd, the control plane, and a node with kubelet, kube-proxy and CoreDNS. */
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureCgroups } from "../host/cgroups";
import { ensureContainerd } from "./containers";
import { succeedsInside } from "../host/command";
import { Daemon, ensureDaemon, receivesDatagrams, recorded, waitUntilServes } from "../host/daemon";
import { kubectl } from "./kubectl";
import {
  corefile,
  kubeconfig,
  kubeletConfiguration,
  podNetwork,
  proxyConfiguration,
  storageClass,
} from "./configuration";
import { CLUSTER, NETWORK, STATE } from "../layout";
import { randomOnce, writeWhole } from "../host/private-file";
import { step } from "../host/progress";
import { tool } from "../build/tools";
import { ensureVolumes, POSTGRES_UID } from "./volumes";
import { waitFor } from "../host/wait";

const pki = join(STATE.kubernetes, "pki");
const serviceAccountKey = join(pki, "service-account.key");
const tokens = join(pki, "tokens.csv");
const serving = join(pki, "apiserver.crt"); // created by the API server itself
const configuration = (name: string) => join(STATE.kubernetes, name);

/** Names of the daemons, in the order in which they are started. */
export const KUBERNETES_DAEMONS = [
  "etcd",
  "kube-apiserver",
  "containerd",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "coredns",
];

export async function ensureKubernetes(images: string): Promise<void> {
  writeCredentials();
  await step("Kubernetes control plane", async () => {
    await ensureDaemon(etcd());
    await ensureDaemon(apiServer());
    await waitUntilServes("kube-apiserver", async () => (await kubectl(["get", "--raw", "/readyz"])) === "ok", 120);
    ensureVolumes();
    await ensureDaemon(controllerManager());
    await ensureDaemon(scheduler());
  });
  await step("container runtime and images", () => ensureContainerd(images));
  await step("Kubernetes node", async () => {
    ensureCgroups();
    // Services and DNS first: a pod that starts without them crashes, and its restart is delayed.
    await ensureDaemon(proxy());
    await ensureDaemon(coredns());
    await startKubelet();
    await kubectl(["apply", "-f", "-"], { input: storageClass });
    await waitUntilServes("kube-proxy", () => succeedsInside("nft", ["list", "table", "ip", "kube-proxy"]));
    await waitUntilServes("coredns", async () => receivesDatagrams("coredns", NETWORK.address, 53));
    await waitFor("the node is ready", nodeReady, { limit: 120 });
  });
}

/** Starts kubelet, unless it runs. */
export function startKubelet(): Promise<boolean> {
  return ensureDaemon(kubelet());
}

/** Whether the node is ready according to a heartbeat of this kubelet: an older one may be from before a restart. */
export async function nodeReady(): Promise<boolean> {
  const path =
    '{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].lastHeartbeatTime}';
  const [ready, heartbeat] = (await kubectl(["get", "node", CLUSTER.node, "-o", `jsonpath=${path}`])).split(" ");
  const since = new Date(recorded("kubelet")?.since ?? 0).getTime();
  return ready === "True" && new Date(heartbeat ?? 0).getTime() >= since - 1000;
}

/** Writes an admin token and a key for service accounts. The API server creates its own serving certificate. */
function writeCredentials(): void {
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  if (!existsSync(serviceAccountKey)) {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeWhole(serviceAccountKey, privateKey.export({ type: "pkcs1", format: "pem" }).toString());
  }
  const token = randomOnce(join(pki, "admin-token"));
  writeWhole(tokens, `${token},admin,admin,system:masters\n`);
  writeWhole(CLUSTER.kubeconfig, kubeconfig(serving, token));
  writeWhole(configuration("kubelet.json"), kubeletConfiguration);
  writeWhole(configuration("kube-proxy.json"), proxyConfiguration);
  writeWhole(configuration("Corefile"), corefile);
  writeWhole(configuration("cni/10-lab.conflist"), podNetwork);
}

function etcd(): Daemon {
  const [clients, peers] = ["http://127.0.0.1:2379", "http://127.0.0.1:2380"];
  return {
    name: "etcd",
    command: [
      tool("etcd"),
      `--data-dir=${STATE.etcd}`,
      "--unsafe-no-fsync",
      `--listen-client-urls=${clients}`,
      `--advertise-client-urls=${clients}`,
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=default=${peers}`,
      "--log-level=warn",
    ],
  };
}

function apiServer(): Daemon {
  return {
    name: "kube-apiserver",
    command: [
      tool("kube-apiserver"),
      "--etcd-servers=http://127.0.0.1:2379",
      `--bind-address=${NETWORK.address}`,
      `--advertise-address=${NETWORK.address}`,
      "--secure-port=6443",
      `--cert-dir=${pki}`,
      `--token-auth-file=${tokens}`,
      "--authorization-mode=RBAC",
      "--allow-privileged=true",
      `--service-cluster-ip-range=${NETWORK.services}`,
      "--kubelet-preferred-address-types=InternalIP", // with names, `exec` and `logs` would need a resolver
      `--service-account-issuer=https://kubernetes.default.svc.${CLUSTER.domain}`,
      `--service-account-key-file=${serviceAccountKey}`,
      `--service-account-signing-key-file=${serviceAccountKey}`,
    ],
  };
}

/**
 * Runs as PostgreSQL's user: its host-path provisioner creates directories with mode 0750 for its own user, and
 * kubelet does not change the owner of hostPath volumes. Its files are in a folder of root, so it needs the
 * capability to read them.
 */
function controllerManager(): Daemon {
  const capabilities = "-all,+dac_read_search";
  return {
    name: "kube-controller-manager",
    command: [
      "setpriv",
      `--reuid=${POSTGRES_UID}`,
      `--regid=${POSTGRES_UID}`,
      "--clear-groups",
      `--inh-caps=${capabilities}`,
      `--ambient-caps=${capabilities}`,
      `--bounding-set=${capabilities}`,
      tool("kube-controller-manager"),
      `--kubeconfig=${CLUSTER.kubeconfig}`,
      "--bind-address=127.0.0.1",
      "--leader-elect=false",
      "--use-service-account-credentials=false",
      `--service-account-private-key-file=${serviceAccountKey}`,
      `--root-ca-file=${serving}`,
      "--enable-hostpath-provisioner=true",
      "--allocate-node-cidrs=false",
    ],
  };
}

function scheduler(): Daemon {
  return {
    name: "kube-scheduler",
    command: [
      tool("kube-scheduler"),
      `--kubeconfig=${CLUSTER.kubeconfig}`,
      `--authentication-kubeconfig=${CLUSTER.kubeconfig}`,
      `--authorization-kubeconfig=${CLUSTER.kubeconfig}`,
      "--bind-address=127.0.0.1",
      "--leader-elect=false",
    ],
  };
}

function kubelet(): Daemon {
  return {
    name: "kubelet",
    command: [
      tool("kubelet"),
      `--config=${configuration("kubelet.json")}`,
      `--kubeconfig=${CLUSTER.kubeconfig}`,
      `--hostname-override=${CLUSTER.node}`,
      `--node-ip=${NETWORK.address}`,
      `--root-dir=${STATE.kubelet}`,
      `--cert-dir=${join(STATE.kubelet, "pki")}`,
    ],
    configuration: kubeletConfiguration,
  };
}

function proxy(): Daemon {
  const command = [tool("kube-proxy"), `--config=${configuration("kube-proxy.json")}`];
  return { name: "kube-proxy", command, configuration: proxyConfiguration };
}

function coredns(): Daemon {
  return { name: "coredns", command: [tool("coredns"), "-conf", configuration("Corefile")], configuration: corefile };
}
