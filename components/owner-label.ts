/** The label, in Kubernetes the annotation, that tells whose an object is. Pure. */

/**
 * The label that marks what we registered: `<organization>/<project>/<stack>/<resource>#<registration>`.
 * The part before `#` says which resource of which stack owns it; the part after it is made anew at each
 * create, so that the delete of a replaced resource does not take away its successor's registration.
 * Databases, roles and tokens all keep it in `metadata.labels` (seen with Teleport 13.3.8).
 */
export const OWNER_LABEL = "pulumi.com/owner";
