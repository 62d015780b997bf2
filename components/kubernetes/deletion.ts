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
