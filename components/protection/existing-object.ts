/** Checks, before an object is created in Kubernetes, whether it exists already, and says what to do then. */
import type { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { FIELD_MANAGER, PROVIDER_MANAGER } from "../owner";
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

/** The object to create. */
export interface NewObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations: Record<string, string> };
}

/**
 * Why the object must not be created. Undefined if no object has its name, or if this run takes the stack's own objects into
 * the state. Then the object is prepared for that.
 *
 * @throws KubernetesError if the API server denies the request, or does not answer
 */
export async function existing(
  kubernetes: Pick<KubernetesClient, "get" | "patch">,
  { apiVersion, kind, metadata }: NewObject,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const { name, namespace = "", annotations } = metadata;
  const plural = PLURALS[`${apiVersion}/${kind}`];
  const owner = annotations[OWNER_LABEL];
  if (plural === undefined || owner === undefined)
    throw new Error(`existing-object.ts does not know the kind ${apiVersion}/${kind}, or the object has no owner`);
  const reference = { apiVersion, plural, namespace, name };
  const found = await kubernetes.get(reference);
  if (found === undefined) return undefined;

  const whose = (found.metadata.annotations as Record<string, string> | undefined)?.[OWNER_LABEL];
  if (whose !== owner) return takenBy({ kind, namespace, name }, whose, owner);
  const what = `The ${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;
  if (found.metadata.deletionTimestamp !== undefined) {
    return `${what} is being deleted. It was not changed. Run pulumi up again when it is gone.`;
  }
  if (environment[TAKE_UP] !== "true") {
    return (
      `${what} exists already. It is this stack's own, but the stack's state does not have it under this resource. Possible ` +
      "causes: a run was killed while it created the object; onDelete: retain, or a Namespace that was not empty, kept the " +
      "object; the state was lost. The object was not changed. Do not delete it. Instead, run " +
      `"${TAKE_UP}=true pulumi up" once: it takes the object into the state. But if a resource of your program was moved or ` +
      "renamed, give it an alias instead; and never use the variable together with --replace, --target-replace or pulumi state " +
      'taint, because the object would be deleted afterwards. See docs/operations.md, "Interrupted runs".'
    );
  }
  const managedFields = withoutProvider(found, annotations[FIELD_MANAGER]);
  if (managedFields !== undefined) {
    const { resourceVersion } = found.metadata;
    await kubernetes.patch(reference, { metadata: { resourceVersion, managedFields } });
  }
  return undefined;
}

interface ManagedFields {
  manager?: string;
  operation?: string;
  [field: string]: unknown;
}

/**
 * Who owns the object's fields, without Pulumi's Kubernetes provider: it creates objects under another name than it updates
 * them, and would then be refused by itself for each value that differs. Undefined if it owns nothing under another name than
 * `now`. The API server would give all fields to somebody else if nobody owned any, so that the owner's annotation is ours.
 */
function withoutProvider({ apiVersion, metadata }: KubernetesObject, now?: string): ManagedFields[] | undefined {
  const { managedFields = [] } = metadata as { managedFields?: ManagedFields[] };
  const stays = ({ manager = "", operation }: ManagedFields) =>
    !manager.startsWith(PROVIDER_MANAGER) || (manager === now && operation === "Apply");
  if (managedFields.every(stays)) return undefined;
  const annotation = { "f:metadata": { "f:annotations": { [`f:${OWNER_LABEL}`]: {} } } };
  const ours = { manager: "cnpg-teleport", operation: "Update", fieldsType: "FieldsV1", fieldsV1: annotation };
  return [...managedFields.filter(stays), { ...ours, apiVersion }];
}

/**
 * Keeps a run that takes objects into the state from deleting any: it may have taken the same objects, under another resource.
 *
 * @throws KubernetesError "configuration"
 */
export function refuseWhileTakingUp(environment: NodeJS.ProcessEnv = process.env): void {
  if (environment[TAKE_UP] !== "true") return;
  throw new KubernetesError(
    "configuration",
    `A run with ${TAKE_UP}=true deletes nothing, because it may have taken the same objects into the state under another ` +
      "resource. If a resource of your program was moved or renamed, give it an alias, and remove what is twice in the state " +
      "with pulumi state delete. Otherwise run the command again without the variable.",
  );
}
