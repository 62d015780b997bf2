/** Runs that take existing Kubernetes objects into the state. */
import { KubernetesError } from "../kubernetes/errors";

/**
 * Name of an environment variable of Pulumi's Kubernetes provider. From 4.29 on, the provider refuses to create an
 * object that exists. With the variable, it updates the object instead. One run with it takes the stack's own objects
 * into the state.
 */
export const TAKE_UP = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS";

/**
 * Keeps a run that takes objects into the state from deleting objects: it may have taken the same objects under another
 * resource.
 *
 * @throws KubernetesError "configuration"
 */
export function refuseWhileTakingUp(environment: NodeJS.ProcessEnv = process.env): void {
  if (environment[TAKE_UP] !== "true") return;
  throw new KubernetesError(
    "configuration",
    `A run with ${TAKE_UP}=true deletes nothing, because it may have taken the same objects into the state under another ` +
      "resource. If a resource of your program was moved or renamed, give it an alias, and remove duplicates in the state " +
      "with pulumi state delete. Otherwise run the command again without the variable.",
  );
}
