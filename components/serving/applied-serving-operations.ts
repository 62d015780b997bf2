/** What waits until the primary has applied objects of its Cluster: Databases, or DatabaseRoles. */
import { AppliedKind, appliedProblems } from "../cnpg/applied";
import type { KubernetesClient, KubernetesObject, ObjectReference } from "../kubernetes/client";
import type { Provider } from "../provider";
import { Connect, servingOperations, ServingInputs, ServingTiming } from "./serving-operations";

/** As the API server's paths name the kinds. */
const PLURALS: Record<AppliedKind, string> = { Database: "databases", DatabaseRole: "databaseroles" };
/** With which the primary keeps an object until it has dropped what it stands for, or seen that this is to stay. */
const FINALIZERS: Record<AppliedKind, string> = {
  Database: "cnpg.io/deleteDatabase",
  DatabaseRole: "cnpg.io/deleteRole",
};

/** Where an object is. */
export function appliedObject(kind: AppliedKind, namespace: string, name: string): ObjectReference {
  return { apiVersion: "postgresql.cnpg.io/v1", plural: PLURALS[kind], namespace, name };
}

/** The operations over a way of reaching Kubernetes; `names` are those of the objects. */
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

/** Whether the primary still has to let it go. */
export function isHeld(kind: AppliedKind, { metadata }: KubernetesObject): boolean {
  return finalizersOf(metadata).includes(FINALIZERS[kind]);
}

/** Lets an object go in the primary's place, so that its deletion waits for nothing. */
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
