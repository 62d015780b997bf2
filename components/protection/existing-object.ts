/** Checks, before an object is created in Kubernetes, whether it exists already, and says what to do then. */
import type { ApiReader } from "../kubernetes/client";
import { OWNER_LABEL } from "../teleport/document";
import { takenBy } from "./taken-cluster";

/**
 * Name of an environment variable of Pulumi's Kubernetes provider. From 4.29 on, the provider refuses to create an object that
 * exists. With the variable, it updates the object instead. One run with it takes the stack's own objects into the state.
 */
export const TAKE_UP = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS";

/** Kinds that the components create, with their names in the API server's paths. */
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

/** The object to create. A value that a preview does not know yet is not a string. */
export interface NewObject {
  apiVersion?: unknown;
  kind?: unknown;
  metadata?: { name?: unknown; namespace?: unknown; annotations?: Record<string, unknown> };
}

/**
 * Why the object must not be created. Undefined if its name is free, or not known yet.
 *
 * @param options.preview whether this is a preview. It accepts the stack's own objects, because it cannot know whether the run
 * would delete them first. Default: false
 * @param options.takesUp whether to take the stack's own objects into the state. Default: false
 * @throws KubernetesError if the API server denies the request, or does not answer
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
    `${what} exists already. It is this stack's own, but it is not in the stack's state. Possible causes: a run was killed while ` +
    "it created the object; onDelete: retain, or a Namespace that was not empty, kept the object; the state was lost. " +
    `Nothing was changed. Do not delete the object. Instead, run "${TAKE_UP}=true pulumi up" once: it takes the object into the ` +
    'state. Never use this variable together with --replace or --target-replace. See docs/operations.md, "Interrupted runs".'
  );
}

interface FoundObject {
  metadata: { annotations?: Record<string, string>; deletionTimestamp?: string };
}
