/** Options of every object that the components create in Kubernetes. */
import * as pulumi from "@pulumi/pulumi";
import { askedOnce } from "./http/asked-once";
import { ApiReader, apiReader, KubernetesConnection } from "./kubernetes/client";
import { isPassing } from "./kubernetes/errors";
import { KEEPS_FIELD_MANAGER } from "./owner";
import { existing, NewObject, TAKE_UP } from "./protection/existing-object";
import { IN_PASSING } from "./protection/taken-cluster";

const HOOK = "cnpg-teleport: looks before it creates";
/** Hooks, by the engine that has them. With Pulumi's Automation API, one process may run the programs of several stacks. */
const hooks = new WeakMap<object, Map<string, pulumi.ResourceHook>>();
const connected = askedOnce<ApiReader>();

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

/** No hook under Pulumi's mocks: they would wait for its registration for ever. */
function looksFirst(context: string | undefined): pulumi.ResourceHook[] {
  const monitor = pulumi.runtime.getMonitor() as { registerResourceHook?: unknown } | undefined;
  if (typeof monitor?.registerResourceHook !== "function") return [];
  const registered = hooks.get(monitor) ?? new Map<string, pulumi.ResourceHook>();
  hooks.set(monitor, registered);
  const name = context === undefined ? HOOK : `${HOOK} (${context})`;
  const hook =
    registered.get(name) ??
    new pulumi.ResourceHook(name, ({ newInputs = {} }) => mustBeNew(context, newInputs), { onDryRun: true });
  registered.set(name, hook);
  return [hook];
}

/** If a preview cannot ask now, `up` asks. @throws Error that says why the object must not be created */
async function mustBeNew(context: string | undefined, object: NewObject): Promise<void> {
  const preview = pulumi.runtime.isDryRun();
  const question = JSON.stringify([preview, context ?? ""]);
  try {
    const api = await connected(question, () => apiReader({ context }, preview ? IN_PASSING : {}));
    const reason = await existing(api, object, { preview, takesUp: process.env[TAKE_UP] === "true" });
    if (reason !== undefined) throw new Error(reason);
  } catch (error) {
    if (!preview || !isPassing(error)) throw error;
  }
}
