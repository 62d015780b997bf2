/**
 * What objects get that Pulumi's Kubernetes provider writes: their owner, which is the resource of a stack that created them,
 * their field manager, and how they are deleted.
 */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { OWNER_LABEL } from "../owner-label";
import { FIELD_MANAGER, PROVIDER_MANAGER } from "./field-owners";

/** `<organization>/<project>/<stack>/<resource>`, for this stack. */
export function ownerOf(resource: string): string {
  return `${stackPrefix()}${resource}`;
}

/** `<organization>/<project>/<stack>/`: the prefix of the owners of everything that this stack creates. */
export function stackPrefix(): string {
  return `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}/`;
}

/**
 * Annotations of an object in Kubernetes: its owner and its field manager. Use them with the option `KEEPS_FIELD_MANAGER`
 * of field-owners.ts.
 *
 * **Owner.** Providers before 4.29 take over an object that already exists. A destroy of that stack would then remove
 * what another stack created. With server-side apply, the API server refuses a value that differs from another field
 * manager's (https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts). The owner differs from stack
 * to stack, so the API server always refuses, before anything of the object is changed.
 *
 * **Field manager.** By default, the provider invents a name at each creation. If the engine is killed while it waits
 * for an object, the next run creates the object again. The first name would then own all fields too, and block every
 * later change. So the name is fixed. It begins like the provider's own names: from 4.29 on, the provider creates
 * objects without server-side apply, and later takes over such fields only from these names (`fixCSAFieldManagers`).
 */
export function ownedBy(resource: string): Record<string, string> {
  const owner = ownerOf(resource);
  const digest = createHash("sha256").update(owner).digest("hex").slice(0, 16);
  return { [OWNER_LABEL]: owner, [FIELD_MANAGER]: `${PROVIDER_MANAGER}-${digest}` };
}

/**
 * An annotation that makes Pulumi's Kubernetes provider delete an object in the background. The provider's default,
 * dependents first, has two problems. If the object disappears between the provider's first read and the start of its
 * watch, the provider waits until its limit of ten minutes (seen with providers as of September 2024). And CNPG 1.30
 * recreates the Deployment of a Pooler as long as the Pooler exists, even if it is being deleted, so the deletion never
 * ends. In the background, the object disappears at once, and the garbage collector deletes its dependents.
 */
export const BACKGROUND_DELETION = { "pulumi.com/deletionPropagationPolicy": "background" };

/**
 * For objects that a finalizer keeps for a moment: when its wait ends by this limit, the provider reads once more and
 * succeeds.
 */
export const SHORT_DELETION = { delete: "2m" };
