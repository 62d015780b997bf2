/** The CloudNativePG operator, installed from its release's manifest with the lab's images. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { recorded } from "../host/daemon";
import { IMAGES } from "../build/images";
import { kubectl, podReady, retryCrashed } from "./kubectl";
import { STATE } from "../layout";
import { readTrimmed, writeWhole } from "../host/private-file";
import { recordedTools } from "../build/tools";
import { VERSIONS } from "../versions";
import { waitFor } from "../host/wait";

export const OPERATOR_NAMESPACE = "cnpg-system";
const SELECTOR = "app.kubernetes.io/name=cloudnative-pg";
const DEPLOYMENT = ["-n", OPERATOR_NAMESPACE, "get", "deployment", "cnpg-controller-manager"];
/** The manifest has megabytes of definitions, so it is applied only when it changes, not by every `up`. */
const applied = join(STATE.kubernetes, "applied-operator");

/** A release of the operator, and how it is installed. */
export interface OperatorRelease {
  version: string;
  image: string;
  /** File with the release's manifest. */
  manifest: string;
  /**
   * Whether an operator works only while it is the elected leader. During an upgrade, the former one and the new one run at the
   * same time. Without an election, each of them would replace the pods of the other's version. Default: false, because a
   * single operator would wait 15 s for its election after a restart.
   */
  electsLeader?: boolean;
}

/** The operator of the lab. */
export function labOperator(): OperatorRelease {
  return {
    version: VERSIONS.cnpg,
    image: IMAGES.operator,
    manifest: recordedTools().files["operator.yaml"] ?? "",
  };
}

/** Installs the lab's operator, in place of any other. */
export function ensureOperator(): Promise<void> {
  return installOperator(labOperator());
}

/** Installs a release of the operator, in place of any other. */
export async function installOperator(release: OperatorRelease): Promise<void> {
  const manifest = operatorManifest(readFileSync(release.manifest, "utf8"), release);
  const hash = createHash("sha256").update(manifest).digest("hex");
  if (!existsSync(applied) || readTrimmed(applied) !== hash || !(await deployed())) {
    rmSync(applied, { force: true }); // so that an interruption is noticed
    await kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], { input: manifest, limit: 180_000 });
    writeWhole(applied, `${hash}\n`);
  }
  await retryCrashed(OPERATOR_NAMESPACE, SELECTOR);
  await waitFor("no former operator runs", rolledOut, { limit: 180 });
  await waitFor("the operator is ready", operatorReady, { limit: 180 });
  await waitFor("the operator's webhook answers", webhookAnswers, { limit: 60 });
}

/** Whether only the pod of the present manifest is left. Evicted pods are listed, but do not run. */
async function rolledOut(): Promise<boolean> {
  const printed = await kubectl([...DEPLOYMENT, "-o", "json"]);
  const { metadata, status } = JSON.parse(printed) as {
    metadata: { generation: number };
    status: { observedGeneration?: number; updatedReplicas?: number };
  };
  if (status.observedGeneration !== metadata.generation || status.updatedReplicas !== 1) return false;
  const running = ["-l", SELECTOR, "--field-selector=status.phase!=Failed,status.phase!=Succeeded", "-o", "name"];
  const pods = await kubectl(["-n", OPERATOR_NAMESPACE, "get", "pods", ...running]);
  return pods.trim().split("\n").length === 1;
}

export function operatorReady(): Promise<boolean> {
  return podReady(OPERATOR_NAMESPACE, SELECTOR, new Date(recorded("containerd")?.since ?? 0));
}

async function deployed(): Promise<boolean> {
  return (await kubectl([...DEPLOYMENT, "--ignore-not-found"])) !== "";
}

/** The API server calls the webhook for a dry run as for a real request. */
async function webhookAnswers(): Promise<boolean> {
  const cluster = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name: "webhook-check", namespace: "default" },
    spec: { instances: 1, storage: { size: "1Gi" } },
  };
  await kubectl(["create", "--dry-run=server", "-f", "-"], { input: JSON.stringify(cluster) });
  return true;
}

/** The release's manifest with the local images, and with as much CPU as there is, for a quick start. */
function operatorManifest(released: string, { version, image, electsLeader = false }: OperatorRelease): string {
  const replaced = released
    .replaceAll(`ghcr.io/cloudnative-pg/cloudnative-pg:${version}`, image)
    .replaceAll("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")
    .replace(/^ +- --leader-elect\n/m, (line) => (electsLeader ? line : ""))
    .replace(/(limits:\n\s+cpu: )100m/, '$1"2"')
    .replace(/(limits:\n\s+cpu: "2"\n\s+memory: )200Mi/, "$1500Mi");
  const defaults = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cnpg-controller-manager-config", namespace: OPERATOR_NAMESPACE },
    data: { POSTGRES_IMAGE_NAME: IMAGES.postgresql, PGBOUNCER_IMAGE_NAME: IMAGES.pgbouncer },
  };
  return `${replaced.trimEnd()}\n---\n${JSON.stringify(defaults)}\n`;
}
