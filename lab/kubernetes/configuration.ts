/** The configuration files of the lab's Kubernetes. Pure. */
import { join } from "node:path";
import { CLUSTER, NETWORK, RUN, STATE } from "../layout";

const { address, pods } = NETWORK;

export function kubeconfig(certificateAuthority: string, token: string): string {
  const name = CLUSTER.node;
  return json({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: `https://${address}:6443`, "certificate-authority": certificateAuthority } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name, context: { cluster: name, user: "admin" } }],
    "current-context": name,
  });
}

export function containerdConfiguration(sandboxImage: string): string {
  return `version = 2
root = "${STATE.containerd}"
state = "${RUN.containerdState}"
[grpc]
  address = "${RUN.containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${sandboxImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${join(STATE.kubernetes, "cni")}"
`;
}

/** Every pod gets a point-to-point link, and the lab's address as its gateway. */
export const podNetwork = json({
  cniVersion: "0.4.0",
  name: CLUSTER.node,
  plugins: [
    {
      type: "ptp",
      ipMasq: false,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: pods }]],
        routes: [{ dst: "0.0.0.0/0" }],
        dataDir: RUN.podAddresses,
      },
    },
  ],
});

export const kubeletConfiguration = json({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  address,
  healthzBindAddress: "127.0.0.1",
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: "AlwaysAllow" },
  cgroupDriver: "cgroupfs",
  cgroupRoot: `/${CLUSTER.cgroup}`,
  failCgroupV1: false,
  failSwapOn: false,
  oomScoreAdj: 0, // a lower score needs CAP_SYS_RESOURCE
  clusterDNS: [address],
  clusterDomain: CLUSTER.domain,
  resolvConf: "",
  containerRuntimeEndpoint: `unix://${RUN.containerdSocket}`,
  evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
  imageGCHighThresholdPercent: 100, // the images are built here: a collected image cannot be pulled again
  imageGCLowThresholdPercent: 99,
  enforceNodeAllocatable: [],
  serializeImagePulls: false,
});

export const proxyConfiguration = json({
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  mode: "nftables",
  clientConnection: { kubeconfig: CLUSTER.kubeconfig },
  hostnameOverride: CLUSTER.node,
  clusterCIDR: pods,
  bindAddress: address,
  healthzBindAddress: "127.0.0.1:10256",
  metricsBindAddress: "127.0.0.1:10249",
  oomScoreAdj: 0,
  conntrack: { maxPerCore: 0 }, // 0: do not change the kernel's limit, which belongs to the machine and not to the namespace
});

export const corefile = `.:53 {
    bind ${address}
    errors
    cache 5
    kubernetes ${CLUSTER.domain} in-addr.arpa ip6.arpa {
        kubeconfig ${CLUSTER.kubeconfig}
    }
}
`;

export const storageClass = json({
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "hostpath", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: "kubernetes.io/host-path",
});

/** JSON is valid YAML, and the daemons read both. */
function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
