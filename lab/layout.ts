/** All paths and addresses of the lab, and nothing else. Pure. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** A folder that a variable names. The XDG specification says to ignore relative paths. */
const folderOf = (named: string | undefined, usual: string) =>
  named && isAbsolute(named) ? named : join(homedir(), usual);

const cache = join(folderOf(process.env.XDG_CACHE_HOME, ".cache"), "cnpg-teleport");
const state = join(folderOf(process.env.XDG_STATE_HOME, ".local/state"), "cnpg-teleport", "lab");
/** Sockets and other files that must not survive a reboot. The same for every user, since a machine has one lab. */
const run = "/run/cnpg-teleport-lab";

/** The checkout, which is the Pulumi project. */
export const PROJECT = join(__dirname, "..");

export const CACHE = {
  root: cache,
  tools: join(cache, "tools"),
  /** Go's own caches, which exist only while tools are built. */
  go: join(cache, "go"),
  goBuild: join(cache, "go", "build"),
  goModules: join(cache, "go", "mod"),
  goWork: join(cache, "go", "work"),
  images: join(cache, "images"),
  logs: join(cache, "logs"),
  lock: join(cache, "lock"),
};

export const STATE = {
  root: state,
  logs: join(state, "logs"),
  pids: join(state, "pids"),
  pki: join(state, "pki"),
  etcd: join(state, "etcd"),
  containerd: join(state, "containerd"),
  kubelet: join(state, "kubelet"),
  kubernetes: join(state, "kubernetes"),
  volumes: join(state, "volumes"),
  vault: join(state, "vault"),
  s3: join(state, "s3"),
  teleport: join(state, "teleport"),
  pulumi: join(state, "pulumi"),
  bin: join(state, "bin"),
  /** Programs, packages and engines of `npm run test:compat`, which removes them at its end. */
  compat: join(state, "compat"),
  lock: join(state, "lock"),
};

export const RUN = {
  root: run,
  owner: join(run, "owner.json"),
  containerdSocket: join(run, "containerd.sock"),
  containerdState: join(run, "containerd"),
  podAddresses: join(run, "ipam"),
  vaultSocket: join(run, "vault.sock"),
  s3Socket: join(run, "s3.sock"),
};

export const NETWORK = {
  namespace: "cnpg-teleport",
  handle: "/run/netns/cnpg-teleport",
  /** The lab's only address: node, API server, DNS, Vault, S3 and Teleport. */
  address: "10.200.0.1",
  services: "10.96.0.0/16",
  pods: "10.244.0.0/24",
  /** The file that `ip netns exec` mounts over /etc/resolv.conf. */
  resolver: "/etc/netns/cnpg-teleport/resolv.conf",
};

export const CLUSTER = {
  domain: "cluster.local",
  node: "lab",
  kubeconfig: join(STATE.kubernetes, "kubeconfig"),
  /** Hard-coded in kube-controller-manager. A link to STATE.volumes. */
  hostPathVolumes: "/tmp/hostpath_pv",
  /** Parent of the pods' cgroups, so that this kubelet and another one on the machine do not interfere. */
  cgroup: "cnpg-teleport-lab",
};

/** CA of the lab's own servers (Vault, S3, Teleport), and a bundle of it and the system's CAs. */
export const PKI = {
  caKey: join(STATE.pki, "ca.key"),
  ca: join(STATE.pki, "ca.crt"),
  bundle: join(STATE.pki, "bundle.crt"),
};

export const VAULT = {
  address: `https://${NETWORK.address}:8200`,
  rootToken: join(STATE.vault, "root-token"),
  unsealKey: join(STATE.vault, "unseal-key"),
  roleId: join(STATE.vault, "role-id"),
  secretId: join(STATE.vault, "secret-id"),
};

export const S3 = {
  address: `https://${NETWORK.address}:9000`,
  region: "us-east-1",
  /** Each bucket has a key pair of its own. The second one is for tests of what the first must not reach. */
  buckets: ["backups", "other-backups"],
  /** The objects as files: `<bucket>/<key>`. */
  objects: join(STATE.s3, "objects"),
  accessKeyId: (bucket: string) => join(STATE.s3, "keys", bucket, "access-key-id"),
  secretAccessKey: (bucket: string) => join(STATE.s3, "keys", bucket, "secret-access-key"),
};

export const TELEPORT = {
  proxy: `${NETWORK.address}:3080`,
  auth: `${NETWORK.address}:3025`,
  configuration: join(STATE.teleport, "teleport.yaml"),
  joinToken: join(STATE.teleport, "join-token"),
  /** Credentials with which the auth service asks Kubernetes to review tokens. */
  serviceAccount: join(STATE.teleport, "service-account"),
  identity: (user: string) => join(STATE.teleport, `${user}.identity`),
};

export const PULUMI = {
  home: join(STATE.pulumi, "home"),
  backend: join(STATE.pulumi, "backend"),
  passphrase: join(STATE.pulumi, "passphrase"),
  transpiled: join(STATE.pulumi, "transpiled"),
};

/**
 * Exit codes of `npm run lab -- status`. Scripts use them to decide whether to repair the lab, or to start it and stop it
 * afterwards.
 */
export const STATUS_CODE = { healthy: 0, unhealthy: 1, absent: 3 };
