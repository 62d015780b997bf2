/**
 * The provider behind our dynamic resources, as Pulumi stores it in the state beside each resource: a delete, even
 * years later, runs the stored text. So it is kept small and stable. It captures nothing but the name of the
 * resource's kind, and finds the operations when one runs, through this package's export `cnpg-teleport/operations`:
 * from the folder of the program's `main`, where Pulumi starts the provider, or else from a package among the project's
 * dependencies that depends on this one. With pnpm and Plug'n'Play the project does not see what only such a package needs.
 *
 * A preview and an `up` run it as well, for `check`: what a delete would not find fails there first.
 *
 * `diff` does not look at the text: a resource keeps the text it has in the state until its next update. See stored-code.ts.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { KindName } from "./kind-names";

/** The provider of one kind of resource. Without comments inside, which would be stored as well. */
export function dynamicProvider(kind: KindName): pulumi.dynamic.ResourceProvider {
  const operations = () => {
    const { createRequire } = process.getBuiltinModule("node:module");
    const own = "cnpg-teleport/operations";
    const main = `${process.cwd()}/index.js`;
    const load = createRequire(main);
    const find = (name: string, from = main) => {
      try {
        return createRequire(from).resolve(name);
      } catch {
        return undefined;
      }
    };
    const dependencies = (manifest?: string) =>
      (manifest ? (load(manifest) as { dependencies?: object }).dependencies : undefined) ?? {};
    let found = find(own);
    for (const up of main.split(/[\\/]/).keys())
      for (const name in found ? {} : dependencies(find(`./${"../".repeat(up)}package.json`))) {
        const other = find(`${name}/package.json`);
        if ("cnpg-teleport" in dependencies(other)) found ??= find(own, other);
      }
    if (!found)
      throw new Error(
        `${process.cwd()} finds no cnpg-teleport. Add it to the dependencies of the project's package.json, and install it.`,
      );
    return (load(found) as Record<string, Required<pulumi.dynamic.ResourceProvider>>)[kind]!;
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
