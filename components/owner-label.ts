/** The label, or in Kubernetes the annotation, that names the owner of an object. Pure. */

/**
 * The label of everything that this program registered: `<organization>/<project>/<stack>/<resource>#<registration>`.
 * The part before `#` is the owner: a resource of a stack. The part after it is new for each create, so that the
 * delete of a replaced resource does not remove the registration of its replacement. Databases, roles and tokens all
 * keep the label in `metadata.labels` (seen with Teleport 13.3.8).
 */
export const OWNER_LABEL = "pulumi.com/owner";

/** `<organization>/<project>/<stack>` of an owner. */
export function stackOf(owner: string): string {
  return owner.split("/").slice(0, 3).join("/");
}
