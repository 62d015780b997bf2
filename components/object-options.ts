/** Options of every object that the components create in Kubernetes. */
import * as pulumi from "@pulumi/pulumi";
import { askedOnce } from "./http/asked-once";
import { ApiReader, apiReader, KubernetesConnection } from "./kubernetes/client";
import { isPassing } from "./kubernetes/errors";
import { KEEPS_FIELD_MANAGER } from "./owner";
import { existing, NewObject, TAKE_UP } from "./protection/existing-object";
import { IN_PASSING } from "./protection/taken-cluster";

const HOOK = "cnpg-teleport: looks before it creates";
/** By the engine that they are registered with: a process may run the programs of several stacks, with Pulumi's Automation API. */
const hooks = new WeakMap<object, Map<string, pulumi.ResourceHook>>();
const connected = askedOnce<ApiReader>();

/**
 * An object keeps its field manager (owner.ts), and is created only where none of its name exists. Pulumi's Kubernetes provider
 * before 4.29 takes over what exists, whosever it is; from 4.29 on it refuses, and names neither the owner nor the way out.
 *
 * @param kubernetes must lead to the cluster of the object's Kubernetes provider
 */
export function objectOptions({ context }: KubernetesConnection = {}): {
  ignoreChanges: string[];
  hooks: pulumi.ResourceHookBinding;
} {
  return { ...KEEPS_FIELD_MANAGER, hooks: { beforeCreate: looksFirst(context) } };
}

/** None under Pulumi's mocks, which would wait for its registration for ever. */
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

/** What a preview cannot ask, `up` asks. @throws Error that says why the object must not be created */
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
