/**
 * Lets service accounts of Kubernetes join Teleport. The auth service asks the API server to review tokens, and for
 * that it assumes that it runs in a pod of that cluster: it reads the API server's address from two variables, and
 * its own token from a fixed path (`rest.InClusterConfig` of client-go). Here it is a process of the lab, so it gets
 * the variables, and its own mount namespace in which that path leads to a folder of the lab's state. The machine is
 * not affected.
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
/**
 * Mounts over /run, which contains the path and which Teleport does not use otherwise. Arguments: the folder, the
 * command.
 */
const MOUNT_AND_RUN = `mount -t tmpfs -o mode=0700 tmpfs /run && mkdir -p ${IN_POD} && mount --bind "$1" ${IN_POD} && shift && exec "$@"`;

/** The auth service's environment, as in a pod. */
export const inPodEnvironment = { KUBERNETES_SERVICE_HOST: NETWORK.address, KUBERNETES_SERVICE_PORT: "6443" };

/** A command that runs with the service account's folder at the path of pods. */
export function withServiceAccount(command: readonly string[]): string[] {
  mkdirSync(TELEPORT.serviceAccount, { recursive: true, mode: 0o700 });
  return [
    ...["unshare", "--mount", "--propagation", "private"],
    ...["sh", "-c", MOUNT_AND_RUN, "teleport", TELEPORT.serviceAccount, ...command],
  ];
}

/** Creates the service account, which may only review tokens, and writes its token into the folder. */
export async function ensureServiceAccount(): Promise<void> {
  await kubectl(["apply", "-f", "-"], { input: JSON.stringify(manifests) });
  let token = "";
  const made = async () => {
    const read = ["-n", NAMESPACE, "get", "secret", NAME, "--output=jsonpath={.data.token}"];
    token = Buffer.from(await kubectl(read), "base64").toString();
    return token !== "";
  };
  await waitFor("the token of Teleport's service account exists", made, { limit: 60 });
  writeWhole(join(TELEPORT.serviceAccount, "ca.crt"), authority());
  writeWhole(join(TELEPORT.serviceAccount, "token"), token);
}

/** The CA of the API server's certificate. */
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
      type: "kubernetes.io/service-account-token", // does not expire: Teleport may run for weeks
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
