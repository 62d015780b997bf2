/** How the objects of the bench can be told from those of others. Pure. */

/** Label of each database in Teleport, and of each namespace that the product does not create. */
export const BENCH_LABEL = { bench: "cnpg-teleport" };
/** Prefix of the names of databases, Clusters and namespaces. */
export const PREFIX = "bench-";
/** Name of the stacks. The product writes it into the annotation that names the owner of an object. */
export const STACK = "bench";

/** `bench-ours-1`, `bench-ours-2`, … */
export function namesOf(side: "ours" | "plain", count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${PREFIX}${side}-${index + 1}`);
}
