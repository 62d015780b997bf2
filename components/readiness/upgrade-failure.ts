/**
 * A major upgrade that failed. CloudNativePG runs pg_upgrade once, and keeps its Job until the former image is set again
 * (majorupgrade/reconciler.go). Pure.
 */
import { imageOfData, majorOfData } from "../cnpg/image";
import type { KubernetesObject } from "../kubernetes/client";
import { reasonInLog } from "./initdb-failure";
import type { Problem } from "./reasons";

/** The purpose, and the container, of the Job that upgrades the data to another major version. */
export const MAJOR_UPGRADE = "major-upgrade";

/** The pod in which an upgrade failed. Undefined if none failed. */
export function failedUpgrade(pods: readonly KubernetesObject[]): string | undefined {
  const role = ({ metadata }: KubernetesObject) =>
    (metadata.labels as Record<string, string> | undefined)?.["cnpg.io/jobRole"];
  const isFailed = (pod: KubernetesObject) =>
    role(pod) === MAJOR_UPGRADE && pod.status?.phase === "Failed" && !pod.metadata.deletionTimestamp;
  return pods.find(isFailed)?.metadata.name;
}

/** The problem of a failed upgrade. `log` is that of the pod, or undefined if it may not be read. */
export function upgradeProblem(cluster: KubernetesObject, pod: string, log: string | undefined): Problem {
  const { namespace } = cluster.metadata as { namespace?: string };
  const reason = (log && reasonInLog(log)) ?? `see \`kubectl -n ${namespace} logs ${pod}\``;
  return {
    text: `the upgrade from PostgreSQL ${majorOfData(cluster)} failed: ${reason}`,
    finalAfter: 0,
    remedy:
      `No data is lost. Set the image ${imageOfData(cluster)} again and run \`pulumi up\`, which starts the former version. ` +
      'See docs/upgrades.md, "If the upgrade fails".',
  };
}
