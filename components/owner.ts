/** Whose something is: the resource of a stack that made it. */
import * as pulumi from "@pulumi/pulumi";
import { OWNER_LABEL } from "./teleport/document";

/** `<organization>/<project>/<stack>/<resource>`, for this stack. */
export function ownerOf(resource: string): string {
  return `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}/${resource}`;
}

/**
 * An annotation that says whose an object in Kubernetes is. Providers before 4.29 take an object over that exists, and the
 * destroy of the stack that did so would remove what another stack made. With server-side apply the API server refuses
 * what another field manager wrote otherwise (https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts):
 * an annotation that differs from stack to stack makes that refusal certain, before anything of the object is changed. The
 * stack's own manager is kept in its state, so that a stack that was renamed writes its new name.
 */
export function ownedBy(resource: string): Record<string, string> {
  return { [OWNER_LABEL]: ownerOf(resource) };
}
