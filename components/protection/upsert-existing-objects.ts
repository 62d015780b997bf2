/** Runs with PULUMI_K8S_UPSERT_EXISTING_OBJECTS, which add existing Kubernetes objects to the state. */
import { KubernetesError } from "../kubernetes/errors";

/**
 * Name of an environment variable of Pulumi's Kubernetes provider. From 4.29 on, the provider refuses to create an
 * object that exists. With the variable, it updates the object instead. One run with it adds the stack's own objects
 * to the state.
 */
export const UPSERT_EXISTING_OBJECTS = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS";

/**
 * Refuses to delete objects in a run with this variable. Such a run may have added the same objects to the state under
 * another resource.
 *
 * @throws KubernetesError "configuration"
 */
export function refuseDeletionWhileUpserting(environment: NodeJS.ProcessEnv = process.env): void {
  if (environment[UPSERT_EXISTING_OBJECTS] !== "true") return;
  throw new KubernetesError(
    "configuration",
    `A run with ${UPSERT_EXISTING_OBJECTS}=true deletes nothing, because it may have added the same objects to the state under another ` +
      "resource. If a resource of your program was moved or renamed, give it an alias, and remove duplicates in the state " +
      "with pulumi state delete. Otherwise run the command again without the variable.",
  );
}
