/**
 * Replaces code that an older release stored in the state. The code of 0.1.0 finds this package only if the project itself
 * can resolve it. If a project later gets this package through another package, `up` still works, and `destroy` would fail.
 */
import type * as pulumi from "@pulumi/pulumi";
import { createRequire } from "node:module";
import { join } from "node:path";

/** What Pulumi adds to the inputs and the state of a dynamic resource. */
interface Stored {
  __provider?: unknown;
}

interface Methods {
  diff(id: string, olds: Stored, news: Stored): Promise<pulumi.dynamic.DiffResult>;
}

/** The same operations, but a resource whose stored code would not find them is updated, which stores today's code. */
export function withStoredCode<Kinds extends object>(kinds: Kinds, isSeen: () => boolean = projectSeesPackage): Kinds {
  const entries = Object.entries(kinds as Record<string, Methods>).map(([kind, methods]) => [
    kind,
    {
      ...methods,
      diff: async (id: string, olds: Stored, news: Stored) => {
        const found = await methods.diff(id, olds, news);
        const isLost = olds.__provider !== news.__provider && !isSeen();
        return isLost ? { ...found, changes: true } : found;
      },
    },
  ]);
  return Object.fromEntries(entries) as Kinds;
}

/** Whether this package can be resolved from the project's folder. */
function projectSeesPackage(): boolean {
  try {
    createRequire(join(process.cwd(), "index.js")).resolve("cnpg-teleport/operations");
    return true;
  } catch {
    return false;
  }
}
