/**
 * The provider behind our dynamic resources, as Pulumi stores it in the state beside each resource: a delete, even
 * years later, runs the stored text. So it is kept tiny and stable. It captures nothing but the name of the
 * resource's kind, and finds the operations when one runs, through this package's export `cnpg-teleport/operations`,
 * in the project's folder (where Pulumi starts the provider).
 *
 * Changing the text below shows as an update of `__provider` only; `diff` does not look at it.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { Operations } from "./operations";

/** The provider of one kind of resource. */
export function dynamicProvider(kind: keyof Operations): pulumi.dynamic.ResourceProvider {
  const operations = () => {
    const { createRequire } = process.getBuiltinModule("node:module");
    const load = createRequire(`${process.cwd()}/index.js`);
    return (load("cnpg-teleport/operations") as Record<string, Required<pulumi.dynamic.ResourceProvider>>)[kind]!;
  };
  return {
    check: async (olds, news) => operations().check(olds, news),
    diff: async (id, olds, news) => operations().diff(id, olds, news),
    create: async (inputs) => operations().create(inputs),
    read: async (id, props) => operations().read(id, props),
    update: async (id, olds, news) => operations().update(id, olds, news),
    delete: async (id, props) => operations().delete(id, props),
  };
}
