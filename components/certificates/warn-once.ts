/** Prints a warning once, if it concerns several databases of a program. */
import * as pulumi from "@pulumi/pulumi";

/** Printed warnings, by run: a program of the Automation API can have several runs in one process. */
const printed = new WeakMap<object, Set<string>>();

/** Warns, in preview as well, unless this run has printed the same already. */
export function warnOnce(warning: string, resource: pulumi.Resource): void {
  const run = pulumi.runtime.getStackResource() ?? resource;
  const known = printed.get(run) ?? new Set();
  printed.set(run, known);
  if (known.has(warning)) return;
  known.add(warning);
  void pulumi.log.warn(warning, resource);
}
