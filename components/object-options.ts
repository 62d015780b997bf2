/** Options of every object that the components create in Kubernetes. */
import * as pulumi from "@pulumi/pulumi";
import { askedOnce } from "./http/asked-once";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "./kubernetes/client";
import { KEEPS_FIELD_MANAGER } from "./owner";
import { existing, NewObject } from "./protection/existing-object";

/** Hooks by their names, for each engine: with Pulumi's Automation API, one process may run the programs of several stacks. */
type Registry = WeakMap<object, Map<string, pulumi.ResourceHook>>;

/** One for the process: an engine refuses a second hook of a name, also from another copy of this package. */
const REGISTRY = Symbol.for("cnpg-teleport.hooks");
const connected = askedOnce<KubernetesClient>();

/**
 * An object keeps its field manager (owner.ts), and is created only if no object of its name exists. Before 4.29, Pulumi's
 * Kubernetes provider takes over an existing object, whoever owns it. From 4.29 on, it refuses, but it names neither the owner
 * nor what to do.
 *
 * @param kubernetes must lead to the cluster of the object's Kubernetes provider
 */
export function objectOptions({ context }: KubernetesConnection = {}): {
  ignoreChanges: string[];
  hooks: pulumi.ResourceHookBinding;
} {
  return { ...KEEPS_FIELD_MANAGER, hooks: { beforeCreate: looksFirst(context) } };
}

/**
 * Not in previews, which cannot know whether the run deletes the object before it creates it again. That a Cluster's name is
 * taken is told in previews by OperatorCheck and DeclaredDatabases. No hook under Pulumi's mocks: they would wait for its
 * registration for ever.
 */
function looksFirst(context: string | undefined): pulumi.ResourceHook[] {
  const monitor = pulumi.runtime.getMonitor() as { registerResourceHook?: unknown } | undefined;
  if (typeof monitor?.registerResourceHook !== "function") return [];
  const known = globalThis as { [REGISTRY]?: Registry };
  const registry = (known[REGISTRY] ??= new WeakMap());
  const registered = registry.get(monitor) ?? new Map<string, pulumi.ResourceHook>();
  registry.set(monitor, registered);
  const name = `cnpg-teleport: looks before it creates${context === undefined ? "" : ` in ${context}`}`;
  const hook =
    registered.get(name) ?? new pulumi.ResourceHook(name, ({ newInputs = {} }) => mustBeNew(context, newInputs));
  registered.set(name, hook);
  return [hook];
}

/** @throws Error that says why the object must not be created */
async function mustBeNew(context: string | undefined, { apiVersion, kind, metadata }: Record<string, unknown>) {
  // Where a namespace is secret, all of the metadata is an Output.
  const object = await new Promise<NewObject>((resolve) =>
    pulumi.output({ apiVersion, kind, metadata }).apply((known) => resolve(known as NewObject)),
  );
  const kubernetes = await connected(context ?? "", () => kubernetesClient({ context }));
  const reason = await existing(kubernetes, object);
  if (reason !== undefined) throw new Error(reason);
}
