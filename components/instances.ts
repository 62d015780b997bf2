/** Who decides how many instances a Cluster or Pooler has: the settings, or whoever scales it. */
import { FIELD_MANAGER, KubernetesClient, KubernetesObject, ObjectReference } from "./kubernetes/client";
import { ownersOf } from "./kubernetes/field-owners";
import { KEEPS_FIELD_MANAGER, PROVIDER_MANAGER } from "./owner";

/**
 * Options of a Cluster or Pooler. Whoever scales it owns `spec.instances` from then on, and the API server refuses who
 * applies another number: see takeInstancesBack. Where others may scale it, Pulumi's Kubernetes provider leaves a field that
 * changes are ignored of out of what it applies where it is another's, and applies the number that is there where it is its
 * own (`handleSSAIgnoreFields`): so the field is never given up either, which would set it to the default of 1.
 */
export function keepsInstances({ scaledByOthers = false }: { scaledByOthers?: boolean }): { ignoreChanges: string[] } {
  if (!scaledByOthers) return KEEPS_FIELD_MANAGER;
  return { ignoreChanges: [...KEEPS_FIELD_MANAGER.ignoreChanges, "spec.instances"] };
}

/**
 * Sets `spec.instances` of what was found to the declared number where somebody else owns it with another one, so that the provider can apply
 * it.
 *
 * @throws KubernetesError if it could not be done
 */
export async function takeInstancesBack(
  kubernetes: KubernetesClient,
  reference: ObjectReference,
  found: KubernetesObject,
  declared: number,
): Promise<void> {
  if (found.spec?.instances === declared) return;
  const others = ownersOf(found, "f:spec", "f:instances").filter((manager) => !manager.startsWith(PROVIDER_MANAGER));
  if (others.length === 0) return;
  await kubernetes.patch(reference, { metadata: { uid: found.metadata.uid }, spec: { instances: declared } });
  const scaledBy = others.filter((manager) => manager !== FIELD_MANAGER);
  if (scaledBy.length === 0) return; // by an earlier run, from here
  console.error(
    `${reference.namespace}/${reference.name} was scaled to ${String(found.spec?.instances)} by ${scaledBy.join(", ")}. ` +
      `It gets ${declared} again, as declared. To leave the number to others, set scaledByOthers: true.`,
  );
}
