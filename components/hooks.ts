/** What runs in the program before Pulumi changes a resource. */
import * as pulumi from "@pulumi/pulumi";

/** What a hook is told; secrets in it are Outputs. */
export type HookArgs = Parameters<pulumi.ResourceHookFunction>[0];

/**
 * A hook that runs before each update of a resource, never in a preview. The update is not made if it fails.
 *
 * @param name unique in the program
 * @returns none under Pulumi's mocks, which would wait for its registration for ever
 */
export function beforeUpdate(name: string, hook: (args: HookArgs) => Promise<void>): pulumi.ResourceHook[] {
  const { getMonitor } = pulumi.runtime as { getMonitor?: () => { registerResourceHook?: unknown } | undefined };
  const isKnown = getMonitor === undefined || typeof getMonitor()?.registerResourceHook === "function";
  return isKnown ? [new pulumi.ResourceHook(name, hook)] : [];
}
