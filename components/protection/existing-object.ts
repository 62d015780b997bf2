/** Whether an object in Kubernetes that is to be created exists already, and what to do then. */
import type { ApiReader } from "../kubernetes/client";
import { OWNER_LABEL } from "../teleport/document";
import { takenBy } from "./taken-cluster";

/**
 * Names the variable of Pulumi's Kubernetes provider by which it updates objects that exist, where it would otherwise refuse to
 * create them (4.29 and later). One run with it takes the stack's own objects up.
 */
export const TAKE_UP = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS";

/** Kinds that the components create, as the API server's paths name them. */
const PLURALS: Record<string, string> = {
  "v1/ConfigMap": "configmaps",
  "v1/Namespace": "namespaces",
  "v1/Secret": "secrets",
  "networking.k8s.io/v1/NetworkPolicy": "networkpolicies",
  "postgresql.cnpg.io/v1/Cluster": "clusters",
  "postgresql.cnpg.io/v1/Database": "databases",
  "postgresql.cnpg.io/v1/DatabaseRole": "databaseroles",
  "postgresql.cnpg.io/v1/Pooler": "poolers",
  "resources.teleport.dev/v1/TeleportDatabaseV3": "teleportdatabasesv3",
};

/** An object as it is to be created. What a preview does not know yet is no text. */
export interface NewObject {
  apiVersion?: unknown;
  kind?: unknown;
  metadata?: { name?: unknown; namespace?: unknown; annotations?: Record<string, unknown> };
}

/**
 * Why the object must not be created; undefined if its name is free, or not known yet.
 *
 * @param options.preview a preview cannot tell an object that the run would delete before from one that stays, so that it
 * passes what is the stack's own. Default: false
 * @param options.takesUp objects of the stack's own are taken up. Default: false
 * @throws KubernetesError if the API server refuses to tell, or does not answer
 */
export async function existing(
  api: ApiReader,
  { apiVersion, kind, metadata = {} }: NewObject,
  { preview = false, takesUp = false }: { preview?: boolean; takesUp?: boolean } = {},
): Promise<string | undefined> {
  const plural = PLURALS[`${String(apiVersion)}/${String(kind)}`];
  if (plural === undefined)
    throw new Error(`existing-object.ts does not know the kind ${String(apiVersion)}/${String(kind)}`);
  const { name, namespace, annotations = {} } = metadata;
  const owner = annotations[OWNER_LABEL];
  const isWhole = typeof name === "string" && typeof owner === "string";
  if (!isWhole || (kind !== "Namespace" && typeof namespace !== "string")) return undefined;
  const group = `${String(apiVersion).includes("/") ? "/apis" : "/api"}/${String(apiVersion)}`;
  const place = typeof namespace === "string" ? `/namespaces/${namespace}` : "";
  const found = (await api.read(`${group}${place}/${plural}/${name}`)) as FoundObject | undefined;
  if (found === undefined) return undefined;

  const what = `The ${String(kind)} ${typeof namespace === "string" ? `${namespace}/` : ""}${name}`;
  const whose = found.metadata.annotations?.[OWNER_LABEL];
  if (whose !== owner) return takenBy(what, whose, owner);
  if (preview) return undefined;
  if (found.metadata.deletionTimestamp !== undefined) {
    return `${what} is being deleted. Nothing was changed. Run pulumi up again when it is gone.`;
  }
  if (takesUp) return undefined;
  return (
    `${what} exists already. It is this stack's own, but the stack's state does not have it: a run was killed while it created ` +
    "the object, the object was left by onDelete: retain or by a Namespace that was not empty, or the state was lost. Nothing " +
    `was changed. Do not delete the object: run "${TAKE_UP}=true pulumi up" once, which takes it into the state as it is. ` +
    'Never use this together with --replace or --target-replace. See docs/operations.md, "Interrupted runs".'
  );
}

interface FoundObject {
  metadata: { annotations?: Record<string, string>; deletionTimestamp?: string };
}
