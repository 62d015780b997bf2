/**
 * How Pulumi's Kubernetes provider is to delete, by an annotation of the object. Its own default, dependents first, has
 * two traps. An object that is gone between its first look and the start of its watch leaves it waiting until its limit
 * of ten minutes (seen with providers as of September 2024). And CNPG 1.30 makes the Deployment of a Pooler anew as long
 * as the Pooler is there, deleted or not, so that the two go on for ever. An object that has nothing to wait for is gone
 * at once when its dependents are left to the garbage collector.
 */
export const BACKGROUND_DELETION = { "pulumi.com/deletionPropagationPolicy": "background" };

/** For objects that a finalizer keeps for moments: the wait that ends by its limit looks once more, and is content. */
export const SHORT_DELETION = { delete: "2m" };
