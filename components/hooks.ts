/** What runs in the program before Pulumi changes a resource. */
import * as pulumi from "@pulumi/pulumi";

/** What a hook is told; secrets in it are Outputs. */
export type HookArgs = Parameters<pulumi.ResourceHookFunction>[0];

/** Names that the program has given: they must be unique, and resources of different parents may have one name. */
const taken = new Set<string>();

/**
 * A hook that runs before each update of a resource. The update is not made if it fails.
 *
 * @param options.onDryRun whether it also runs in a preview. Default: no
 * @returns none under Pulumi's mocks, which would wait for its registration for ever
 */
export function beforeUpdate(
  name: string,
  hook: (args: HookArgs) => Promise<void>,
  options: pulumi.ResourceHookOptions = {},
): pulumi.ResourceHook[] {
  const { getMonitor } = pulumi.runtime as { getMonitor?: () => { registerResourceHook?: unknown } | undefined };
  const isKnown = getMonitor === undefined || typeof getMonitor()?.registerResourceHook === "function";
  return isKnown ? [new pulumi.ResourceHook(unique(name), hook, options)] : [];
}

function unique(name: string): string {
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name}#${count}`;
  taken.add(free);
  return free;
}
