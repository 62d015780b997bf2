/** Warnings about what many databases of a program have in common. */
import * as pulumi from "@pulumi/pulumi";

/** By the run: a program of the Automation API runs several in one process. */
const told = new WeakMap<object, Set<string>>();

/** Warns, in preview as well, unless this run has told the same already. */
export function warnOnce(warning: string, resource: pulumi.Resource): void {
  const run = pulumi.runtime.getStackResource() ?? resource;
  const known = told.get(run) ?? new Set();
  told.set(run, known);
  if (known.has(warning)) return;
  known.add(warning);
  void pulumi.log.warn(warning, resource);
}
