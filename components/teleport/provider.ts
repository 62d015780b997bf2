/**
 * The providers behind our Teleport resources, as Pulumi stores them in the state beside each resource:
 * a delete, even years later, runs the stored text. So it is kept tiny and stable. It captures nothing but
 * the name of the resource's kind, and finds the operations when one runs, through this package's export
 * `cnpg-teleport/teleport-operations`, in the project's folder (where Pulumi starts the provider).
 *
 * Changing the text below shows as an update of `__provider` only; `diff` does not look at it.
 */
import * as pulumi from "@pulumi/pulumi";
import type { TeleportOperations } from "./operations";

function provider(kind: keyof TeleportOperations): pulumi.dynamic.ResourceProvider {
  const operations = () => {
    const { createRequire } = process.getBuiltinModule("node:module");
    const load = createRequire(`${process.cwd()}/index.js`);
    return (load("cnpg-teleport/teleport-operations") as TeleportOperations)[kind];
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

/** Behind everything that is registered in Teleport. */
export const registrationProvider = provider("registration");

/** Behind the reading of a Teleport cluster's database client CA. */
export const certAuthorityProvider = provider("certAuthority");
