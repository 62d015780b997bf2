/**
 * Joining Teleport by Kubernetes service accounts. The auth service asks the API server whose token it was shown, and takes
 * itself for a pod of that cluster to do so: it looks for the API server's address in two variables, and for its own token
 * at one path (`rest.InClusterConfig` of client-go). Here it is a process of the lab, so it gets the variables, and a mount
 * namespace of its own in which that path leads to a folder of the lab's state. The machine sees nothing of it.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../host/private-file";
import { waitFor } from "../host/wait";
import { kubectl } from "../kubernetes/kubectl";
import { CLUSTER, NETWORK, TELEPORT } from "../layout";

const NAMESPACE = "teleport-auth";
const NAME = "teleport-auth";
/** Hard-coded in client-go. */
const IN_POD = "/run/secrets/kubernetes.io/serviceaccount";
/** Mounts over /run, where the path is: Teleport uses nothing else there. Its arguments: the folder, the command. */
const MOUNT_AND_RUN = `mount -t tmpfs -o mode=0700 tmpfs /run && mkdir -p ${IN_POD} && mount --bind "$1" ${IN_POD} && shift && exec "$@"`;

/** The auth service's environment, as in a pod. */
export const inPodEnvironment = { KUBERNETES_SERVICE_HOST: NETWORK.address, KUBERNETES_SERVICE_PORT: "6443" };

/** A command as it is run with the folder of its service account where pods have it. */
export function withServiceAccount(command: readonly string[]): string[] {
  mkdirSync(TELEPORT.serviceAccount, { recursive: true, mode: 0o700 });
  return [
    ...["unshare", "--mount", "--propagation", "private"],
    ...["sh", "-c", MOUNT_AND_RUN, "teleport", TELEPORT.serviceAccount, ...command],
  ];
}

/** Makes the service account, which may ask whose a token is and nothing else, and puts its token into the folder. */
export async function ensureServiceAccount(): Promise<void> {
  await kubectl(["apply", "-f", "-"], { input: JSON.stringify(manifests) });
  let token = "";
  const made = async () => {
    const read = ["-n", NAMESPACE, "get", "secret", NAME, "--output=jsonpath={.data.token}"];
    token = Buffer.from(await kubectl(read), "base64").toString();
    return token !== "";
  };
  await waitFor("the token of Teleport's service account is made", made, { limit: 60 });
  writeWhole(join(TELEPORT.serviceAccount, "ca.crt"), authority());
  writeWhole(join(TELEPORT.serviceAccount, "token"), token);
}

/** What signs the API server's certificate. */
function authority(): string {
  const { clusters } = JSON.parse(readFileSync(CLUSTER.kubeconfig, "utf8")) as {
    clusters: { cluster: { "certificate-authority": string } }[];
  };
  return readFileSync(clusters[0]?.cluster["certificate-authority"] ?? "", "utf8");
}

const metadata = { name: NAME, namespace: NAMESPACE };
const manifests = {
  apiVersion: "v1",
  kind: "List",
  items: [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/service-account-token", // which does not expire: Teleport may run for weeks
      metadata: { ...metadata, annotations: { "kubernetes.io/service-account.name": NAME } },
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: NAME },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:auth-delegator" },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    },
  ],
};
