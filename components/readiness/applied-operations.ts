/** Operations that wait until the primary has applied Databases or DatabaseRoles of its Cluster. */
import { AppliedKind, appliedProblems } from "../cnpg/applied";
import type { KubernetesClient, KubernetesObject, ObjectReference } from "../kubernetes/client";
import type { Provider } from "../dynamic/methods";
import { Connect, servingOperations, ServingInputs, ServingTiming } from "./operations";

/** The kinds' names in the API server's paths. */
const PLURALS: Record<AppliedKind, string> = { Database: "databases", DatabaseRole: "databaseroles" };
/** Finalizers of the primary. They keep an object until the primary has dropped its database or role, or knows that it must stay. */
const FINALIZERS: Record<AppliedKind, string> = {
  Database: "cnpg.io/deleteDatabase",
  DatabaseRole: "cnpg.io/deleteRole",
};

/** The object's place in the API server. */
export function appliedObject(kind: AppliedKind, namespace: string, name: string): ObjectReference {
  return { apiVersion: "postgresql.cnpg.io/v1", plural: PLURALS[kind], namespace, name };
}

/** The operations over a way of reaching Kubernetes. `names` returns the names of the objects. */
export function appliedServing<Inputs extends ServingInputs>(
  kind: AppliedKind,
  names: (inputs: Inputs) => string[],
  connect?: Connect,
  timing?: Partial<ServingTiming>,
): Provider<Inputs, Inputs> {
  return servingOperations<Inputs>(
    {
      name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
      problems: async (kubernetes, inputs) => {
        const found = names(inputs).map(async (name) =>
          appliedProblems(kind, name, await kubernetes.get(appliedObject(kind, inputs.namespace, name))),
        );
        return (await Promise.all(found)).flat();
      },
    },
    connect,
    timing,
  );
}

/** Whether the object still has the primary's finalizer. */
export function isHeld(kind: AppliedKind, { metadata }: KubernetesObject): boolean {
  return finalizersOf(metadata).includes(FINALIZERS[kind]);
}

/** Removes the primary's finalizer, so that the object's deletion does not wait for the primary. */
export async function letGo(
  kubernetes: KubernetesClient,
  kind: AppliedKind,
  namespace: string,
  { metadata }: KubernetesObject,
): Promise<void> {
  const { name, resourceVersion } = metadata;
  const finalizers = finalizersOf(metadata).filter((finalizer) => finalizer !== FINALIZERS[kind]);
  await kubernetes.patch(appliedObject(kind, namespace, name), { metadata: { resourceVersion, finalizers } });
}

function finalizersOf({ finalizers = [] }: KubernetesObject["metadata"]): string[] {
  return finalizers as string[];
}
