/** Hibernation and fencing that somebody set by hand, which an update of the Cluster must leave as they are. */
import { FENCING, HIBERNATION } from "./cnpg/sleep";
import { FIELD_MANAGER, KubernetesClient, KubernetesObject, ObjectReference } from "./kubernetes/client";
import { ownersOf } from "./kubernetes/field-owners";
import { PROVIDER_MANAGER } from "./owner";

/** Under which name annotations are kept. Not one that Pulumi's provider takes over from, nor the one that changes values. */
const KEEPER = `${FIELD_MANAGER}-keeps-by-hand`;
/**
 * How the names begin that Pulumi's provider takes fields over from before it applies its own, which then removes them
 * (`fixCSAFieldManagers`): kubectl's, its plugins', and the API server's for what nobody is known to have written.
 */
const TAKEN_OVER = ["kubectl", "before-first-apply"];

/**
 * Sees to it that the provider's update neither removes nor refuses these annotations: one that the settings do not declare
 * gets a further owner, and one that they declare gets the declared value, whoever has written another.
 *
 * @param declared the values that the settings declare
 * @throws KubernetesError if it could not be done
 */
export async function keepStopped(
  kubernetes: KubernetesClient,
  reference: ObjectReference,
  { metadata }: KubernetesObject,
  declared: Record<string, string> = {},
): Promise<void> {
  const { uid = "", annotations = {} } = metadata as { uid?: string; annotations?: Record<string, string> };
  const kept: Record<string, string> = {};
  const changed: Record<string, string> = {};
  for (const annotation of [HIBERNATION, FENCING]) {
    const [found, wanted] = [annotations[annotation], declared[annotation]];
    if (found === undefined || found === wanted) continue;
    const owners = ownersOf({ metadata } as KubernetesObject, "f:metadata", "f:annotations", `f:${annotation}`);
    if (wanted === undefined) {
      if (owners.some((owner) => owner === KEEPER || TAKEN_OVER.some((name) => owner.startsWith(name))))
        kept[annotation] = found;
    } else if (owners.some((owner) => !owner.startsWith(PROVIDER_MANAGER))) {
      changed[annotation] = wanted;
    }
  }
  if (Object.keys(changed).length > 0) await kubernetes.patch(reference, { metadata: { uid, annotations: changed } });
  if (Object.keys(kept).length > 0)
    await kubernetes.own(reference, { kind: "Cluster", metadata: { uid, annotations: kept } }, KEEPER);
}
