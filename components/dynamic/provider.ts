/**
 * The provider of the dynamic resources. Pulumi stores its code in the state, beside each resource. A delete, even years
 * later, runs the stored code, so the code is small and stable. It captures only the name of the resource's kind. When it
 * runs, it finds the operations through this package's export `cnpg-teleport/operations`. It searches from the folder of the
 * program's `main`, where Pulumi starts the provider, and then from each dependency of the project that depends on this
 * package. With pnpm and Plug'n'Play, the project itself does not see the dependencies of its dependencies.
 *
 * A preview and an `up` also run this code, for `check`. So a search that would fail in a delete fails there first.
 *
 * `diff` ignores the code: a resource keeps its stored code until its next update. See `withStoredCode`.
 */
import type * as pulumi from "@pulumi/pulumi";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The kinds of dynamic resources. Old states call their operations by these names: keep them. */
export type KindName =
  | "access"
  | "autoUsers"
  | "clusterServing"
  | "databasesServing"
  | "databaseRolesServing"
  | "poolerServing"
  | "operatorCheck"
  | "registration"
  | "certAuthority"
  | "vaultAdmin"
  | "vaultLeases"
  | "vaultMountRemoval"
  | "deletionProtection"
  | "clusterIdentity"
  | "kubernetesIdentity"
  | "updateCheck"
  | "namespaceRemoval"
  | "declaredDatabases"
  | "archiveName"
  | "takenBackup"
  | "lastBackup"
  | "replicaRole"
  | "replicaStatus"
  | "adoption";

/** The provider of one kind of resource. It has no comments inside, because they would be stored too. */
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

/** What Pulumi adds to the inputs and the state of a dynamic resource. */
interface Stored {
  __provider?: unknown;
}

interface Methods {
  diff(id: string, olds: Stored, news: Stored): Promise<pulumi.dynamic.DiffResult>;
}

/**
 * The same operations, but a resource whose stored code would not find them is updated, which stores today's code. The code
 * of 0.1.0 finds this package only if the project itself can resolve it. If a project later gets this package through
 * another package, `up` still works, and `destroy` would fail.
 */
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
