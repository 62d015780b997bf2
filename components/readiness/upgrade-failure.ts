/**
 * A major upgrade that failed. CloudNativePG runs pg_upgrade once, and keeps its Job until the former image is set again
 * (majorupgrade/reconciler.go). Pure.
 */
import { imageOfData, majorOfData } from "../cnpg/image";
import type { KubernetesObject } from "../kubernetes/client";
import { printable } from "../message-limits";
import { linesOfLog, reasonInLog } from "./initdb-failure";
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
  const reason = (log && (refusalInLog(log) ?? reasonInLog(log))) ?? `see \`kubectl -n ${namespace} logs ${pod}\``;
  return {
    text: `the upgrade from PostgreSQL ${majorOfData(cluster)} failed: ${reason}`,
    finalAfter: 0,
    remedy:
      `No data is lost. Set the image ${imageOfData(cluster)} again and run \`pulumi up\`, which starts the former version. ` +
      'See docs/upgrades.md, "If the upgrade fails".',
  };
}

/** What pg_upgrade says after the step that failed, e.g. `Checking for presence of required libraries fatal`. */
function refusalInLog(log: string): string | undefined {
  const lines = linesOfLog(log);
  const failed = lines.map((line) => /\s(fatal|failed)$|^\*failure\*/.test(line)).lastIndexOf(true);
  if (failed === -1) return undefined;
  const rest = lines.slice(failed);
  const end = rest.findIndex((line) => /^Failure, exiting/.test(line));
  const said = rest.slice(0, end === -1 ? MAX_LINES : end).join(" ");
  return printable(said.replace(/\s+/g, " ")).slice(0, MAX_LENGTH);
}

const MAX_LINES = 12;
const MAX_LENGTH = 1_000;
