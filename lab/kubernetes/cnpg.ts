/** The CloudNativePG operator, installed from its release's manifest with the lab's images. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
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
/** The manifest has megabytes of definitions, so it is applied only when it changes, not by every `up`. */
const applied = join(STATE.kubernetes, "applied-operator");

export async function ensureOperator(): Promise<void> {
  const manifest = operatorManifest(readFileSync(recordedTools().files["operator.yaml"] ?? "", "utf8"));
  const hash = createHash("sha256").update(manifest).digest("hex");
  if (!existsSync(applied) || readTrimmed(applied) !== hash || !(await deployed())) {
    await kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], { input: manifest, limit: 180_000 });
    writeWhole(applied, `${hash}\n`);
  }
  await retryCrashed(OPERATOR_NAMESPACE, SELECTOR);
  await waitFor("the operator is ready", operatorReady, { limit: 180 });
  await waitFor("the operator's webhook answers", webhookAnswers, { limit: 60 });
}

export function operatorReady(): Promise<boolean> {
  return podReady(OPERATOR_NAMESPACE, SELECTOR, new Date(recorded("containerd")?.since ?? 0));
}

async function deployed(): Promise<boolean> {
  return (
    (await kubectl([
      "-n",
      OPERATOR_NAMESPACE,
      "get",
      "deployment",
      "cnpg-controller-manager",
      "--ignore-not-found",
    ])) !== ""
  );
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
function operatorManifest(release: string): string {
  const replaced = release
    .replaceAll(`ghcr.io/cloudnative-pg/cloudnative-pg:${VERSIONS.cnpg}`, IMAGES.operator)
    .replaceAll("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent")
    .replace(/^ +- --leader-elect\n/m, "") // a single operator needs no leader election, which would wait 15 s after a restart
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
