/** Whose something is: the resource of a stack that made it. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { OWNER_LABEL } from "../owner-label";
import { FIELD_MANAGER, PROVIDER_MANAGER } from "./field-owners";

/** `<organization>/<project>/<stack>/<resource>`, for this stack. */
export function ownerOf(resource: string): string {
  return `${stackPrefix()}${resource}`;
}

/** `<organization>/<project>/<stack>/`: how the owners of everything that this stack makes begin. */
export function stackPrefix(): string {
  return `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}/`;
}

/**
 * Annotations of an object in Kubernetes that is made for a resource: whose it is, and under which name it is written.
 * Options of the object: `KEEPS_FIELD_MANAGER`.
 *
 * **Whose it is.** Providers before 4.29 take an object over that exists, and the destroy of the stack that did so would
 * remove what another stack made. With server-side apply the API server refuses what another field manager wrote otherwise
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts): an annotation that differs from stack to
 * stack makes that refusal certain, before anything of the object is changed.
 *
 * **Under which name.** The provider makes one up at each creation. When the engine is killed while it waits for an object,
 * the next run creates it again: the first name would own all fields beside the second, and refuse every later change. It
 * begins as the provider's own: from 4.29 on it creates without server-side apply, and takes over from such names alone what
 * they own by that (`fixCSAFieldManagers`).
 */
export function ownedBy(resource: string): Record<string, string> {
  const owner = ownerOf(resource);
  const digest = createHash("sha256").update(owner).digest("hex").slice(0, 16);
  return { [OWNER_LABEL]: owner, [FIELD_MANAGER]: `${PROVIDER_MANAGER}-${digest}` };
}
