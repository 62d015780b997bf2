/** The owner of an object: the resource of a stack that created it. */
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
 * Annotations of an object in Kubernetes: its owner and its field manager. Use them with the option
 * `KEEPS_FIELD_MANAGER`.
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
