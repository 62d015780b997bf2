/** Keeps an update from a Cluster of the same name that is not the stack's. */
import type * as pulumi from "@pulumi/pulumi";
import { beforeUpdate } from "../hooks";
import { apiReader, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { recreated } from "./cluster-identity-operations";
import { Connect, findCluster } from "./taken-cluster";

/** The Cluster as the state has it. */
interface KnownCluster {
  metadata: { namespace: string; name: string; uid?: string };
}

/** Looks in previews as well. */
export function beforeClusterUpdate(resource: string, kubernetes: KubernetesConnection = {}): pulumi.ResourceHook[] {
  return beforeUpdate(
    `clusters/${resource}/identity`,
    async ({ oldOutputs }) => refuseRecreated(kubernetes, oldOutputs as KnownCluster),
    { onDryRun: true },
  );
}

/** @throws KubernetesError "configuration" if somebody made the Cluster anew */
export async function refuseRecreated(
  kubernetes: KubernetesConnection,
  { metadata: { namespace, name, uid } }: KnownCluster,
  connect: Connect = apiReader,
): Promise<void> {
  if (uid === undefined) return;
  const found = await findCluster(await connect(kubernetes), namespace, name);
  if (found === undefined || found.metadata.uid === uid) return;
  throw new KubernetesError("configuration", recreated({ namespace, cluster: name, uid }, found.metadata.uid));
}
